//! The lifecycle verbs: each reads the key, asks the draft, and commits what it says.

use crate::caller::{Caller, Changed, TenantRef};
use crate::error::OpError;
use crate::hot::HotKey;
use crate::lifecycle::{Circumstance, Draft, Which};
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, Authorized, bounded, detail, ensure_active, key_resource};
use crate::ops::role::ensure_match;
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::text_enum;
use crate::time::Timestamp;

/// What every lifecycle verb takes.
#[derive(Clone, Debug)]
pub struct LifecycleRequest {
    /// Which versions.
    pub which: Which,
    /// Why, at most 1,024 characters.
    pub reason: Option<String>,
    /// The key's row version that the caller has read, if it wants to be sure.
    pub if_match: Option<i64>,
}

impl Default for LifecycleRequest {
    fn default() -> Self {
        Self {
            which: Which::Default,
            reason: None,
            if_match: None,
        }
    }
}

text_enum! {
    /// Why a key is revoked (KMIP 2.1 section 11.48, RFC 5280 section 5.3.1).
    pub enum RevocationReason {
        /// No reason given.
        Unspecified => "unspecified",
        /// Others know the key, or may.
        KeyCompromise => "key_compromise",
        /// Its owner changed.
        AffiliationChanged => "affiliation_changed",
        /// Another key took its place.
        Superseded => "superseded",
        /// It is not needed any more.
        CessationOfOperation => "cessation_of_operation",
        /// Its owner may not use it any more.
        PrivilegeWithdrawn => "privilege_withdrawn",
    }
}

/// Who does it, when and why.
pub(crate) fn circumstance(node: &Node, caller: &Caller, reason: Option<String>) -> Circumstance {
    Circumstance {
        now: node.now(),
        principal: caller.principal,
        token: caller.token,
        reason,
        correlation_id: caller.origin.correlation_id.clone(),
    }
}

/// One lifecycle verb on its way.
pub(super) struct Verb<'a> {
    pub(super) attempt: Attempt<'a>,
    pub(super) reason: Option<String>,
    if_match: Option<i64>,
}

impl<'a> Verb<'a> {
    pub(super) fn new(
        node: &'a Node,
        caller: &'a Caller,
        action: Action,
        tenant: &TenantRef,
        key: &KeyRef,
        reason: Option<String>,
        if_match: Option<i64>,
    ) -> Self {
        let attempt = Attempt::new(
            node,
            caller,
            action,
            node.tenant_id(tenant),
            key_resource(key),
        );
        Self {
            attempt,
            reason,
            if_match,
        }
    }

    /// Checks everything that comes before the change itself.
    pub(super) async fn open(
        &mut self,
        tenant: &TenantRef,
        key: &KeyRef,
    ) -> Result<(KeyWithVersions, std::sync::Arc<HotKey>, Authorized), OpError> {
        let Attempt {
            node,
            caller,
            action,
            ..
        } = self.attempt;
        node.ensure_auditable()?;
        let (found, hot, proof) = node.authorize_key(caller, action, tenant, key).await?;
        self.attempt.resource.id = Some(hot.id.uuid());
        // Stopping a key must be possible in a suspended tenant too; starting one must not.
        let stops = matches!(
            action,
            Action::KeySuspend | Action::KeyRevoke | Action::KeyCompromise | Action::KeyExpire
        );
        if !stops {
            ensure_active(&found)?;
        }
        bounded("reason", self.reason.as_deref().unwrap_or(""), 1024)?;
        let current = node.fetch_key_for_its_state(&hot).await?;
        ensure_match(self.if_match, current.key.etag)?;
        Ok((current, hot, proof))
    }

    pub(super) fn draft(&self, current: KeyWithVersions) -> Draft {
        let Attempt { node, caller, .. } = self.attempt;
        let at = circumstance(node, caller, self.reason.clone());
        Draft::new(current, at, node.entropy())
    }

    pub(super) async fn save(
        &self,
        draft: Draft,
        proof: Authorized,
        complete: impl FnOnce(&mut crate::audit::AuditEvent),
    ) -> Result<Changed<KeyWithVersions>, OpError> {
        self.save_with(draft, proof, Vec::new(), complete).await
    }

