//! What is kept about keys and changes: counters, pointers, jobs, the feed.

use super::field;
use crate::schema::TableMeaning;

pub(super) const RECORDS: &[TableMeaning] = &[
    TableMeaning {
        name: "key_usage",
        meaning: "How much a version has been used, as far as the nodes' journals are counted.",
        fields: &[
            field("version_id", "Which version."),
            field("protects", "Protect operations that succeeded."),
            field("processes", "Process operations that succeeded."),
            field("bytes_protected", "Bytes protected."),
            field("last_used_at", "When it was last used."),
        ],
    },
    TableMeaning {
        name: "usage_watermarks",
        meaning: "How far a node's journal is counted into `key_usage`.",
        fields: &[
            field("node", "Which node, and which of its counters."),
            field("journaled_to", "The last sequence number that is counted."),
        ],
    },
    TableMeaning {
        name: "use_reservations",
        meaning: "Uses of a limited version that nodes have set aside; never more than the limit.",
        fields: &[
            field("version_id", "Which version."),
            field("uses", "Protect operations set aside."),
            field("bytes", "Bytes set aside."),
        ],
    },
    TableMeaning {
        name: "class_pointers",
        meaning: "The key that a tenant names as current for a class of data.",
        fields: &[
            field("tenant_id", "Whose."),
            field("data_class", "The class."),
            field("key_id", "The current key."),
            field(
                "previous_key_id",
                "The key before, so that the change can be undone.",
            ),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "data_bindings",
        meaning: "A recorded relation between a key and the data it protects. Live until released.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose."),
            field("key_id", "The key."),
            field("uri", "Where the data is."),
            field("label", "What people call it."),
            field("owner", "Who answers for the data."),
            field("created_at", "When it was made."),
            field(
                "released_at",
                "When the data was gone or re-encrypted elsewhere.",
            ),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "import_keys",
        meaning: "A wrapping key made here, so that one key can come in under it. Its private half is in the vault.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose it is."),
            field("principal_id", "Who made it, and alone may use it."),
            field("method", "How keys are wrapped to it."),
            field(
                "provider_key_id",
                "The vault's record id of the private half.",
            ),
            field(
                "record_digest",
                "SHA-256 of the right record's core header.",
            ),
            field("public_key_digest", "SHA-256 of the public half."),
            field("created_by", "The token that made it."),
            field("created_at", "When it was made."),
            field("expires_at", "From when on it is refused."),
            field("used_at", "When a key came in under it."),
            field("used_for", "Which key."),
            field(
                "destroy_at",
                "When its private half is to be deleted: when it expires, or was used.",
            ),
            field("destroyed_at", "When its private half was gone."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "jobs",
        meaning: "A background job: work that outlives a request.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose; none for the system's own."),
            field("kind", "What it does."),
            field("state", "Where it stands."),
            field(
                "subject",
                "What it acts on: the id of a version or a tenant.",
            ),
            field("due_at", "When it may begin."),
            field("attempts", "How often it was tried."),
            field("last_error", "A stable code of what last went wrong."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "pass",
                "Of a job that goes through many things: which pass this is; 0 before the first.",
            ),
            field("examined", "How many were looked at in this pass."),
            field("found", "How many of these were still to be changed."),
            field("failed", "How many of these could not be."),
            field("changed", "How many were changed in all passes."),
            field("resume_after", "Where this pass goes on."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "idempotency",
        meaning: "The memory of a creation request, so that sending it again makes nothing twice. Never the body; kept for a day.",
        fields: &[
            field("principal_id", "Who sent it."),
            field("route", "To which operation."),
            field("request_key", "What the client chose."),
            field("tenant_id", "In which tenant; none for the system's own."),
            field("digest", "SHA-256 of the request."),
            field("resource_id", "What it made."),
            field("created_at", "When."),
        ],
    },
    TableMeaning {
        name: "feed",
        meaning: "The deployment's one counter of revisions, in one row. Every transaction's last lock.",
        fields: &[
            field("one", "Always 1: there is one row."),
            field("n", "The highest revision."),
            field(
                "committed_at",
                "The commit time of that revision; it never goes back.",
            ),
            field("clock_high", "The highest present ever used."),
            field("deployment_id", "The deployment's id, made once."),
            field(
                "moved_to",
                "Which database is the registry instead of this one, if a migration left this one.",
            ),
        ],
    },
    TableMeaning {
        name: "histories",
        meaning: "Which history of the deployment this is, in one row: a restore begins another one, so that backups of the two are never mixed. No row: the first, whose id is the deployment's.",
        fields: &[
            field("one", "Always 1: there is one row."),
            field("id", "The history's id."),
        ],
    },
    TableMeaning {
        name: "tenant_feed",
        meaning: "How many changes each change log has: one row for each tenant and one for the system.",
        fields: &[
            field("scope", "The tenant's id, or the nil UUID for the system."),
            field("tenant_id", "The tenant; none for the system."),
            field("n", "The number of its last change."),
        ],
    },
    TableMeaning {
        name: "changes",
        meaning: "The outbox: one row for each commit, written in its transaction, with the rows as they are after it. Rows are only ever added.",
        fields: &[
            field(
                "revision",
                "Its place in the order of commits, without gaps.",
            ),
            field(
                "tenant_id",
                "Whose change log it belongs to; none for the system's.",
            ),
            field("change", "Its number in that log, from 1 without gaps."),
            field("committed_at", "When."),
            field(
                "writes",
                "Every row it changed, whole, as it is after the change.",
            ),
            field("event", "What the audit log says of it."),
        ],
    },
];
