//! Keys: shown, made, changed, searched.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::names::{Algorithm, KeyOrigin, KeyState, Provider, Usage};
use crate::time::Time;
use crate::version::Version;

/// What a key may not do, or only so often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restrictions {
    /// Whether its material may leave, wrapped.
    #[serde(default)]
    pub exportable: bool,
    /// Whether equal plaintexts give equal ciphertexts.
    #[serde(default)]
    pub deterministic: bool,
    /// Whether an expired version may still process.
    #[serde(default = "yes")]
    pub process_after_expiry: bool,
    /// How often each version may protect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_limit: Option<UseLimit>,
}

const fn yes() -> bool {
    true
}

impl Default for Restrictions {
    fn default() -> Self {
        Self {
            exportable: false,
            deterministic: false,
            process_after_expiry: true,
            use_limit: None,
        }
    }
}

/// How often, and over how many bytes, one version may protect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseLimit {
    /// Protect operations.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub uses: i64,
    /// Bytes protected.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub bytes: i64,
}

/// What a key may not do, or only so often, as it is shown: open to fields to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRestrictions {
    /// Whether its material may leave, wrapped.
    pub exportable: bool,
    /// Whether equal plaintexts give equal ciphertexts.
    pub deterministic: bool,
    /// Whether an expired version may still process.
    pub process_after_expiry: bool,
    /// How often each version may protect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_limit: Option<KeyUseLimit>,
}

/// How often, and over how many bytes, one version may protect, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyUseLimit {
    /// Protect operations.
    pub uses: i64,
    /// Bytes protected.
    pub bytes: i64,
}

/// A key with its primary version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeySummary {
    /// Its id.
    pub id: Uuid,
    /// `arn:keyward:<deployment>:<tenant id>:key/<key id>`.
    pub arn: String,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// Its name.
    pub name: String,
    /// The state of its primary version.
    pub state: KeyState,
    /// Free text.
    pub description: String,
    /// What it is for.
    pub purpose: String,
    /// Who answers for it.
    pub owner: String,
    /// The class of data it protects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<String>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it may be used for.
    pub usages: Vec<Usage>,
    /// Who holds its material.
    pub provider: Provider,
    /// How its material came to be.
    pub origin: KeyOrigin,
    /// Whether only its public half is here.
    #[serde(default)]
    pub public_only: bool,
    /// What it may not do.
    pub restrictions: KeyRestrictions,
    /// Services that are meant to use it.
    pub authorized_services: BTreeSet<String>,
    /// A note on who may use it and how.
    pub access_policy: BTreeMap<String, String>,
    /// Rules it falls under, such as `HIPAA`.
    pub compliance_tags: BTreeSet<String>,
    /// Names and values of the owner's choice.
    pub tags: BTreeMap<String, String>,
    /// The policy that rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_policy_id: Option<Uuid>,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when asked for by number, in seconds.
    pub overlap_seconds: i64,
    /// The version that protects by default.
    #[schema(minimum = 1)]
    pub primary_version: i64,
    /// The highest version number ever given.
    #[schema(minimum = 1)]
    pub latest_version: i64,
    /// Which token made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Fields whose text is sealed and cannot be opened now; they are shown empty. A map's entry is
    /// `tags.ward`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed_fields: Vec<String>,
    /// Row version, as in `ETag`.
    pub etag: i64,
    /// Its primary version.
    pub primary: Version,
}

/// A key with its primary version, and where its other versions stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// The key.
    #[serde(flatten)]
    pub summary: KeySummary,
    /// Every version, oldest first, in brief; `…/versions` shows them whole.
    pub versions: Vec<VersionBrief>,
}

/// Where a version stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionBrief {
    /// Its number.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Its state.
    pub state: KeyState,
}

