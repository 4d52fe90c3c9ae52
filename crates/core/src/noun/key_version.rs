//! One generation of a key's material: its state, its dates, its parent, and where it is kept.

use keyward_crypto::algorithm::Algorithm;
use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, TenantId, TokenId, VersionId};
use crate::names::CorrelationId;
use crate::noun::import_key::Provenance;
use crate::noun::key::ProviderKind;
use crate::noun::state::{Standing, State};
use crate::noun::tenant::Digest;
use crate::time::Timestamp;

/// A key version as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersion {
    /// Its id.
    pub id: VersionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The key it belongs to.
    pub key: KeyId,
    /// Its number, 1 for the first.
    pub version: i64,
    /// The version it replaced.
    pub parent_version: Option<i64>,
    /// Its state.
    pub state: State,
    /// The state that a cancelled destruction returns to.
    pub state_before: Option<State>,
    /// Its algorithm.
    #[serde(with = "crate::crypto_names::algorithm")]
    pub algorithm: Algorithm,
    /// Size of its material in bits.
    pub size_bits: i32,
    /// Security strength in bits (SP 800-57 part 1, tables 2 to 4).
    pub strength_bits: i32,
    /// Who holds its material.
    pub provider: ProviderKind,
    /// The provider's name for it; for the native provider the vault's record id.
    pub provider_key_id: String,
    /// The provider's region.
    pub region: Option<String>,
    /// The provider's endpoint.
    pub endpoint: Option<String>,
    /// The ledger's word for the right record: SHA-256 of its core header (native only).
    pub record_digest: Option<Digest>,
    /// A digest that tells two materials apart and tells nothing else of them.
    pub fingerprint: Digest,
    /// The public half as SubjectPublicKeyInfo, base64 of DER, if there is one.
    pub public_key: Option<String>,
    /// Where its material came from, if it was not made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Whether the rotation that made it can be undone.
    pub can_roll_back: bool,
    /// Until when.
    pub rollback_expires_at: Option<Timestamp>,
    /// When, replaced but still protecting, it stops to protect.
    pub retire_at: Option<Timestamp>,
    /// How often it became the primary version; part of its external id.
    pub promotion_count: i64,
    /// Which token made it.
    pub created_by: Option<TokenId>,
    /// Which token replaced it.
    pub rotated_by: Option<TokenId>,
    /// The request that last changed it.
    pub correlation_id: CorrelationId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was first activated.
    pub activated_at: Option<Timestamp>,
    /// When its cryptoperiod ends.
    pub expires_at: Option<Timestamp>,
    /// When it was replaced.
    pub rotated_at: Option<Timestamp>,
    /// When it was marked compromised.
    pub compromised_at: Option<Timestamp>,
    /// When its destruction is due.
    pub destroy_at: Option<Timestamp>,
    /// Set while the vault deletes: from here the destruction cannot be cancelled.
    pub destroying: bool,
    /// When its material was gone.
    pub destroyed_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}

impl KeyVersion {
    /// Its place in the state table.
    pub fn standing(&self) -> Standing {
        Standing::new(self.state, self.state_before)
    }

    /// The state that holds at `now`: what the clock has already decided counts, whether or not
    /// the registry has been told (invariant 6).
    pub fn state_at(&self, now: Timestamp) -> State {
        effective_state(self.state, self.expires_at, self.retire_at, now)
    }
}

/// The state that holds at `now` for a version whose registry state is `state`.
pub fn effective_state(
    state: State,
    expires_at: Option<Timestamp>,
    retire_at: Option<Timestamp>,
    now: Timestamp,
) -> State {
    let past = |limit: Option<Timestamp>| limit.is_some_and(|limit| limit <= now);
    match state {
        State::Active if past(expires_at) => State::Expired,
        State::Active if past(retire_at) => State::Rotated,
        other => other,
    }
}

/// How much a version has been used. Kept apart from the version's row: counters follow the
/// journal, not the change feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageTotals {
    /// Protect operations that succeeded.
    pub protects: i64,
    /// Process operations that succeeded.
    pub processes: i64,
    /// Bytes protected.
    pub bytes_protected: i64,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}
