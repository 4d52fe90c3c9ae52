//! How keys look to people.

use keyward_api::key::{Key, KeySummary};
use keyward_api::version::KeyVersion;

use crate::exit::Failure;
use crate::output::{self, cell};

/// A key, field by field.
pub fn key(key: &Key) -> Result<(), Failure> {
    let summary = &key.summary;
    let primary = &summary.primary;
    let versions: Vec<String> = key
        .versions
        .iter()
        .map(|v| format!("{} {}", v.version, v.state))
        .collect();
    let text = |text: &str, field| output::or_sealed(text, field, &summary.sealed_fields);
    output::fields(&[
        ("name", summary.name.clone()),
        ("id", summary.id.to_string()),
        ("state", summary.state.to_string()),
        ("algorithm", summary.algorithm.to_string()),
        ("usages", words(summary.usages.iter())),
        ("class", cell(summary.data_class.as_ref())),
        ("primary version", summary.primary_version.to_string()),
        ("versions", versions.join(", ")),
        ("description", text(&summary.description, "description")),
        ("purpose", text(&summary.purpose, "purpose")),
        ("owner", text(&summary.owner, "owner")),
        ("provider", summary.provider.to_string()),
        ("origin", origin(summary)),
        (
            "tags",
            output::pairs_or_sealed(&summary.tags, "tags", &summary.sealed_fields, " "),
        ),
        ("compliance", words(summary.compliance_tags.iter())),
        ("services", words(summary.authorized_services.iter())),
        ("policy", cell(summary.rotation_policy_id)),
        ("created", summary.created_at.to_string()),
        ("activated", cell(primary.activated_at.as_ref())),
        ("expires", cell(primary.expires_at.as_ref())),
        (
            "roll back until",
            cell(primary.rollback_expires_at.as_ref()),
        ),
        ("destruction due", cell(primary.destroy_at.as_ref())),
        ("fingerprint", primary.fingerprint.clone()),
        ("etag", summary.etag.to_string()),
    ])
}

/// Where it came from, if it was not made here.
fn origin(summary: &KeySummary) -> String {
    let half = if summary.public_only {
        ", public half only"
    } else {
        ""
    };
    match summary.origin.as_str() {
        "generated" => String::new(),
        other => format!("{other}{half}"),
    }
}

/// Keys as search finds them.
pub fn keys(keys: &[KeySummary]) -> Result<(), Failure> {
    output::rows(
        &[
            "name",
            "state",
            "algorithm",
            "class",
            "version",
            "owner",
            "expires",
        ],
        keys.iter().map(|key| {
            [
                key.name.clone(),
                key.state.to_string(),
                key.algorithm.to_string(),
                cell(key.data_class.as_ref()),
                key.primary_version.to_string(),
                key.owner.clone(),
                cell(key.primary.expires_at.as_ref()),
            ]
        }),
    )
}

/// A key's versions.
pub fn versions(versions: &[KeyVersion]) -> Result<(), Failure> {
    output::rows(
        &[
            "version",
            "state",
            "primary",
            "created",
            "rotated",
            "expires",
            "destruction due",
        ],
        versions.iter().map(|found| {
            let version = &found.version;
            [
                version.version.to_string(),
                version.state.to_string(),
                if found.is_primary { "yes" } else { "" }.to_owned(),
                version.created_at.to_string(),
                cell(version.rotated_at.as_ref()),
                cell(version.expires_at.as_ref()),
                cell(version.destroy_at.as_ref()),
            ]
        }),
    )
}

fn words<T: ToString>(words: impl Iterator<Item = T>) -> String {
    words
        .map(|word| word.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}
