//! What is not as it should be, and what nothing refers to.

use super::field;
use crate::schema::TableMeaning;

pub(super) const CONDITIONS: &[TableMeaning] = &[
    TableMeaning {
        name: "conditions",
        meaning: "A condition: something that is, or was, not as it should be. Of each kind at most one is open about a subject.",
        fields: &[
            field("id", "Its id, in order of time."),
            field("tenant_id", "Whose; none for the deployment's own."),
            field("kind", "What kind: a stable name."),
            field("subject", "What it is about."),
            field("severity", "How bad it is."),
            field("detail", "In words, without secrets."),
            field("since", "When it was first seen."),
            field(
                "last_seen_at",
                "When it was last seen; written at most every quarter of an hour.",
            ),
            field("cleared_at", "When it was over."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "drills",
        meaning: "A drill: a backup that was restored for trial, and what became of it.",
        fields: &[
            field("id", "Its id, in order of time."),
            field("state", "Whether it passed."),
            field(
                "backup_id",
                "The full backup that was asked for, or in the end taken.",
            ),
            field("ordered_at", "When it was ordered."),
            field("ended_at", "When it ended."),
            field("revision", "Which revision was restored."),
            field("committed_at", "When that was committed."),
            field("segments", "How many segments followed on the full backup."),
            field("rows_seen", "Rows of the full backup's registry."),
            field("records_seen", "Records of its vault."),
            field("keks_opened", "Key-encryption keys that were opened."),
            field("records_opened", "Of how many of these a record was."),
            field("problem", "What is wrong, in words, without secrets."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "audit_rules",
        meaning: "What keeps entries of the audit log: a retention, a legal hold; and how far a node's log was ordered to go. Rows are added, none is taken away.",
        fields: &[
            field("id", "Its id, in order of time."),
            field("tenant_id", "Whose entries; none for everybody's."),
            field("kind", "What it is."),
            field(
                "name",
                "What a hold is called, or of which node's log the beginning is.",
            ),
            field("reason", "Why. Readable, as names are."),
            field("changes_days", "For how many days changes are kept."),
            field("uses_days", "Uses of keys."),
            field("reads_days", "What was read."),
            field("authentication_days", "Requests without a valid token."),
            field("through", "The last entry that was ordered to go."),
            field("since", "When it was said."),
            field("set_by", "By which principal; none for the server itself."),
            field("released_at", "When a hold was released."),
            field("released_by", "By which principal."),
            field("release_reason", "Why."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "rotations",
        meaning: "A rotation that a policy asked for: one row for each key and date, written in the transaction that rotates.",
        fields: &[
            field("id", "Its id, in order of the first try."),
            field("tenant_id", "Whose key."),
            field("key_id", "Which key."),
            field("policy_id", "Which policy asked for it."),
            field("policy_etag", "The policy's row version then."),
            field(
                "trigger_kind",
                "What had it done, the last time it was tried.",
            ),
            field(
                "planned_at",
                "The date by the policy. A key is rotated once for each.",
            ),
            field(
                "run",
                "The run that tried it last: the correlation id of all its entries.",
            ),
            field(
                "epoch",
                "The scheduler's fencing token then; none for a run that somebody ordered.",
            ),
            field("started_at", "When the last try began."),
            field("finished_at", "When it ended."),
            field("outcome", "What became of it."),
            field("attempts", "How often it was tried."),
            field("error", "The code of the last try's error."),
            field(
                "retry_at",
                "From when on it is tried again by itself; none: not until the key changes.",
            ),
            field("key_etag", "The key's row version at the last try."),
            field("from_version", "The version that protected before."),
            field("to_version", "The version that it made."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "leases",
        meaning: "Who acts for all nodes in a role that only one has at a time. Written past the change feed, as it changes no state.",
        fields: &[
            field("role", "The role."),
            field(
                "holder",
                "Which start of which node has it, or had it last.",
            ),
            field(
                "epoch",
                "The fencing token: one more each time the role is taken. It never begins again.",
            ),
            field("taken_at", "When it was taken, by the database's time."),
            field(
                "worked_at",
                "When a holder last did the role's whole work, by the database's time.",
            ),
            field(
                "expires_at",
                "Until when it is held, by the database's time.",
            ),
        ],
    },
    TableMeaning {
        name: "stray_records",
        meaning: "An object of the vault to which no row refers: found, then in quarantine, then deleted, unless a row refers to it after all.",
        fields: &[
            field("name", "Its name in the storage."),
            field("found_at", "When it was first found without a reference."),
            field("quarantined_at", "Since when it is in quarantine."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
            field(
                "confirmed_at",
                "When somebody confirmed that it may go, being one of many.",
            ),
            field("deleting_at", "When it was said that it is being deleted."),
        ],
    },
];
