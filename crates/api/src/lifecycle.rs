//! What the lifecycle verbs of a key take. All of them answer with the key as it is then.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::names::RevocationReason;
use crate::time::Time;

/// For activate, suspend, resume, rollback, expire, compromise and cancel-destruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Which version; if not said, every one that the verb is about.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::limits::version"
    )]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
    /// Why; history and audit log keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// For rotate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Why; history and audit log keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
    /// Whether the old version is compromised at once.
    #[serde(default)]
    pub emergency: bool,
    /// When the new version's cryptoperiod ends; in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// For renew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// Which version; the primary if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::limits::version"
    )]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
    /// Why; history and audit log keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
    /// When the cryptoperiod ends now; never if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// For revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Which version; all of them if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::limits::version"
    )]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
    /// Why, as a word; `key_compromise` marks compromised, every other retires.
    pub revocation_reason: RevocationReason,
    /// Why, in words; history and audit log keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
}

/// For destroy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Destroy {
    /// Which version; all of them if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::limits::version"
    )]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
    /// Why; needed when forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
    /// Days until the material is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 7, maximum = 30)]
    pub wait_days: Option<i64>,
    /// Whether live data bindings are passed over.
    #[serde(default)]
    pub force: bool,
}
