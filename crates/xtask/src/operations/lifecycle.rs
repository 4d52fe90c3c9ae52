//! The lifecycle of key versions. What is legal is decided by the state table alone
//! (`crates/core/src/noun/state.rs`).

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const ACTIVATE: Operation = Operation {
    conditions: "the tenant is active; the version named, or by default every pending one, is pending.",
    effects: "pending → active.",
    errors: &[E::WrongState, E::PreconditionFailed, E::TenantSuspended],
    audit: "the reason as given, and `primary_version`.",
};

pub const SUSPEND: Operation = Operation {
    conditions: "the version named, or by default every active one, is active. Possible in a suspended tenant too.",
    effects: "active → inactive: neither protects nor processes; its material leaves memory.",
    errors: &[E::WrongState, E::PreconditionFailed],
    audit: "the reason as given, and `primary_version`.",
};

pub const RESUME: Operation = Operation {
    conditions: "the tenant is active; the version named, or by default every inactive one, is inactive.",
    effects: "inactive → active.",
    errors: &[E::WrongState, E::PreconditionFailed, E::TenantSuspended],
    audit: "the reason as given, and `primary_version`.",
};

pub const ROTATE: Operation = Operation {
    conditions: "the tenant is active and the server unsealed; the primary version is neither pending, waiting for destruction nor destroyed; an expiry is in the future.",
    effects: "new material, durable first, read back and tried on a probe; if it fails its trial it is destroyed and nothing changes. The new version is active and primary. The old one, if it was active, stays active for the key's overlap (for callers who name it) and then retires; without an overlap (the default), or if it was inactive, it is `rotated` at once. If the window is not zero, the rotation can be rolled back until it closes; an earlier rotation no longer can.",
    errors: &[
        E::WrongState,
        E::PreconditionFailed,
        E::TenantSuspended,
        E::Sealed,
        E::CanaryFailed,
        E::StorageUnavailable,
    ],
    audit: "the old version, `new_version`, `trial`, `primary_version`, the reason as given.",
};

pub const EMERGENCY_ROTATE: Operation = Operation {
    conditions: "as for `key.rotate`; a pending primary version may be rotated too.",
    effects: "as for `key.rotate`, but the old version is compromised at once, and the rotation cannot be rolled back.",
    errors: &[
        E::WrongState,
        E::PreconditionFailed,
        E::TenantSuspended,
        E::Sealed,
        E::CanaryFailed,
        E::StorageUnavailable,
    ],
    audit: "the old version, `new_version`, `trial`, `primary_version`, the reason as given.",
};

pub const ROLL_BACK: Operation = Operation {
    conditions: "the tenant is active; the primary version replaced another, its window is open, and the rotation was neither undone before nor followed by a revocation or a compromise; the version before is `rotated`, or active in its overlap, and has not expired.",
    effects: "the version before is active and primary; the one that replaced it is `rotated`, so that what it protected stays readable. One transaction.",
    errors: &[
        E::RollbackUnavailable,
        E::WrongState,
        E::PreconditionFailed,
        E::TenantSuspended,
    ],
    audit: "the version that was primary, `primary_version`, the reason as given.",
};

pub const EXPIRE: Operation = Operation {
    conditions: "the version named, or by default the primary, is active. Possible in a suspended tenant too. The clock does the same when a cryptoperiod ends.",
    effects: "active → expired: processes, unless the key's restrictions forbid it after expiry.",
    errors: &[E::WrongState, E::PreconditionFailed],
    audit: "the reason as given, and `primary_version`; by the server itself when the clock did it, with `state`.",
};

pub const RENEW: Operation = Operation {
    conditions: "the tenant is active; the version named, or by default the primary, is expired or active; the new expiry is in the future, or there is none.",
    effects: "expired → active, or the cryptoperiod of an active version extended. A version that is not primary does not become it.",
    errors: &[E::WrongState, E::PreconditionFailed, E::TenantSuspended],
    audit: "the reason as given, and `primary_version`.",
};

pub const RETIRE: Operation = Operation {
    conditions: "the overlap of a replaced version has ended. Done by the clock.",
    effects: "active → rotated.",
    errors: &[],
    audit: "by the server itself; the version and its `state`.",
};

pub const REVOKE: Operation = Operation {
    conditions: "a revocation reason of KMIP is given: `unspecified`, `key_compromise`, `affiliation_changed`, `superseded`, `cessation_of_operation`, `privilege_withdrawn`. Possible in a suspended tenant too.",
    effects: "for `key_compromise` as `key.compromise`; for any other reason the version named, or by default every active and inactive one, is `rotated`, and the last rotation can no longer be rolled back.",
    errors: &[E::WrongState, E::PreconditionFailed],
    audit: "`revocation_reason`, the remark as given, and `primary_version`.",
};

pub const COMPROMISE: Operation = Operation {
    conditions: "the version named, or by default every one that is not yet, can become compromised. Possible in a suspended tenant too.",
    effects: "→ compromised: protects no more, processes only for who has `key.use_compromised`; its material leaves memory. A destruction that waits goes on and ends in `destroyed_compromised`; a destroyed version becomes that at once.",
    errors: &[E::WrongState, E::PreconditionFailed],
    audit: "the reason as given, and `primary_version`.",
};

pub const SCHEDULE_DESTRUCTION: Operation = Operation {
    conditions: "the tenant is active; the version named, or every version of the key, is not active; the wait is 7 to 30 days (30 if nothing is said). With live data bindings and a version that was ever in use, also: force, a reason, and the permission `key.force_destruction`.",
    effects: "→ pending_destruction, which remembers the state before; due after the wait, or at once for a version that was never active.",
    errors: &[
        E::WrongState,
        E::KeyInUse,
        E::PreconditionFailed,
        E::TenantSuspended,
    ],
    audit: "the reason as given, `due`, and `forced_over_live_bindings` with their number if it was forced.",
};

pub const FORCE_DESTRUCTION: Operation = Operation {
    conditions: "a destruction is scheduled with force although live data bindings need the key.",
    effects: "lets `key.schedule_destruction` go on.",
    errors: &[],
    audit: "as `forced_over_live_bindings` in the entry of `key.schedule_destruction`.",
};

pub const CANCEL_DESTRUCTION: Operation = Operation {
    conditions: "the tenant is active; the version named, or by default every one that waits, is waiting for destruction, and deleting has not begun.",
    effects: "pending_destruction → the state before.",
    errors: &[E::WrongState, E::PreconditionFailed, E::TenantSuspended],
    audit: "the reason as given, and `primary_version`.",
};

pub const DESTROY: Operation = Operation {
    conditions: "a version waits for destruction and its time has come. Done by the clock.",
    effects: "the version is marked as being deleted, which cannot be called off; its material is deleted and seen to be gone; it is `destroyed`, or `destroyed_compromised`. Each step can be repeated, so a crash between them loses nothing.",
    errors: &[],
    audit: "by the server itself, twice: with `destroying`, and with the final `state`.",
};
