//! Who asks, from where, and under which request; and whom they ask about.

use std::sync::Arc;

use crate::audit::{Actor, Authentication, LeafMark, LeafSlot, Outcome};
use crate::ids::{PrincipalId, TenantId, TokenId};
use crate::names::{CorrelationId, TenantName};
use crate::noun::tenant::Digest;
use crate::port::decide::Grant;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The peer's network address, without port. In no entry: what stands there is its pseudonym.
    pub address: Option<String>,
    /// The request.
    pub correlation_id: CorrelationId,
    /// Where the place of the request's entry is put.
    pub leaf: LeafSlot,
}

/// A caller whose token was checked, or the server itself. Only `ops::authenticate` and the
/// server's own clockwork make one.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) token: Option<TokenId>,
    pub(crate) home: Option<TenantId>,
    pub(crate) grants: Arc<[Grant]>,
    pub(crate) origin: Origin,
    /// What stands in entries for the address of the origin.
    pub(crate) seen_from: Option<String>,
    pub(crate) authentication: Authentication,
}

impl Caller {
    /// The server itself: the clock, recovery, initialisation. Needs no permission.
    pub(crate) fn system(correlation_id: CorrelationId) -> Self {
        Self {
            principal: None,
            token: None,
            home: None,
            grants: Arc::new([]),
            origin: Origin {
                address: None,
                correlation_id,
                leaf: LeafSlot::default(),
            },
            seen_from: None,
            authentication: Authentication::System,
        }
    }

    /// The token, for rate limits.
    pub const fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// The principal.
    pub const fn principal(&self) -> Option<PrincipalId> {
        self.principal
    }

    /// The tenant of the principal; none for the system's own.
    pub const fn home(&self) -> Option<TenantId> {
        self.home
    }

    /// The request.
    pub const fn correlation_id(&self) -> &CorrelationId {
        &self.origin.correlation_id
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor {
            principal: self.principal,
            token: self.token,
            address: self.seen_from.clone(),
            authentication: self.authentication,
        }
    }

    /// Whom the place of an entry about a tenant is told: a caller, in his own logs and, when it went
    /// well, the deployment's own in a tenant's. How fast a log grows is the business of those whose it
    /// is, and that there is one is nothing for those who were refused.
    pub(crate) fn mark(&self, tenant: Option<TenantId>, outcome: Outcome) -> LeafMark {
        let is_own = self.home == tenant;
        let is_served = self.home.is_none() && outcome == Outcome::Ok;
        if self.principal.is_some() && (is_own || is_served) {
            LeafMark::to(self.origin.leaf.clone())
        } else {
            LeafMark::default()
        }
    }

    pub(crate) const fn is_system(&self) -> bool {
        matches!(self.authentication, Authentication::System)
    }
}

/// How the caller names a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantRef {
    /// By id.
    Id(TenantId),
    /// By name.
    Name(TenantName),
    /// The system itself, where principals, tokens and roles of the deployment live.
    System,
}

impl TenantRef {
    /// The name that no tenant may have.
    pub const SYSTEM: &'static str = "system";

    /// Reads a path segment: `system`, an id, or a name.
    pub fn parse(text: &str) -> Option<Self> {
        if text == Self::SYSTEM {
            return Some(Self::System);
        }
        text.parse()
            .map(Self::Id)
            .or_else(|_| TenantName::new(text).map(Self::Name))
            .ok()
    }
}

/// A creation request's own mark (`Idempotency-Key`) and the digest of what it asks for.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// What the client chose, 1 to 128 characters.
    pub key: String,
    /// SHA-256 of the request.
    pub digest: Digest,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed<T> {
    /// What is there now.
    pub value: T,
    /// The revision that made it so.
    pub revision: i64,
    /// The change is durable in the registry's outbox but not yet in the journal; the node takes
    /// no further work until it is.
    pub audit_pending: bool,
}

impl<T> Changed<T> {
    /// The same change of something else.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Changed<U> {
        Changed {
            value: with(self.value),
            revision: self.revision,
            audit_pending: self.audit_pending,
        }
    }
}
