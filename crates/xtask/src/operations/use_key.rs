//! Using keys. Each verb takes one item or up to 1,000; a batch reports each item's own outcome
//! and is one audit entry, in which each version that was used has its counters.

use keyward_api::error::ErrorCode as E;

use super::Operation;

/// What any verb that protects can answer.
const PROTECT: &[E] = &[
    E::UsageNotAllowed,
    E::UnsupportedAlgorithm,
    E::WrongState,
    E::LimitReached,
    E::TenantSuspended,
    E::Sealed,
    E::RecordRefused,
    E::StorageUnavailable,
];

/// What any verb that opens what a key made can answer.
const OPEN: &[E] = &[
    E::UsageNotAllowed,
    E::UnsupportedAlgorithm,
    E::InvalidCiphertext,
    E::NotAuthentic,
    E::WrongState,
    E::TenantSuspended,
    E::Sealed,
    E::RecordRefused,
    E::StorageUnavailable,
];

/// What any verb that checks what a key made can answer.
const CHECK: &[E] = &[
    E::UsageNotAllowed,
    E::UnsupportedAlgorithm,
    E::InvalidCiphertext,
    E::WrongState,
    E::TenantSuspended,
    E::Sealed,
    E::RecordRefused,
    E::StorageUnavailable,
];

const USED: &str = "the version used, and in `used` what counts towards its usage.";
const PROTECTS: &str = "the key's usages include it; the tenant is active and the server unsealed; the primary version, or the one named, is active; its use limit, if there is one, is not reached.";
const PROCESSES: &str = "the key's usages include it; the tenant is active and the server unsealed; the input names this key; the version that it names is active, `rotated`, expired (unless the key forbids that), or compromised and the caller has `key.use_compromised`.";

const fn protects(effects: &'static str) -> Operation {
    Operation {
        conditions: PROTECTS,
        effects,
        errors: PROTECT,
        audit: USED,
    }
}

pub const ENCRYPT: Operation =
    protects("a ciphertext that names key and version, with the context bound to it.");

pub const DECRYPT: Operation = Operation {
    conditions: PROCESSES,
    effects: "the plaintext, if ciphertext and context authenticate.",
    errors: OPEN,
    audit: USED,
};

pub const REWRAP: Operation = Operation {
    conditions: "the conditions of `key.decrypt` for the version that the ciphertext names and of `key.encrypt` for the primary; the key's usages include both. The permissions to encrypt or decrypt are not needed.",
    effects: "the same plaintext under the primary version, with the same context; the plaintext never leaves the server.",
    errors: &[
        E::UsageNotAllowed,
        E::UnsupportedAlgorithm,
        E::InvalidCiphertext,
        E::NotAuthentic,
        E::WrongState,
        E::LimitReached,
        E::TenantSuspended,
        E::Sealed,
        E::RecordRefused,
        E::StorageUnavailable,
    ],
    audit: "the version that protects now, and in `used` both.",
};

pub const SIGN: Operation =
    protects("a signature by the algorithm's usual scheme or the one named.");

pub const VERIFY: Operation = Operation {
    conditions: "as for `key.decrypt`; a plain signature, which names no version, is checked with the version named or the primary.",
    effects: "whether the signature is right; a wrong one is an answer, not an error.",
    errors: CHECK,
    audit: "the version used, `valid`, and `used`.",
};

pub const MAC: Operation = protects("a message authentication code.");

pub const VERIFY_MAC: Operation = Operation {
    conditions: "as for `key.decrypt`; a plain code, which names no version, is checked with the version named or the primary.",
    effects: "whether the code is right; a wrong one is an answer, not an error.",
    errors: CHECK,
    audit: "the version used, `valid`, and `used`.",
};

pub const WRAP: Operation = protects("the given key, wrapped, with the context bound to it.");

pub const UNWRAP: Operation = Operation {
    conditions: PROCESSES,
    effects: "the key that was wrapped. A ciphertext of data is not unwrapped, nor a wrapped key decrypted.",
    errors: OPEN,
    audit: USED,
};

pub const DATA_KEY: Operation = protects(
    "a fresh data key of 16 to 64 bytes, wrapped, with its plaintext only if asked for. A data key held by a client is beyond what a suspension or revocation can reach.",
);

pub const DERIVE: Operation = Operation {
    conditions: "the key's usages include it; 16 to 64 bytes are asked for; without a version named, as for `key.encrypt` with the primary; with one, as for `key.decrypt`, so that what was derived before a rotation can be derived again.",
    effects: "a key derived from label and context (`keyward`, the usual way, and `sp800-108-counter`) or from salt and info (`hkdf`); what belongs to another way must not be given.",
    errors: PROTECT,
    audit: USED,
};

pub const AGREE: Operation = Operation {
    conditions: "the key's usages include it; 16 to 64 bytes are asked for; the way to derive is `keyward` or `hkdf`; the peer's public key is one of this algorithm, on its curve and not of small order; a version as for `key.derive`.",
    effects: "a key derived from the agreed secret; the secret itself only if asked for.",
    errors: PROTECT,
    audit: USED,
};

pub const ENCAPSULATE: Operation = protects("a shared secret and its encapsulation.");

pub const DECAPSULATE: Operation = Operation {
    conditions: PROCESSES,
    effects: "the shared secret.",
    errors: OPEN,
    audit: USED,
};

pub const USE_COMPROMISED: Operation = Operation {
    conditions: "a processing operation meets a compromised version.",
    effects: "lets that operation go on.",
    errors: &[],
    audit: "as `compromised_version` in the entry of the operation that it widened.",
};

pub const RANDOM: Operation = Operation {
    conditions: "the tenant is active; 1 to 65,536 bytes are asked for.",
    effects: "none.",
    errors: &[E::TenantSuspended],
    audit: "nothing more; not the bytes.",
};
