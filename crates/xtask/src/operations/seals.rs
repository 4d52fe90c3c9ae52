//! The seals and the root key beneath them.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const LIST: Operation = Operation {
    conditions: "none; a sealed server shows them too.",
    effects: "none.",
    errors: &[E::NotReady],
    audit: "nothing more.",
};

pub const PROVE: Operation = Operation {
    conditions: "the server is unsealed. A seal of shares takes one share at a time, a passphrase seal its passphrase, the others nothing.",
    effects: "the seal is really unwrapped and compared with the root key in memory. A pending seal counts from then on, and what it replaces is gone. While a rotation of the root key collects its parts, the seal holds the next root key from then on.",
    errors: &[
        E::NotFound,
        E::Sealed,
        E::WrongState,
        E::SealUnavailable,
        E::RecordRefused,
        E::Conflict,
        E::InForceUnread,
        E::OutcomeUnknown,
        E::StorageUnavailable,
    ],
    audit: "two entries, `step` `begun` and `done`; the second with `kind`, `progress`, `pending`, `has_part`.",
};

pub const ADD: Operation = Operation {
    conditions: "the server is unsealed, no rotation of the root key collects its parts, and there are fewer than 16 seals. A key file is one that the configuration names and that seals nothing yet; a service is one that it names.",
    effects: "the root key is wrapped under the new seal, read back and really unwrapped; then the manifest names it. A seal of shares is pending until as many as needed have been given back. On any failure the seals are as they were.",
    errors: &[
        E::Sealed,
        E::WrongState,
        E::SealUnavailable,
        E::Conflict,
        E::InForceUnread,
        E::OutcomeUnknown,
        E::StorageUnavailable,
    ],
    audit: "two entries, `step` `begun` and `done`; the reason as given, `kind`, `pending`.",
};

pub const REMOVE: Operation = Operation {
    conditions: "the server is unsealed and no rotation of the root key collects its parts. Another seal is really unwrapped first, or was proven by its people within 15 minutes; a pending one can always go.",
    effects: "the manifest names the seal no more, then what was stored of it is deleted. Who kept its key and an old copy of the storage still has the root key of then: rotate that.",
    errors: &[
        E::NotFound,
        E::LastSeal,
        E::SealNotProven,
        E::Sealed,
        E::WrongState,
        E::Conflict,
        E::InForceUnread,
        E::OutcomeUnknown,
        E::StorageUnavailable,
    ],
    audit: "two entries, `step` `begun` and `done`; the reason as given.",
};

pub const REWRAP: Operation = Operation {
    conditions: "as for `seal.add`; the seal is not pending.",
    effects: "the root key is wrapped anew in this seal: under the next key file, the new passphrase, or the newest version of the service's key; proven, then put in the place of the old one. Shares are made anew beside the old ones, which hold until as many of the new as needed have been given back.",
    errors: &[
        E::NotFound,
        E::Sealed,
        E::WrongState,
        E::SealUnavailable,
        E::Conflict,
        E::InForceUnread,
        E::OutcomeUnknown,
        E::StorageUnavailable,
    ],
    audit: "two entries, `step` `begun` and `done`; the reason as given, `kind`, `pending`.",
};

pub const ROOT_KEY_ROTATE: Operation = Operation {
    conditions: "`begin`: no earlier rotation is unfinished and no seal is pending. `commit`: every seal holds the next root key.",
    effects: "`begin` draws the next root key, keeps it under the one in force, and has every seal hold it that needs nobody; again, it goes on. `commit` opens those seals to it once more, then puts it in force in one step; key-encryption keys follow, and when none is left under the root key before, that is gone. `cancel` forgets the next root key.",
    errors: &[
        E::Sealed,
        E::WrongState,
        E::SealUnavailable,
        E::Conflict,
        E::InForceUnread,
        E::OutcomeUnknown,
        E::StorageUnavailable,
    ],
    audit: "two entries, `step` `begun` and `done`; the reason as given, `root_key` and `version` in force afterwards.",
};

pub const ROOT_KEY_REWRAP: Operation = Operation {
    conditions: "the system's own work after a rotation of the root key, a slice at a time.",
    effects: "outer headers of key-encryption keys are wrapped under the new root key. The pass that finds none under the one before is followed by its removal. Nothing of it is begun while the log cannot be written. What is refused is named in the log, and the root key before stays until it is mended.",
    errors: &[],
    audit: "of a slice that wrapped some: `examined`, `changed`, `failed`; of the removal: two entries, `step` `begun` and `done`, the second with `gone`.",
};
