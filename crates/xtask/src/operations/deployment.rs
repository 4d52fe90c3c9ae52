//! The deployment itself: initialisation, seal, start and stop, tenants, the log.

use keyward_api::error::ErrorCode as E;

use super::Operation;

pub const INIT: Operation = Operation {
    conditions: "`keyward init` or `keyward dev` on a data directory that holds no deployment yet.",
    effects: "a root key, wrapped once by each seal; the built-in roles; the principal `root` with the role `system-admin`; a first token, shown once, that lives 24 hours.",
    errors: &[E::AlreadyExists, E::StorageUnavailable],
    audit: "by the server itself, on the deployment.",
};

pub const UNSEAL: Operation = Operation {
    conditions: "a share of the present set, or the passphrase; no token, since a sealed deployment must be openable when every token has expired. Key files, hardware modules and other vaults unseal at start by themselves.",
    effects: "the share counts once it was checked against the dealer's commitments; with the last one needed, the root key comes into memory. A share that was refused was not used, and is named.",
    errors: &[E::WrongState, E::RecordRefused, E::StorageUnavailable],
    audit: "`by`, `progress` and `sealed`; at start `by` and which seals `failed` before; a refusal says why: `malformed_share`, `share_of_another_set`, `forged_share`, `duplicate_share`, `wrong_passphrase`, `no_shares`, `no_passphrase`, `not_initialized`, `storage`. If it cannot be logged, the root key is dropped again.",
};

pub const SEAL: Operation = Operation {
    conditions: "none.",
    effects: "the root key and all cached material leave memory, zeroized; keys cannot be used, made or rotated until somebody unseals.",
    errors: &[],
    audit: "in the journal before the answer; nothing in the registry changes.",
};

pub const START: Operation = Operation {
    conditions: "the data directory is held, the schema is right, and what was committed but not logged has been logged.",
    effects: "one packed record per key is in memory; the node serves.",
    errors: &[],
    audit: "by the server itself; `keys`, how many were loaded.",
};

pub const STOP: Operation = Operation {
    conditions: "the process was asked to stop.",
    effects: "no new work is taken, what had begun is finished, usage counters are flushed, the root key leaves memory.",
    errors: &[],
    audit: "by the server itself.",
};

pub const AUTHENTICATION_REFUSED: Operation = Operation {
    conditions: "a request brought a token that is malformed, unknown, wrong, expired or revoked, or whose principal is disabled; all of them look the same to who sent it.",
    effects: "none.",
    errors: &[],
    audit: "the token's id if it was well formed; no principal. A request without any token is refused without an entry.",
};

pub const TENANT_CREATE: Operation = Operation {
    conditions: "the server is unsealed; the name is free and is not `system`; the description has at most 1,024 characters.",
    effects: "a key-encryption key in the vault, durable first; then the tenant and its KEK row in one transaction.",
    errors: &[
        E::AlreadyExists,
        E::IdempotencyMismatch,
        E::Sealed,
        E::StorageUnavailable,
    ],
    audit: "the first entry of the tenant's own log; a refusal is in the system's.",
};

pub const TENANT_LIST: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "in the system's log.",
};

pub const TENANT_READ: Operation = Operation {
    conditions: "none.",
    effects: "none.",
    errors: &[],
    audit: "nothing more.",
};

pub const TENANT_SUSPEND: Operation = Operation {
    conditions: "the tenant is active.",
    effects: "active → suspended: every use, creation, rotation and start of its keys is refused; reading, and stopping a key (suspend, revoke, compromise, expire), stay possible.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given.",
};

pub const TENANT_RESUME: Operation = Operation {
    conditions: "the tenant is suspended.",
    effects: "suspended → active.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given.",
};

pub const TENANT_SHRED: Operation = Operation {
    conditions: "the tenant is suspended; a reason is given.",
    effects: "suspended → shredded, for ever, with a job in the same transaction; then its key-encryption keys are deleted from the vault and seen to be gone, at once if it can be, by the job otherwise. Nothing it held can be opened again, but from a backup that still holds them.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given; a second entry with `keks_destroyed` when they are gone.",
};

pub const TENANT_ROTATE_KEK: Operation = Operation {
    conditions: "the tenant is not shredded. `system` in its place means the key of what belongs to no tenant, which is there from the system's first secret on.",
    effects: "the next version of the tenant's key-encryption key is made in the vault, then committed with a job: from then on new records go under it. The job goes through the vault in passes and wraps the outer header of every record under an older version, until a pass finds none; older versions stay readable until the tenant is shredded.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given, `kek_version`.",
};

pub const TENANT_REWRAP: Operation = Operation {
    conditions: "the system's own work after a rotation of a key-encryption key, a slice at a time.",
    effects: "outer headers of the tenant's records are wrapped under its newest key-encryption key; the job has come further. It ends as `done`; as `failed` with `records_refused` if a record was not what it should be (the log names it; the next rotation tries again), or with `kek_refused` if the newest key itself was not.",
    errors: &[],
    audit: "`state`, `pass`, `examined`, `changed`, `failed` of the job.",
};

pub const TENANT_SEAL_TEXT: Operation = Operation {
    conditions: "the tenant is not shredded; the server is unsealed.",
    effects: "how the tenant's free texts are written changes with the commit, which also orders the job that brings what is there to the same form. The first time, the tenant's text key is made in the vault before. Ordered again it changes nothing, unless the job had given up: then it begins anew. What is sealed, and what cannot be: docs/text-sealing.md.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given, `text`: `sealing` or `opening`.",
};

