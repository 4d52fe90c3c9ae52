//! Secrets: named values that people keep, and what may be known of them without their values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::binary::Secret;
use crate::time::Time;

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretSummary {
    /// Its id.
    pub id: Uuid,
    /// Whose it is; absent for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Free text; not secret.
    pub description: String,
    /// Names and values of the owner's choice; not secret.
    pub labels: BTreeMap<String, String>,
    /// How many versions are kept.
    #[schema(minimum = 1, maximum = 100)]
    pub keep: i32,
    /// The highest version number ever used: the current version, unless that was deleted.
    #[schema(minimum = 1)]
    pub latest_version: i64,
    /// Which token made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// The length of the current version's value, in bytes, if that is more than 65,536: then it is given
    /// out as bytes only. Not in lists, and not while the server is sealed or cannot read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 65_537)]
    pub size_bytes: Option<u64>,
    /// Fields whose text is sealed and cannot be opened now; they are shown empty. A map's entry is
    /// `tags.ward`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed_fields: Vec<String>,
    /// Row version, as in `ETag`.
    pub etag: i64,
}

/// One version of a secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretVersion {
    /// Its number.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Whether it is the current one.
    pub current: bool,
    /// Which token put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// The request that put it.
    pub correlation_id: String,
    /// When it was put.
    pub created_at: Time,
}

/// A value to be put. What is left out stays as it was.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecretValue {
    /// The value, 1 byte to 64 KiB. Any other goes to `…/value` as bytes.
    pub value: Secret,
    /// Free text; not secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub description: Option<String>,
    /// Names and values of the owner's choice; not secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::limits::labels_or_null)]
    pub labels: Option<BTreeMap<String, String>>,
    /// How many versions are kept, 10 at first; older ones are destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub keep: Option<i32>,
    /// Only if this is the latest version; 0: only if there is no such secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub expected_version: Option<i64>,
}

/// What is said of a value that is sent as bytes. What is left out stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PutValueQuery {
    /// How many versions are kept, 10 at first; older ones are destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub keep: Option<i32>,
    /// Only if this is the latest version; 0: only if there is no such secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub expected_version: Option<i64>,
}

/// A secret and the version that was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PutSecret {
    /// The secret.
    #[serde(flatten)]
    pub secret: SecretSummary,
    /// The number of the version that was put.
    #[schema(minimum = 1)]
    pub version: i64,
}

/// The value of one version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretValue {
    /// The secret's name.
    pub name: String,
    /// The version's number.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Its value.
    pub value: Secret,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretDeletion {
    /// The secret's name.
    pub name: String,
    /// The versions that went.
    pub versions: Vec<i64>,
    /// Whether their values are gone from the vault already. If not, nobody can read them, and the
    /// server goes on until they are.
    pub destroyed: bool,
}

/// Which value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SecretValueQuery {
    /// The version's number; the current one if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
}

/// Which secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SecretQuery {
    /// Whose names begin with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 128, pattern = "^[a-z0-9._/-]*$")]
    pub prefix: Option<String>,
    /// Where the page begins: `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}
