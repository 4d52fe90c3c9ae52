//! Keys as things to be found and described; classes, bindings, policies, jobs.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const CREATE: Operation = Operation {
    conditions: "the tenant is active and the server unsealed; the name is free; the usages fit the algorithm; the provider is `native`; it is deterministic only with `aes-256-gcm-siv-convergent`, which always is; a policy, if named, is there; an expiry is in the future; a use limit allows at least one use and one byte, and at most 2^32 uses where the algorithm needs a limit.",
    effects: "material in the vault, durable first; then the key and version 1, `pending`, or `active` if asked, in one transaction. In a batch (up to 1,000) each succeeds or fails on its own, and their material is made durable together.",
    errors: &[
        E::AlreadyExists,
        E::IdempotencyMismatch,
        E::UnsupportedAlgorithm,
        E::TenantSuspended,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "the key's id and name, version 1, `algorithm` and `state`; one entry for each key of a batch.",
};

pub const SEARCH: Operation = Operation {
    conditions: "free text has 3 to 128 characters; a page has 1 to 1,000 rows. A caller whose role is restricted sees the keys that it may read.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const READ: Operation = Operation {
    conditions: "none.",
    effects: "none. The states shown are those that hold now, whether or not the clock's part has been written down.",
    errors: &[],
    audit: "nothing more.",
};

pub const HISTORY: Operation = Operation {
    conditions: "a page has 1 to 1,000 rows.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const USAGE: Operation = Operation {
    conditions: "none.",
    effects: "none. The counters include what is not yet flushed to the registry.",
    errors: &[],
    audit: "nothing more.",
};

pub const UPDATE: Operation = Operation {
    conditions: "the tenant is active; `If-Match`, if given, names the key's present etag; texts, tags and windows are within their limits; a policy, if named, is there.",
    effects: "description, purpose, owner, class, services, tags, compliance tags, access note, policy, rollback window, overlap, processing after expiry: what was named, and nothing else. Naming a policy takes over its window and overlap. Algorithm, usages, provider, origin, limits, exportable and deterministic are fixed when a key is made.",
    errors: &[E::PreconditionFailed, E::TenantSuspended],
    audit: "`changed`, the names of the fields.",
};

pub const CLASS_READ: Operation = Operation {
    conditions: "to see the key itself, also `key.read` on it.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const CLASS_ASSIGN: Operation = Operation {
    conditions: "the tenant is active; the key is of this class; `If-Match`, if given, names the pointer's present etag (0 when there is none).",
    effects: "the class's current key is this one; the one before is remembered. Verbs addressed to the class use it from the answer on.",
    errors: &[E::PreconditionFailed, E::TenantSuspended],
    audit: "the reason as given, `key` and `previous_key`.",
};

pub const CLASS_REVERT: Operation = Operation {
    conditions: "the tenant is active; the class had another key before.",
    effects: "the class's current key is the one before; reverting again returns.",
    errors: &[E::RollbackUnavailable, E::TenantSuspended],
    audit: "the reason as given, `key` and `previous_key`.",
};

pub const BINDING_CREATE: Operation = Operation {
    conditions: "the tenant is active; the URI has 1 to 1,024 characters, label and owner at most 256.",
    effects: "a live binding: the key's material is not destroyed without force while it lives.",
    errors: &[E::IdempotencyMismatch, E::TenantSuspended],
    audit: "the key, and `binding`.",
};

pub const BINDING_LIST: Operation = Operation {
    conditions: "a page has 1 to 1,000 rows.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const BINDING_RELEASE: Operation = Operation {
    conditions: "the binding is this key's; releasing it again changes nothing of when it was released.",
    effects: "the binding stays on record and is not live any more.",
    errors: &[],
    audit: "the reason as given, the key, and `binding`.",
};

pub const POLICY_CREATE: Operation = Operation {
    conditions: "the name is free; the interval is 1 to 3,650 days or none; a schedule, instead of one, can be followed; window and overlap are 0 to 90 days.",
    effects: "an active policy that no key has yet. Its window and overlap hold; keys that have it are rotated by themselves when the interval has passed since their last rotation, or at the first date of the schedule after it.",
    errors: &[E::AlreadyExists, E::IdempotencyMismatch],
    audit: "nothing more.",
};

pub const POLICY_LIST: Operation = Operation {
    conditions: "none. The same permission shows one policy.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const POLICY_UPDATE: Operation = Operation {
    conditions: "as for creating it; `If-Match`, if given, names its present etag. Status: active → suspended or archived, suspended → active or archived, archived → active. Of an archived policy nothing else changes.",
    effects: "the policy says what it says now, and its keys follow it at once. Keys keep the window and overlap that they took over from it. Suspended or archived: none of its keys is rotated by itself. Active again: what fell due meanwhile is due, once for each key.",
    errors: &[E::PreconditionFailed, E::WrongState],
    audit: "the reason as given, `changed`, and for a status `from_status` and `to_status`.",
};

pub const POLICY_DELETE: Operation = Operation {
    conditions: "the policy is there.",
    effects: "the policy is gone, and every key that had it has none, in one transaction.",
    errors: &[],
    audit: "the reason as given.",
};

pub const JOB_LIST: Operation = Operation {
    conditions: "at most 1,000 rows, newest first.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};
