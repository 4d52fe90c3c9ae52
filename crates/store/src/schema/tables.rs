//! Every table and what its columns mean, in the order of the page.

use super::{Field, TableMeaning};

const fn field(name: &'static str, meaning: &'static str) -> Field {
    Field { name, meaning }
}

/// Every table and view of the registry.
pub const TABLES: &[TableMeaning] = &[
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
            field("tenant_id", "Whose."),
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
                "rotation_interval_days",
                "Days from one rotation to the next.",
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
    TableMeaning {
        name: "keys",
        meaning: "A key: a named object of a tenant, whose material is in its versions.",
        fields: &[
            field(
                "seq",
                "The row's number, which the text index refers to (SQLite only).",
            ),
            field("id", "Its id."),
            field("tenant_id", "Whose it is."),
            field("name", "Its name, unique in the tenant."),
            field("description", "Free text for people."),
            field("purpose", "What it is for."),
            field("owner", "Who answers for it."),
            field("data_class", "The class of data it protects."),
            field("algorithm", "Its algorithm."),
            field("usages", "What it may be used for, a list of names."),
            field("provider", "Who holds its material."),
            field("origin", "How its material came to be."),
            field("exportable", "Whether its material may leave, wrapped."),
            field(
                "deterministic",
                "Whether equal plaintexts give equal ciphertexts.",
            ),
            field(
                "process_after_expiry",
                "Whether an expired version may still process.",
            ),
            field(
                "use_limit_uses",
                "How often each version may protect; none for no limit.",
            ),
            field(
                "use_limit_bytes",
                "How many bytes each version may protect; none for no limit.",
            ),
            field(
                "authorized_services",
                "Services that are meant to use it, a list.",
            ),
            field("access_policy", "A note on who may use it and how, a map."),
            field("compliance_tags", "Rules it falls under, a list."),
            field("tags", "Names and values of the owner's choice, a map."),
            field(
                "rotation_policy",
                "When it is rotated by itself; none when the policy goes.",
            ),
            field(
                "rollback_window_seconds",
                "How long a rotation can be undone.",
            ),
            field(
                "overlap_seconds",
                "How long a replaced version still protects when asked for by number.",
            ),
            field("primary_version", "The version that protects by default."),
            field("latest_version", "The highest version number ever given."),
            field("created_by", "The token that made it."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
            field(
                "search_text",
                "Name, description, purpose and owner in lower case: what free text is looked for in. Follows from them.",
            ),
            field(
                "primary_state",
                "The primary version's state. Follows from it.",
            ),
            field(
                "primary_expires_at",
                "When the primary version's cryptoperiod ends. Follows from it.",
            ),
        ],
    },
    TableMeaning {
        name: "key_versions",
        meaning: "One generation of a key's material: its state, its dates, its parent, and where it is kept.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose it is."),
            field("key_id", "The key it belongs to."),
            field("version", "Its number, 1 for the first."),
            field("parent_version", "The version it replaced."),
            field("state", "Its state."),
            field(
                "state_before",
                "The state that a cancelled destruction returns to.",
            ),
            field("algorithm", "Its algorithm."),
            field("size_bits", "Size of its material in bits."),
            field(
                "strength_bits",
                "Security strength in bits (SP 800-57 part 1).",
            ),
            field("provider", "Who holds its material."),
            field(
                "provider_key_id",
                "The provider's name for it; for the native provider the vault's record id.",
            ),
            field("region", "The provider's region."),
            field("endpoint", "The provider's endpoint."),
            field(
                "record_digest",
                "SHA-256 of the right record's core header (native only).",
            ),
            field(
                "fingerprint",
                "Tells two materials apart, and tells nothing else of them.",
            ),
            field(
                "public_key",
                "The public half as SubjectPublicKeyInfo, base64 of DER, if there is one.",
            ),
            field(
                "can_roll_back",
                "Whether the rotation that made it can be undone.",
            ),
            field("rollback_expires_at", "Until when."),
            field(
                "retire_at",
                "When, replaced but still protecting, it stops to protect.",
            ),
            field(
                "promotion_count",
                "How often it became the primary version.",
            ),
            field("created_by", "The token that made it."),
            field("rotated_by", "The token that replaced it."),
            field("correlation_id", "The request that last changed it."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field("activated_at", "When it was first activated."),
            field("expires_at", "When its cryptoperiod ends."),
            field("rotated_at", "When it was replaced."),
            field("compromised_at", "When it was marked compromised."),
            field("destroy_at", "When its destruction is due, or was."),
            field(
                "destroying",
                "Set while the vault deletes: from here the destruction cannot be cancelled.",
            ),
            field("destroyed_at", "When its material was gone."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "transitions",
        meaning: "A key's history: one row for each transition of each version. Rows are only ever added.",
        fields: &[
            field("id", "Its id; later ones are greater."),
            field("tenant_id", "Whose key."),
            field("key_id", "Which key."),
            field("version", "Which version."),
            field("event", "What happened."),
            field("from_state", "The state before; none at creation."),
            field("to_state", "The state after."),
            field("primary_version", "The primary version after it."),
            field("at", "When."),
            field("principal_id", "Who; none when the clock did it."),
            field("token_id", "By which token."),
            field("reason", "Why, as the actor said."),
            field("correlation_id", "The request."),
        ],
    },
    TableMeaning {
        name: "key_tags",
        meaning: "A tag of a key, for searches. Follows from `keys.tags`.",
        fields: &[
            field("key_id", "Which key."),
            field("tenant_id", "Whose."),
            field(
                "key_name",
                "The key's name, so that the index gives pages in order.",
            ),
            field("name", "The tag's name."),
            field("value", "Its value."),
        ],
    },
    TableMeaning {
        name: "key_labels",
        meaning: "A compliance tag or an authorized service of a key, for searches. Follows from the columns of the key.",
        fields: &[
            field("key_id", "Which key."),
            field("tenant_id", "Whose."),
            field(
                "key_name",
                "The key's name, so that the index gives pages in order.",
            ),
            field("kind", "Which of the two."),
            field("value", "The rule or the service."),
        ],
    },
    TableMeaning {
        name: "key_text",
        meaning: "The text index: every three-character piece of a key's `search_text`, each as a token that begins with the tenant. In SQLite an FTS5 table without contents whose `rowid` is `keys.seq`; in PostgreSQL an array under a GIN index.",
        fields: &[
            field("key_id", "Which key (PostgreSQL only)."),
            field("tokens", "The pieces."),
        ],
    },
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
    TableMeaning {
        name: "encryption_keys",
        meaning: "A view for people and reports: one row for each key version, with what stands at the key beside it.",
        fields: &[
            field("id", "The version's id."),
            field("tenant_id", "Whose it is."),
            field("key_id", "The key it is a version of."),
            field("key_name", "The key's name."),
            field("data_class", "The class of data it protects."),
            field("algorithm", "Its algorithm."),
            field("size_bits", "Size of its material in bits."),
            field(
                "strength_bits",
                "Security strength in bits (SP 800-57 part 1).",
            ),
            field("provider", "Who holds its material."),
            field(
                "provider_key_id",
                "The provider's name for it; for the native provider the vault's record id.",
            ),
            field("region", "The provider's region."),
            field("endpoint", "The provider's endpoint."),
            field("state", "Its state."),
            field("version", "Its number, 1 for the first."),
            field("parent_version", "The version it replaced."),
            field(
                "is_primary",
                "Whether it is the version that protects by default.",
            ),
            field(
                "can_roll_back",
                "Whether the rotation that made it can be undone.",
            ),
            field("rollback_expires_at", "Until when."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field("activated_at", "When it was first activated."),
            field("expires_at", "When its cryptoperiod ends."),
            field("rotated_at", "When it was replaced."),
            field("last_used_at", "When it was last used, as far as counted."),
            field("compromised_at", "When it was marked compromised."),
            field("destroyed_at", "When its material was gone."),
            field("created_by", "The token that made it."),
            field("rotated_by", "The token that replaced it."),
            field("purpose", "What it is for."),
            field("owner", "Who answers for it."),
            field(
                "authorized_services",
                "Services that are meant to use it, a list.",
            ),
            field("access_policy", "A note on who may use it and how, a map."),
            field("compliance_tags", "Rules it falls under, a list."),
            field("tags", "Names and values of the owner's choice, a map."),
            field("correlation_id", "The request that last changed it."),
            field(
                "fingerprint",
                "Tells two materials apart, and tells nothing else of them.",
            ),
        ],
    },
];
