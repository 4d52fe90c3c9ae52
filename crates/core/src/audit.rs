//! The audit event: who did what to what, when, from where, and how it ended. No secrets, ever.

pub mod class;
pub mod counted;
pub mod format;
pub mod keeping_refusal;
mod leaf;
pub mod retention;
mod schema;
mod signature;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
use crate::names::CorrelationId;
use crate::noun::action::Action;
use crate::text_enum;
use crate::time::Timestamp;

pub use self::leaf::{Leaf, LeafMark, LeafSlot, LogKind};
pub use self::schema::{SCHEMA_ID, schema, schema_text};
pub use self::signature::{AsLogged, NodeSignature};

/// The largest entry, in bytes of its canonical form.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

text_enum! {
    /// How an operation ended.
    pub enum Outcome {
        /// It was done.
        Ok => "ok",
        /// It was refused: not allowed, or not in this state.
        Refused => "refused",
        /// It was tried and failed.
        Failed => "failed",
    }
}

text_enum! {
    /// How the actor was known.
    pub enum Authentication {
        /// By a bearer token.
        Token => "token",
        /// The server itself: the clock, recovery, initialisation.
        System => "system",
        /// By nothing valid.
        None => "none",
    }
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The principal, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The token, if one was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    /// The pseudonym of the network address the request came from (docs/privacy.md); the address itself where
    /// it says nothing about anybody, in entries of before version 2, and in those that are shown to who may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How it was known.
    pub authentication: Authentication,
}

impl Actor {
    /// The address, where it is one; not a pseudonym.
    pub fn ip(&self) -> Option<&str> {
        let address = self.address.as_deref()?;
        address.parse::<std::net::IpAddr>().ok().map(|_| address)
    }

    /// What stands for the address, where it is none.
    pub fn pseudonym(&self) -> Option<&str> {
        let address = self.address.as_deref()?;
        address
            .parse::<std::net::IpAddr>()
            .is_err()
            .then_some(address)
    }

    /// The server itself.
    pub const fn system() -> Self {
        Self {
            principal: None,
            token: None,
            address: None,
            authentication: Authentication::System,
        }
    }
}

/// What was acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The kind of thing: `key`, `tenant`, `token`, …
    pub kind: std::borrow::Cow<'static, str>,
    /// Its id, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<uuid::Uuid>,
    /// Its name as given, if it was addressed by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key version, if one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// What counts towards a version's usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: VersionId,
    /// Protect operations that succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub protects: i64,
    /// Process operations that succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub processes: i64,
    /// Bytes protected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// One entry of the audit log. Its canonical form is JSON with sorted keys and no spaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub time: Timestamp,
    /// On which node.
    pub node: std::sync::Arc<str>,
    /// In which tenant; none for the system's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable code: of the error, or why it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request.
    pub correlation_id: CorrelationId,
    /// More, without secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
    /// What counts towards usage; one for each version that was used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<Used>,
    /// The revision of the change it belongs to; none for what changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The number of the change in its tenant's change log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// The node's signature over all of that, in entries of actions that have one. The journal makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<NodeSignature>,
    /// Who is told where it stands in its log.
    #[serde(skip)]
    pub leaf: LeafMark,
}

/// An entry as the journal holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journaled {
    /// Its place in this node's journal, without gaps.
    pub sequence: u64,
    /// The event.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// What of it is shown otherwise than it was logged and signed; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_logged: Option<AsLogged>,
}
