//! Keys that come in and go out: wrapping keys, imports, exports, sets of public keys.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::binary::Binary;
use crate::key::NewKey;
use crate::names::{
    Algorithm, ImportFormat, ImportMethod, KeyFormat, PublicKeyFormat, PublicKeyText, WrapMethod,
};
use crate::time::Time;

/// What a new wrapping key is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImportKey {
    /// How keys are wrapped to it; `hpke-x-wing` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<WrapMethod>,
    /// How long it is taken, in seconds; 86400 (24 hours) if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 259_200)]
    pub lifetime_seconds: Option<i64>,
}

/// A wrapping key under which one key can come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportKey {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// Who made it, and alone may use it.
    pub principal_id: Uuid,
    /// How keys are wrapped to it.
    pub method: WrapMethod,
    /// SHA-256 of the public half's DER, in hex.
    pub public_key_digest: String,
    /// Which token made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// When it was made.
    pub created_at: Time,
    /// From when on it is refused.
    pub expires_at: Time,
    /// When a key came in under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Time>,
    /// Which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_for: Option<Uuid>,
    /// When its private half was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<Time>,
    /// Row version.
    pub etag: i64,
}

/// A wrapping key just made, with its public half: the only time it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeImportKey {
    /// The wrapping key.
    #[serde(flatten)]
    pub import_key: ImportKey,
    /// SubjectPublicKeyInfo as PEM.
    pub pem: String,
    /// SubjectPublicKeyInfo as DER in base64.
    pub der: Binary,
}

/// A private or symmetric key, wrapped to a wrapping key of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrappedMaterial {
    /// Under which wrapping key: one that the caller made.
    pub import_key_id: Uuid,
    /// In which container.
    pub format: KeyFormat,
    /// The wrapped container.
    pub wrapped: Binary,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicMaterial {
    /// In which container.
    pub format: PublicKeyFormat,
    /// The container: DER, or the text of a PEM or JWK, in base64.
    pub data: Binary,
}

/// How much a key protected before it came here, as its owner declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorUse {
    /// Protect operations.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub uses: i64,
    /// Bytes protected.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub bytes: i64,
}

/// A key that comes in: either `material` or `public_key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// What it is to be here.
    pub key: NewKey,
    /// The key, wrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<WrappedMaterial>,
    /// Its public half, for a key that only verifies, encrypts, wraps or encapsulates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicMaterial>,
    /// How much it was used before; to be said where the algorithm needs a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_use: Option<PriorUse>,
}

/// The next version of an imported key: either `material` or `public_key`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionImport {
    /// The key, wrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<WrappedMaterial>,
    /// Its public half, if only the public half of the key is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicMaterial>,
    /// How much it was used before; to be said where the algorithm needs a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_use: Option<PriorUse>,
    /// Why; history and audit log keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 1024,
        pattern = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: Option<String>,
    /// When the new version's cryptoperiod ends; in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// Where the material of a version came from. When and by whom stands in the version itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// How it came in.
    pub method: ImportMethod,
    /// In which container.
    pub format: ImportFormat,
    /// Under which wrapping key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_key_id: Option<Uuid>,
    /// How often it had protected before, as its owner declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_uses: Option<i64>,
    /// How many bytes it had protected before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_bytes: Option<i64>,
}

/// How a key is to go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// How it is wrapped.
    pub method: WrapMethod,
    /// To which public key: SubjectPublicKeyInfo, DER or the text of a PEM, in base64.
    pub recipient: Binary,
    /// In which container.
    pub format: KeyFormat,
    /// Which version; the primary if not said.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::limits::version"
    )]
    #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
}

/// A key that went out, wrapped to its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedKey {
    /// Which key.
    pub key_id: Uuid,
    /// Which version.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// How it is wrapped.
    pub method: WrapMethod,
    /// In which container.
    pub format: KeyFormat,
    /// The wrapped container.
    pub wrapped: Binary,
}

/// Which public keys a set has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeySetQuery {
    /// Of keys whose names begin with this; of all if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(min_length = 1, max_length = 128, pattern = "^[a-z0-9._-]{1,128}$")]
    pub name: Option<String>,
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeySet {
    /// Public keys; `kid` is `<key id>.<version>`.
    #[schema(value_type = Vec<Object>)]
    pub keys: Vec<serde_json::Value>,
}

/// Which version's public half, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PublicKeyQuery {
    /// The version; the primary if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 4_294_967_295_i64)]
    pub version: Option<u32>,
    /// As a document of this kind and nothing else; as JSON with all of them if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub format: Option<PublicKeyText>,
}
