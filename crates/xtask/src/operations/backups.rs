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
    effects: "what the rules do not keep is removed, at most 200 backups and segments at once, the manifest of each first, so that it is either whole or seen to be half removed; half removed ones first. Never the newest full backup or segment, nothing that a second of the window takes, nothing that the deployment did not sign or that is of another history; nothing at all while the newest full backup is damaged, the last drill failed, segments cannot be made, or backups hold revisions that the registry has not reached. What a store does not let go is the condition `backup_not_removed`.",
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
    effects: "registry and vault as they were at the backup's revision. The next versions of keys skip 1,000 numbers, unless it is said that nothing was changed since: what was made after the backup may have used them. The sweep of records that no row names is held until somebody confirms.",
    errors: &[],
    audit: "in each tenant's log, by the server itself: the backup's id, `keys`, `versions_skipped`. The log of a restored node begins with every change that the backup holds.",
};

pub const RESTORE_PART: Operation = Operation {
    conditions: "`keyward backup restore --tenant`, while this node's server is stopped, by a token with this permission, from a backup of this deployment's present history and with an identity that it is sealed to. Everything is verified before anything is written. Refused for a tenant that was shredded and for a key of which every version was destroyed.",
    effects: "rows that were lost, or changed past the registry, are what they were at the second that is wanted; rows that were changed since stay, unless `--replace-newer` is given, and then a version's state goes back along the state table only. What was compromised, destroyed, revoked or disabled since stays so; nothing is taken away. Sealed records that the vault has lost are put back first. A key that comes back skips 1,000 numbers, unless it is said that nothing was changed since; its limited versions count as spent. The sweep is held until somebody confirms.",
    errors: &[E::NotFound, E::WrongState, E::AlreadyExists, E::Conflict],
    audit: "in the system's log twice, `step` begun and done: the backup's id, `of_tenant`, `part`, `restored_revision`, `restored_at`, `replaces_newer`, in the end `rows`, `kept` and `changes`; and in the tenant's log each change that it made, under the tenant's next numbers.",
};