pub const TENANT_SET_AUDIT_DETAIL: Operation = Operation {
    conditions: "the tenant is not shredded; who has uses counted says why.",
    effects: "uses of the tenant's keys are logged one by one (`each`), or what went well is counted (`counts`): docs/audit-detail.md. It holds on the node that answers from its answer on, on others when they have the change; what a node had counted until then it writes within a second or two. Ordered again it changes nothing.",
    errors: &[E::TenantSuspended],
    audit: "the reason as given, `audit_detail`: `each` or `counts`, and what it was `before`.",
};

pub const TENANT_CONVERT_TEXT: Operation = Operation {
    conditions: "the system's own work after an order to seal or open a tenant's texts, a slice at a time.",
    effects: "rows of the tenant are written anew, their texts sealed or readable; their row versions are one higher. When a pass finds nothing, the change feed's rows are sealed too, and SQLite's files are compacted. It ends as `done`; as `failed` with `texts_refused` if a text was not what was sealed in its place.",
    errors: &[],
    audit: "`rows` of a slice; `state`, `pass`, `examined`, `changed`, `failed` of the job.",
};

pub const AUDIT_HEADS: Operation = Operation {
    conditions: "each second in which anything was logged, and every minute otherwise; with `audit.sync = \"always\"`.",
    effects: "none but the entry: whoever has the system's log of the transparency log can prove by it how every tenant's stood.",
    errors: &[],
    audit: "by the server itself; `log`, which log; `through`, the last entry of the journal that is covered; `trees`, how many there are beside the system's; `root`, over their heads. Following the log does not notice it: a page of nothing else is no entry.",
};

pub const AUDIT_ROTATE_KEY: Operation = Operation {
    conditions: "the server is unsealed; `overlap_hours` is at most 8,784.",
    effects: "a new version of the server's own secret `keyward.checkpoint-signing`. Each node hands its log over to it: a note that both keys sign, in the log and beside its checkpoint. For `overlap_hours` (168) checkpoints have the signatures of both keys.",
    errors: &[E::Sealed, E::StorageUnavailable, E::PreconditionFailed],
    audit: "who ordered it, before it is done, and `former_until`; that it was done is the entry of the secret with the same correlation id. What fails behind it is a second entry.",
};

pub const AUDIT_CONTINUE: Operation = Operation {
    conditions: "`keyward audit continue --from-mirror NAME --key VKEY` on a stopped node whose audit directory has no journal; \
                 everything in the mirror verified by that key.",
    effects: "the journal is made again from the mirror, every entry under its own number, and this entry ends it; at its next \
              start the node goes on with the same log.",
    errors: &[],
    audit: "the command itself writes it: from which mirror (`mirror`), from which checkpoint on (`size`, `root`, `signed_by`), \
            up to which entry nothing is missing (`through`), the last entry that there was (`last`), how many there are \
            (`entries`), and whether more may have been given out (`before_given_out`).",
};

pub const AUDIT_HAND_OVER_KEY: Operation = Operation {
    conditions: "a node notices that there is a next key for signing checkpoints; with `audit.sync = \"always\"`.",
    effects: "from the checkpoint that holds this entry on, the next key signs.",
    errors: &[],
    audit: "by the server itself; `log`, the log's name; `note`, what both keys have signed.",
};

pub const AUDIT_READ: Operation = Operation {
    conditions: "for one tenant's log, the permission there; for the system's or for all logs at once, and to see how the streams of the log stand, the permission on the deployment.",
    effects: "none.",
    errors: &[],
    audit: "of an export, `format`, `after`, `to` and the number of `entries` of each page; of a search, how many entries were found (`search`) and the fields that were asked for (`by`); of counts, how many (`counts`) and `by`; otherwise nothing more. Following the log does not fill it: a page that shows nothing but readings and heads is no entry.",
};

pub const AUDIT_SEE_PEOPLE: Operation = Operation {
    conditions: "beside `audit.read`, in the same scope; the server is unsealed, and the person is not erased.",
    effects: "where entries are read, searched or exported, the address stands in the answer for its pseudonym; and entries are found by an address.",
    errors: &[],
    audit: "nothing of its own: the reading is the entry.",
};

pub const PRIVACY_EXPORT: Operation = Operation {
    conditions: "the server is unsealed; the subject is a principal of the scope, by name or id, or `address:` and an address.",
    effects: "none.",
    errors: &[E::Sealed, E::StorageUnavailable],
    audit: "of a principal its id; how many `addresses` were given out. Never the address.",
};

pub const PRIVACY_ERASE: Operation = Operation {
    conditions: "the server is unsealed; a principal must be disabled before. By `address:` what strangers left is erased, in the scope `system`; addresses of principals go with them.",
    effects: "the person's key and addresses are destroyed in the vault for ever; the principal's name becomes `erased-` and its id, its tokens are revoked and lose their labels, also in the change feed. A restore of what was before does not bring it back. Done again it finishes what is left. The answer says what remains, and why.",
    errors: &[E::Sealed, E::StorageUnavailable, E::Conflict],
    audit: "of a principal its id; the reason; how many `addresses` went. Never the address or the name.",
};
