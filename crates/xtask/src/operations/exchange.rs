//! Keys that come in and go out, and public halves.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const IMPORT_KEY_CREATE: Operation = Operation {
    conditions: "the tenant is active and the server unsealed; a lifetime of 60 seconds to 72 hours (24 hours if not said).",
    effects: "a wrapping key (RSA with 4,096 bits, or X-Wing), its private half in the vault, durable first; then a row with its method, maker and expiry and the digest of its public half. The public half is answered once. Only the principal that made it may use it, and for one import.",
    errors: &[
        E::UnsupportedAlgorithm,
        E::TenantSuspended,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "the wrapping key's id, `method`, `public_key` (SHA-256 of its DER) and `expires_at`.",
};

pub const IMPORT_KEY_READ: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const IMPORT_KEY_DESTROY: Operation = Operation {
    conditions: "the wrapping key was used or has expired; the clockwork does it.",
    effects: "the private half is deleted from the vault and seen to be gone; then its row says so.",
    errors: &[],
    audit: "`why`: `used` or `expired`.",
};

pub const IMPORT: Operation = Operation {
    conditions: "as for `key.create`; exactly one of wrapped material and a public key. Wrapped: the wrapping key was made by this principal, is not used and has not expired; the material opens, is of the algorithm asked for, valid, and strong enough (docs/formats/import.md lists what is refused); a JWK is not meant for something else. Public: only usages that need no private half, and not exportable. Where the algorithm needs a use limit, `prior_use` is declared and leaves something of it.",
    effects: "checked before anything is stored; then as for `key.create`, with `origin` `imported` and where it came from in version 1. The wrapping key is used up in the same transaction.",
    errors: &[
        E::InvalidKeyMaterial,
        E::WeakKeyMaterial,
        E::BrokenKeyMaterial,
        E::NotAuthentic,
        E::ImportKeyUnusable,
        E::NotFound,
        E::Conflict,
        E::AlreadyExists,
        E::IdempotencyMismatch,
        E::UnsupportedAlgorithm,
        E::TenantSuspended,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "the key's id and name, version 1, `algorithm`, `state`, `method`, `format`, `import_key`, `prior_uses` and `prior_bytes`.",
};

pub const IMPORT_VERSION: Operation = Operation {
    conditions: "as for `key.rotate` and `key.import`; the key was imported, and what comes is of its kind: wrapped for a whole key, public for a public one.",
    effects: "as for `key.rotate`, with material that comes from outside.",
    errors: &[
        E::InvalidKeyMaterial,
        E::WeakKeyMaterial,
        E::BrokenKeyMaterial,
        E::NotAuthentic,
        E::ImportKeyUnusable,
        E::NotFound,
        E::WrongState,
        E::Conflict,
        E::PreconditionFailed,
        E::UnsupportedAlgorithm,
        E::TenantSuspended,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "`primary_version`, `new_version`, `method`, `format`, `import_key`, `prior_uses` and `prior_bytes`.",
};

pub const EXPORT: Operation = Operation {
    conditions: "the tenant is active and the server unsealed; the key was made exportable, which cannot be changed later; its private half is here; the version may process; the recipient is an RSA key of 3,072 to 8,192 bits or an X-Wing key; the algorithm has such a container. No built-in role holds this permission.",
    effects: "none. The material leaves wrapped to the recipient, never otherwise; from then on what is done with it is out of our sight.",
    errors: &[
        E::NotExportable,
        E::PublicKeyOnly,
        E::WrongState,
        E::InvalidKeyMaterial,
        E::WeakKeyMaterial,
        E::BrokenKeyMaterial,
        E::UnsupportedAlgorithm,
        E::TenantSuspended,
        E::Sealed,
        E::RecordRefused,
    ],
    audit: "the version, `method`, `format` and `recipient` (SHA-256 of the public key's DER).",
};

pub const LIST_PUBLIC: Operation = Operation {
    conditions: "at most 1,000 public keys; a prefix of names narrows them.",
    effects: "none. Keys that the caller may not read are not in it, nor versions that may not process.",
    errors: &[],
    audit: "nothing more.",
};