    /// The same, with rows besides those of the key.
    pub(super) async fn save_with(
        &self,
        draft: Draft,
        proof: Authorized,
        beside: Vec<crate::change::Write>,
        complete: impl FnOnce(&mut crate::audit::AuditEvent),
    ) -> Result<Changed<KeyWithVersions>, OpError> {
        let before = draft.key().primary_version;
        let (value, mut writes) = draft.finish();
        writes.extend(beside);
        let done = self
            .attempt
            .commit(proof, writes, |event| {
                event.reason.clone_from(&self.reason);
                event.resource.version = Some(before);
                detail(event, "primary_version", value.key.primary_version);
                complete(event);
            })
            .await?;
        Ok(done.map(|()| value))
    }

    pub(super) async fn finish<T>(self, outcome: Result<T, OpError>) -> Result<T, OpError> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => Err(self.attempt.log_failure(error).await),
        }
    }
}

/// The verbs that need nothing but an edit of the draft.
async fn edit(
    node: &Node,
    caller: &Caller,
    action: Action,
    (tenant, key): (&TenantRef, &KeyRef),
    request: LifecycleRequest,
    edit: impl FnOnce(&mut Draft, Which) -> Result<(), OpError>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let LifecycleRequest {
        which,
        reason,
        if_match,
    } = request;
    let mut verb = Verb::new(node, caller, action, tenant, key, reason, if_match);
    let outcome = async {
        let (current, _, proof) = verb.open(tenant, key).await?;
        let mut draft = verb.draft(current);
        edit(&mut draft, which)?;
        verb.save(draft, proof, |event| {
            if let Which::Version(number) = which {
                event.resource.version = Some(number);
            }
        })
        .await
    }
    .await;
    verb.finish(outcome).await
}

/// Puts pending versions into use.
pub async fn activate(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyActivate,
        (tenant, key),
        request,
        Draft::activate,
    )
    .await
}

/// Puts active versions on hold: they neither protect nor process until resumed.
pub async fn suspend(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeySuspend,
        (tenant, key),
        request,
        Draft::suspend,
    )
    .await
}

/// Takes versions off hold.
pub async fn resume(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyResume,
        (tenant, key),
        request,
        Draft::resume,
    )
    .await
}

/// Ends a version's cryptoperiod now.
pub async fn expire(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyExpire,
        (tenant, key),
        request,
        Draft::expire,
    )
    .await
}

/// Extends a version's cryptoperiod, to `expires_at` or without end.
pub async fn renew(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
    expires_at: Option<Timestamp>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyRenew,
        (tenant, key),
        request,
        |draft, which| draft.renew(which, expires_at),
    )
    .await
}

/// Marks versions compromised: all of them, or one.
pub async fn compromise(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyCompromise,
        (tenant, key),
        request,
        Draft::compromise,
    )
    .await
}

/// Undoes the last rotation inside its window.
pub async fn roll_back(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    edit(
        node,
        caller,
        Action::KeyRollBack,
        (tenant, key),
        request,
        |draft, _| draft.roll_back(),
    )
    .await
}

/// Calls a scheduled destruction off.
pub async fn cancel_destruction(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let action = Action::KeyCancelDestruction;
    edit(
        node,
        caller,
        action,
        (tenant, key),
        request,
        Draft::cancel_destruction,
    )
    .await
}

/// Revokes: for key compromise the versions become compromised, for any other reason rotated.
pub async fn revoke(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    request: LifecycleRequest,
    reason: RevocationReason,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let LifecycleRequest {
        which,
        reason: remark,
        if_match,
    } = request;
    let mut verb = Verb::new(
        node,
        caller,
        Action::KeyRevoke,
        tenant,
        key,
        remark,
        if_match,
    );
    let outcome = async {
        let (current, _, proof) = verb.open(tenant, key).await?;
        let mut draft = verb.draft(current);
        if reason == RevocationReason::KeyCompromise {
            draft.compromise(which)?;
        } else {
            draft.retire(which)?;
        }
        verb.save(draft, proof, |event| {
            detail(event, "revocation_reason", reason.name());
        })
        .await
    }
    .await;
    verb.finish(outcome).await
}
