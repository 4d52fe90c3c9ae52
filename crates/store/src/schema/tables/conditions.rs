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
