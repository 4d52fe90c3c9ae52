//! Who is there: tenants, principals, tokens, roles, policies.

use super::field;
use crate::schema::TableMeaning;

pub(super) const ACCESS: &[TableMeaning] = &[
    TableMeaning {
        name: "schema_migrations",
        meaning: "Which migrations this database has had. One row for each.",
        fields: &[
            field("version", "The migration's number."),
            field("name", "Its name."),
            field("checksum", "SHA-384 of its text, lower-case hex."),
            field("applied_at", "When it ran."),
        ],
    },
    TableMeaning {
        name: "tenants",
        meaning: "A tenant: an isolated namespace with its own key-encryption keys, members, policies and log.",
        fields: &[
            field("id", "Its id."),
            field("name", "Its name, unique in the deployment."),
            field("state", "What it may do."),
            field("description", "Free text for people."),
            field("text_state", "Whether its free texts are sealed."),
            field(
                "audit_detail",
                "How finely the audit log tells of its uses of keys.",
            ),
            field(
                "audit_detail_since",
                "Since when; none while that was never changed.",
            ),
            field("audit_detail_by", "The principal that changed it last."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "tenant_keks",
        meaning: "One version of a tenant's key-encryption key: where the vault keeps it and which record is the right one. The key itself is in the vault.",
        fields: &[
            field(
                "tenant_id",
                "Whose; the nil UUID for what belongs to no tenant.",
            ),
            field("version", "1 for the first."),
            field("record_id", "The vault's record."),
            field("record_digest", "SHA-256 of the record's core header."),
            field("created_at", "When it was made."),
            field("destroyed_at", "When it was destroyed, if it was."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "principals",
        meaning: "A person or service that acts.",
        fields: &[
            field("id", "Its id."),
            field(
                "tenant_id",
                "The tenant it belongs to; none for the system's own.",
            ),
            field("name", "Its name, unique in the tenant."),
            field("kind", "A person or a service."),
            field("disabled_at", "Once set, its tokens are refused."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "tokens",
        meaning: "A token by which a principal is known: its digest, never its secret.",
        fields: &[
            field("id", "Its id, which is part of its text."),
            field(
                "tenant_id",
                "The tenant of its principal; none for the system's own.",
            ),
            field("principal_id", "Who it stands for."),
            field(
                "digest",
                "SHA-256 of its secret, which has 256 random bits.",
            ),
            field(
                "label",
                "What people call it, so that a leaked one can be found.",
            ),
            field(
                "created_by",
                "The token that made it; none for the first of a deployment.",
            ),
            field("created_at", "When it was made."),
            field("expires_at", "When it ends by itself."),
            field("revoked_at", "When it was revoked, if it was."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "roles",
        meaning: "What its holder may do, and what its holder may let others do.",
        fields: &[
            field("id", "Its id."),
            field(
                "tenant_id",
                "The tenant it belongs to; none for built-in roles, which exist everywhere.",
            ),
            field("name", "Its name."),
            field("description", "What it is for."),
            field(
                "permissions",
                "The actions its holder may perform, a list of names.",
            ),
            field(
                "delegable",
                "The actions its holder may give to others besides its own, a list of names.",
            ),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "role_assignments",
        meaning: "A role given to a principal.",
        fields: &[
            field("id", "Its id."),
            field(
                "tenant_id",
                "Where it holds; none means the whole deployment.",
            ),
            field("principal_id", "Who holds it."),
            field("role_id", "Which role."),
            field(
                "restriction",
                "To which keys it is narrowed, by name, class or tag; none means all.",
            ),
            field("created_at", "When it was given."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "policies",
        meaning: "A rotation policy.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose it is."),
            field("name", "Its name, unique in the tenant."),
            field("description", "Free text for people."),
            field(
                "status",
                "Whether it rotates its keys; suspended for a while, or archived: given to no key and not changed.",
            ),
            field(
                "rotation_interval_days",
                "Days from one rotation of a key to its next; not together with a schedule.",
            ),
            field(
                "schedule",
                "The calendar of its keys, counted from when the policy was made: docs/rotation-calendar.md.",
            ),
            field(
                "rollback_window_seconds",
                "How long a rotation can be undone.",
            ),
            field(
                "overlap_seconds",
                "How long a replaced version still protects when asked for by number.",
            ),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
];
