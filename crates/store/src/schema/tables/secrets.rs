//! Named values that people keep: what may be known of them.

use super::field;
use crate::schema::TableMeaning;

pub(super) const SECRETS: &[TableMeaning] = &[
    TableMeaning {
        name: "secrets",
        meaning: "A secret: a named value that people keep. Its values are in the vault. A deleted one keeps its row, so that its numbers are never used again.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose; none for the system's own."),
            field("name", "Its name, unique in its tenant."),
            field("state", "Whether it is there."),
            field("description", "Free text for people; not secret."),
            field(
                "labels",
                "Names and values of the owner's choice; not secret.",
            ),
            field("keep", "How many versions are kept."),
            field("latest_version", "The highest version number ever used."),
            field("created_by", "The token that made it."),
            field("created_at", "When it was made."),
            field("updated_at", "When it last changed."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
    TableMeaning {
        name: "secret_versions",
        meaning: "One version of a secret: where the vault keeps its value and which record is the right one. The row goes when the value is gone.",
        fields: &[
            field("id", "Its id."),
            field("tenant_id", "Whose; none for the system's own."),
            field("secret_id", "Of which secret: its id."),
            field("version", "Its number, from 1."),
            field("record_id", "The vault's record of the value."),
            field(
                "record_digest",
                "SHA-256 of the right record's core header, which does not depend on the value.",
            ),
            field(
                "destroying_at",
                "Since when its value is on its way out of the vault.",
            ),
            field("created_by", "The token that put it."),
            field("correlation_id", "The request that put it."),
            field("created_at", "When it was put."),
            field(
                "etag",
                "Row version: 1 when made, one more with every change.",
            ),
        ],
    },
];
