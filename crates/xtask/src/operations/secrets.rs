//! Secrets: named values that people keep.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const KEY_CREATE: Operation = Operation {
    conditions: "the first secret that belongs to no tenant is being put.",
    effects: "a key-encryption key for what belongs to no tenant, in the vault under the root key, durable first; then its row.",
    errors: &[],
    audit: "the deployment's id.",
};

pub const PUT: Operation = Operation {
    conditions: "the tenant (if it is not the system) is active and the server unsealed; a value of 1 byte to 64 KiB in JSON, or of any length up to `limits.value_bytes` (5 GiB) sent as bytes; of these at most `limits.values_under_way` at a time, and `limits.values_under_way_per_tenant` of one tenant, in and out together (`rate_limited`); 1 to 100 versions to keep (10 if nothing was ever said). If a version was expected, it is the latest one (0: there is no such secret); if an etag was given, it is the present one.",
    effects: "the value is in the vault under a fresh record id, durable first; then a row for the version and one more of everything in the secret's. Versions beyond those kept are marked in the same transaction and destroyed after it. A deleted name is used again: the numbers of versions go on. If the registry refuses, the value does not stay behind. What is sent as bytes is stored while it comes; when all of it is there, token, roles, tenant and seal are looked at once more. If it breaks off, comes too slowly or is too large, what was stored of it is taken back at once.",
    errors: &[
        E::AlreadyExists,
        E::PreconditionFailed,
        E::IdempotencyMismatch,
        E::AlreadyCreated,
        E::TenantSuspended,
        E::TooLarge,
        E::Timeout,
        E::RateLimited,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "the secret's id and name, the version, `keep`, the numbers of the versions that are `destroying`, and `size_bytes` of a value of more than 64 KiB; never the value, nor anything made from it.",
};

pub const GET: Operation = Operation {
    conditions: "the tenant (if it is not the system) is active and the server unsealed; the version is stored. Only the role `secret-reader` holds this permission.",
    effects: "none. The value leaves, in JSON up to 64 KiB (a larger one is `value_too_large`), or as bytes, of which each piece is verified before it leaves and the end before the first; what is not whole ends the connection before its `Content-Length` is reached, and a second entry says why. From then on what is done with it is out of our sight. Where nobody says which version, it is the latest one: an older one never takes its place, even if the latest was deleted.",
    errors: &[
        E::TenantSuspended,
        E::ValueTooLarge,
        E::RateLimited,
        E::Sealed,
        E::RecordRefused,
        E::StorageUnavailable,
    ],
    audit: "the secret's id and name, the version that left, and `size_bytes` if it leaves as bytes and has more than 64 KiB; before the first byte does.",
};

pub const READ: Operation = Operation {
    conditions: "none.",
    effects: "none. No value is given out; of one of more than 64 KiB the length is told, while the server is unsealed.",
    errors: &[],
    audit: "the secret's name.",
};

pub const LIST: Operation = Operation {
    conditions: "at most 1,000 at a time; a prefix of names narrows them.",
    effects: "none. No value is read.",
    errors: &[],
    audit: "nothing more.",
};

pub const DELETE: Operation = Operation {
    conditions: "the server is unsealed; the secret, and the version if one is named, is there; if an etag was given, it is the present one.",
    effects: "what is deleted is marked, and from that moment not given out; then its values are destroyed in the vault (`secret.destroy`). Without a version the whole secret goes, its description and labels with it. Its name can be used again; its version numbers cannot.",
    errors: &[E::PreconditionFailed, E::Sealed],
    audit: "the secret's id and name, the reason, and the numbers of the `versions` that go.",
};

pub const DESTROY: Operation = Operation {
    conditions: "the version was deleted, or is older than those kept; right after that, or by the clockwork.",
    effects: "the value is deleted from the vault and seen to be gone; then the version's row goes. A record that says it is something else is not touched.",
    errors: &[],
    audit: "the secret's id and the version.",
};

pub const CREDENTIAL_PUT: Operation = Operation {
    conditions: "as for `secret.put`, with a name of this category.",
    effects: "as for `secret.put`.",
    errors: PUT.errors,
    audit: "as for `secret.put`.",
};

pub const CREDENTIAL_GET: Operation = Operation {
    conditions: "as for `secret.get`, with a name of this category. No built-in role holds this permission: it is given by name.",
    effects: "as for `secret.get`.",
    errors: GET.errors,
    audit: "as for `secret.get`.",
};

pub const SHARE_GET: Operation = Operation {
    conditions: "as for `secret.get`, with a name of this category. Only the role `custodian` holds this permission.",
    effects: "as for `secret.get`.",
    errors: GET.errors,
    audit: "as for `secret.get`.",
};

pub const CREDENTIAL_LIST: Operation = Operation {
    conditions: "as for `secret.list` and `secret.read`, with names of this category. A list over several categories shows those that the caller may list.",
    effects: "none. No value is read.",
    errors: &[],
    audit: "as for `secret.read`.",
};

pub const CREDENTIAL_DELETE: Operation = Operation {
    conditions: "as for `secret.delete`, with a name of this category.",
    effects: "as for `secret.delete`.",
    errors: DELETE.errors,
    audit: "as for `secret.delete`.",
};
