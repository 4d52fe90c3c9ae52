//! A key's history: one row for each transition of each version.

use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, PrincipalId, TenantId, TokenId, TransitionId};
use crate::names::CorrelationId;
use crate::noun::state::State;
use crate::time::Timestamp;

/// One transition, as NIST SP 800-57 part 1 section 7 asks to record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Its id.
    pub id: TransitionId,
    /// Whose key.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// Which version.
    pub version: i64,
    /// What happened: an event of the state table, or `create`, `rotate`.
    pub event: String,
    /// The state before; none at creation.
    pub from_state: Option<State>,
    /// The state after.
    pub to_state: State,
    /// The primary version after it.
    pub primary_version: i64,
    /// When.
    pub at: Timestamp,
    /// Who; none when the clock did it.
    pub principal: Option<PrincipalId>,
    /// By which token.
    pub token: Option<TokenId>,
    /// Why, as the actor said.
    pub reason: Option<String>,
    /// The request.
    pub correlation_id: CorrelationId,
}
