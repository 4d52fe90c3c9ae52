//! Backups of the whole deployment.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const CREATE: Operation = Operation {
    conditions: "a destination and recipients are configured, and the server is unsealed: the key that signs is in the vault.",
    effects: "a job, which the background begins at once: the registry at one revision, then the sealed records that it names, in parts sealed to the recipients, and last the signed manifest. While it runs, nothing is physically deleted in the vault and no record is wrapped anew; both go on afterwards. While a backup is under way its job is the answer, and nothing changes.",
    errors: &[E::WrongState, E::Sealed],
    audit: "the backup's id and the reason; `repeated` if one was under way.",
};

pub const COMPLETE: Operation = Operation {
    conditions: "a backup was ordered; by the background.",
    effects: "how far the job is, and in the end whether it was done. What may pass (a destination, a registry or a vault that does not answer) is tried three times, 30 seconds apart; the third try leaves out records that the vault has lost, and names them. A backup that a crash interrupted begins again under its id; without its manifest it never was one.",
    errors: &[],
    audit: "the backup's id; `state`, `records`; when it was made `backup_revision`, `bytes`, `lost`, `signed_by`; when it could not be, the reason.",
};

pub const READ: Operation = Operation {
    conditions: "a destination is configured. The key is made when it is first asked for, for which the server must be unsealed.",
    effects: "none.",
    errors: &[
        E::WrongState,
        E::NotFound,
        E::RecordRefused,
        E::StorageUnavailable,
        E::Sealed,
    ],
    audit: "the backup's id, if one was named.",
};

pub const RESTORE: Operation = Operation {
    conditions: "`keyward backup restore`, offline, into an empty registry and an empty vault, with an identity that the backup is sealed to. Everything is verified before anything is written.",
    effects: "registry and vault as they were at the backup's revision. The next versions of keys skip 1,000 numbers, unless it is said that nothing was changed since: what was made after the backup may have used them.",
    errors: &[],
    audit: "in each tenant's log, by the server itself: the backup's id, `keys`, `versions_skipped`. The log of a restored node begins with every change that the backup holds.",
};