/// What a new key is to be. Only the name is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its name, unique in the tenant; not a UUID.
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub purpose: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(
        max_length = 256,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub owner: String,
    /// The class of data it protects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Z][A-Z0-9_]{0,63}$")]
    pub data_class: Option<String>,
    /// Its algorithm; `aes-256-gcm-commit` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// What it may be used for; what its algorithm is usually for if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usages: Option<Vec<Usage>>,
    /// Who holds its material; our own vault if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// What it may not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Restrictions>,
    /// Services that are meant to use it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(schema_with = crate::limits::texts)]
    pub authorized_services: BTreeSet<String>,
    /// A note on who may use it and how.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(schema_with = crate::limits::labels)]
    pub access_policy: BTreeMap<String, String>,
    /// Rules it falls under, such as `HIPAA`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(schema_with = crate::limits::texts)]
    pub compliance_tags: BTreeSet<String>,
    /// Names and values of the owner's choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(schema_with = crate::limits::labels)]
    pub tags: BTreeMap<String, String>,
    /// The policy that rotates it, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub rotation_policy: Option<String>,
    /// How long a rotation can be undone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub rollback_window_seconds: Option<i64>,
    /// How long a replaced version still protects when asked for by number, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub overlap_seconds: Option<i64>,
    /// When the first version's cryptoperiod ends; in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Whether the first version is put into use at once; otherwise it is pending.
    #[serde(default)]
    pub activate: bool,
}

/// What is to change of a key. What is left out stays; null removes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::option_option)] // outer: change it at all; inner: to something or to nothing
pub struct KeyChange {
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub purpose: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 256,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub owner: Option<String>,
    /// The class of data it protects.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::page::three_way::deserialize"
    )]
    #[schema(value_type = Option<String>, pattern = "^[A-Z][A-Z0-9_]{0,63}$")]
    pub data_class: Option<Option<String>>,
    /// Services that are meant to use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::limits::texts_or_null)]
    pub authorized_services: Option<BTreeSet<String>>,
    /// A note on who may use it and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::limits::labels_or_null)]
    pub access_policy: Option<BTreeMap<String, String>>,
    /// Rules it falls under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::limits::texts_or_null)]
    pub compliance_tags: Option<BTreeSet<String>>,
    /// Names and values of the owner's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::limits::labels_or_null)]
    pub tags: Option<BTreeMap<String, String>>,
    /// The policy that rotates it, by name. Its window and overlap become the key's.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::page::three_way::deserialize"
    )]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub rotation_policy: Option<Option<String>>,
    /// How long a rotation can be undone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub rollback_window_seconds: Option<i64>,
    /// How long a replaced version still protects when asked for by number, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub overlap_seconds: Option<i64>,
    /// Whether an expired version may still process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_after_expiry: Option<bool>,
}

/// Which keys a search wants: every condition given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// The name begins with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub name: Option<String>,
    /// Name, description, purpose or owner contain this, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(
        min_length = 3,
        max_length = 128,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub q: Option<String>,
    /// The primary version is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<KeyState>,
    /// Of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[A-Z][A-Z0-9_]{0,63}$")]
    pub data_class: Option<String>,
    /// With this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub provider: Option<Provider>,
    /// Of this algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub algorithm: Option<Algorithm>,
    /// Of this owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 256)]
    pub owner: Option<String>,
    /// With this tag: `name`, or `name=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(min_length = 1, max_length = 385, pattern = "^[^=]")]
    pub tag: Option<String>,
    /// Under this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128)]
    pub compliance_tag: Option<String>,
    /// For this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128)]
    pub authorized_service: Option<String>,
    /// With this policy, by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_policy_id: Option<Uuid>,
    /// Made by this token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// Made at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub created_from: Option<Time>,
    /// Made before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub created_before: Option<Time>,
    /// The primary version expires before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub expires_before: Option<Time>,
    /// What to sort by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub sort: Option<Sort>,
    /// Where the page begins: `next_cursor` of the page before, with the same conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// What keys are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// By when they were made, oldest first.
    CreatedAt,
}
