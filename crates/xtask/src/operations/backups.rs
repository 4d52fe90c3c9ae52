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

pub const PRUNE: Operation = Operation {
    conditions: "rules of retention are configured, and no backup is under way. By the server itself after each full backup, and by whoever may.",
    effects: "what the rules do not keep is removed, at most 200 backups and segments at once, the manifest of each first, so that it is either whole or seen to be half removed; half removed ones first. Never the newest full backup or segment, nothing that a second of the window takes, nothing that the deployment did not sign; nothing at all while the newest full backup is damaged or the last drill failed. What a store does not let go is the condition `backup_not_removed`.",
    errors: &[
        E::WrongState,
        E::InvalidRequest,
        E::NotReady,
        E::StorageUnavailable,
    ],
    audit: "for each backup that goes, before it does: its id, `kind`, `backup_revision`, `committed_at`, or `half_removed`; when it could not be removed, the reason. An order besides: `removed`, `left`.",
};

pub const DRILL: Operation = Operation {
    conditions: "an identity for drills is configured. By the server itself on its schedule, and by whoever may; the background makes it.",
    effects: "the newest full backup and its segments, or the full backup that was named, are verified and restored into a throw-away instance in this process, with a registry and a vault of its own in a temporary directory that is removed afterwards; there, every tenant's key-encryption keys are opened and under each a record, and counts and digests are compared. The signed report lies beside the backups. What fails is the condition `drill_failed`. The live registry, vault, journal and change feed are not touched.",
    errors: &[E::InvalidRequest, E::WrongState, E::NotFound],
    audit: "the drill's id and `backup`; when it has ended `state`, `records_opened`, and if it failed the reason.",
};

pub const RESTORE: Operation = Operation {
    conditions: "`keyward backup restore`, offline, into an empty registry and an empty vault, with an identity that the backup is sealed to. Everything is verified before anything is written.",
    effects: "registry and vault as they were at the backup's revision. The next versions of keys skip 1,000 numbers, unless it is said that nothing was changed since: what was made after the backup may have used them.",
    errors: &[],
    audit: "in each tenant's log, by the server itself: the backup's id, `keys`, `versions_skipped`. The log of a restored node begins with every change that the backup holds.",
};
