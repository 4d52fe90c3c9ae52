//! The seals of the deployment and the root key beneath them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::names::SealKind;
use crate::system::{Passphrase, Share};
use crate::time::Time;

/// A seal: one way in which the root key is kept wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seal {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub kind: SealKind,
    /// Which key of the service holds it, or the fingerprint of its key file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Which version of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<String>,
    /// Made and not proven yet: it does not count.
    pub pending: bool,
    /// The seal that goes when this one is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uuid>,
    /// Shares needed, if it is of shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    /// Shares made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u8>,
    /// Shares given so far.
    pub progress: u8,
    /// Whether it holds the next root key, while that is being rotated.
    pub has_part: bool,
    /// `proven`: it opened when it was last tried. `failed`: it did not. `unknown`: not tried since
    /// the server started.
    #[schema(example = "proven")]
    pub standing: String,
    /// When it was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Time>,
    /// Why it did not open, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The seals and the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seals {
    /// The id of the root key in force.
    pub root_key_id: Uuid,
    /// Its version.
    #[schema(minimum = 1)]
    pub root_key_version: u32,
    /// The seals, in the order in which they are tried.
    pub items: Vec<Seal>,
    /// The rotation of the root key under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RootRotation>,
}

/// How far a rotation of the root key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RootRotation {
    /// `collecting`: the seals take part one by one. `rewrapping`: the new root key is in force and
    /// key-encryption keys are on their way to it.
    #[schema(example = "collecting")]
    pub phase: String,
    /// The next root key while collecting; the one before while rewrapping.
    pub root_key_id: Uuid,
    /// Seals that have not taken part.
    pub missing: Vec<Uuid>,
    /// Key-encryption keys wrapped under the new root key since this server started.
    #[schema(minimum = 0)]
    pub rewrapped: u64,
    /// Key-encryption keys that were refused or are missing: the log names them. The root key before stays.
    #[schema(minimum = 0)]
    pub refused: u64,
}

/// A seal to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSeal {
    /// Its kind.
    pub kind: SealKind,
    /// How many shares unseal, for `shares`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 32)]
    pub threshold: Option<u8>,
    /// How many shares are made, for `shares`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 32)]
    pub total: Option<u8>,
    /// The passphrase, for `passphrase`: 12 bytes or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub passphrase: Option<Passphrase>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What a seal is wrapped anew with.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealRenewal {
    /// How many of the new shares unseal; as before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 32)]
    pub threshold: Option<u8>,
    /// How many new shares are made; as before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 32)]
    pub total: Option<u8>,
    /// The new passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub passphrase: Option<Passphrase>,
    /// Why; the audit log keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// What somebody brings to prove a seal: nothing if it needs nobody.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealProof {
    /// One holder's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub share: Option<Share>,
    /// The passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    pub passphrase: Option<Passphrase>,
}

/// A seal that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeSeal {
    /// The seal.
    pub seal: Seal,
    /// The shares to be given to people, shown once; none with other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub shares: Vec<Share>,
}
