//! Key versions: every field of the key table except provider secrets, of which there are none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::exchange::Provenance;
use crate::key::KeyRestrictions;
use crate::names::{Algorithm, KeyOrigin, KeyState, Provider, Usage};
use crate::time::Time;

/// One generation of a key's material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Its id.
    pub id: Uuid,
    /// `<key id>.<version>.<promotion count>`: new each time it becomes primary.
    pub external_id: String,
    /// Its number, 1 for the first.
    #[schema(minimum = 1)]
    pub version: i64,
    /// The version it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_version: Option<i64>,
    /// Its state.
    pub state: KeyState,
    /// The state that a cancelled destruction returns to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_before: Option<KeyState>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Size of its material in bits.
    pub size_bits: i32,
    /// Security strength in bits.
    pub strength_bits: i32,
    /// Who holds its material.
    pub provider: Provider,
    /// The provider's name for it; opaque when our own vault holds it.
    pub provider_key_id: String,
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The provider's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// A digest that tells two materials apart and tells nothing else of them, in hex.
    pub fingerprint: String,
    /// Where its material came from, if it was not made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Whether the rotation that made it can be undone.
    pub can_roll_back: bool,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_expires_at: Option<Time>,
    /// When, replaced but still protecting, it stops to protect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire_at: Option<Time>,
    /// How often it became the primary version.
    pub promotion_count: i64,
    /// Which token made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Uuid>,
    /// Which token replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_by: Option<Uuid>,
    /// The request that last changed it.
    pub correlation_id: String,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it was first activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Time>,
    /// When its cryptoperiod ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Time>,
    /// When it was marked compromised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_at: Option<Time>,
    /// When its destruction is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_at: Option<Time>,
    /// When its material was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<Time>,
    /// Row version.
    pub etag: i64,
}

/// A version on its own: what it has from its key stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyVersion {
    /// The version itself.
    #[serde(flatten)]
    pub version: Version,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// The key it belongs to.
    pub key_id: Uuid,
    /// The key's name.
    pub key_name: String,
    /// Whether it is the one that protects by default.
    pub is_primary: bool,
    /// The class of data it protects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<String>,
    /// Free text.
    pub description: String,
    /// What it is for.
    pub purpose: String,
    /// Who answers for it.
    pub owner: String,
    /// What it may be used for.
    pub usages: Vec<Usage>,
    /// How its material came to be.
    pub origin: KeyOrigin,
    /// What it may not do.
    pub restrictions: KeyRestrictions,
    /// Services that are meant to use it.
    pub authorized_services: BTreeSet<String>,
    /// A note on who may use it and how.
    pub access_policy: BTreeMap<String, String>,
    /// Rules it falls under.
    pub compliance_tags: BTreeSet<String>,
    /// Names and values of the owner's choice.
    pub tags: BTreeMap<String, String>,
    /// The policy that rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_policy_id: Option<Uuid>,
    /// When it was last used; only when asked for with `usage=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

/// How much one version was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionUsage {
    /// Its number.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Protect operations that succeeded.
    #[schema(minimum = 0)]
    pub protects: i64,
    /// Process operations that succeeded.
    #[schema(minimum = 0)]
    pub processes: i64,
    /// Bytes protected.
    #[schema(minimum = 0)]
    pub bytes_protected: i64,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

/// The public half of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKey {
    /// The version's number.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// SubjectPublicKeyInfo as PEM.
    pub pem: String,
    /// SubjectPublicKeyInfo as DER in base64.
    pub der: crate::binary::Binary,
    /// As JSON Web Key; absent if JOSE does not know the algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwk: Option<serde_json::Value>,
    /// As a line of `authorized_keys`; absent if SSH does not know the algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
}

/// One transition of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// Its id.
    pub id: Uuid,
    /// Which version.
    #[schema(minimum = 1)]
    pub version: i64,
    /// What happened: an event of the state table, or `create`, `rotate`.
    pub event: String,
    /// The state before; absent at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_state: Option<KeyState>,
    /// The state after.
    pub to_state: KeyState,
    /// The primary version after it.
    pub primary_version: i64,
    /// When.
    pub at: Time,
    /// Who; absent when the clock did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Uuid>,
    /// By which token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Uuid>,
    /// Why, as the actor said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request.
    pub correlation_id: String,
}
