//! Before an operation: which tenant, which key, may this caller. After it: the audit entry.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;

use crate::audit::{AuditEvent, Outcome, Resource};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::free_text::is_sealed;
use crate::hot::{HotKey, HotTenant};
use crate::ids::TenantId;
use crate::node::Node;
use crate::noun::action::{Action, Scope};
use crate::noun::tenant::TenantState;
use crate::port::decide::{Decision, KeyFacts, Target};
use crate::port::lease::Fence;
use crate::port::registry::{KeyRef, KeyWithVersions, RegistryError};
use crate::port::registry_migration::RegistryMigrationFault;
use crate::port::seal::SealFault;
use crate::port::storage_migration::MigrationFault;

/// Proof that the caller may perform `action`; only this file makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorized {
    action: Action,
}

impl Authorized {
    pub(crate) const fn action(self) -> Action {
        self.action
    }
}

/// One operation on its way: enough to write its audit entry, however it ends.
pub(crate) struct Attempt<'a> {
    pub(crate) node: &'a Node,
    pub(crate) caller: &'a Caller,
    pub(crate) action: Action,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) resource: Resource,
    /// In whose role it is done, if only one node may.
    pub(crate) fence: Option<Fence>,
}

impl<'a> Attempt<'a> {
    pub(crate) const fn new(
        node: &'a Node,
        caller: &'a Caller,
        action: Action,
        tenant: Option<TenantId>,
        resource: Resource,
    ) -> Self {
        Self {
            node,
            caller,
            action,
            tenant,
            resource,
            fence: None,
        }
    }

    /// The entry for this attempt, still to be completed.
    pub(crate) fn event(&self, outcome: Outcome) -> AuditEvent {
        AuditEvent {
            time: self.node.now(),
            node: self.node.settings.name.clone(),
            tenant: self.tenant,
            actor: self.caller.actor(),
            action: self.action,
            resource: self.resource.clone(),
            outcome,
            reason: None,
            correlation_id: self.caller.origin.correlation_id.clone(),
            details: BTreeMap::new(),
            used: Vec::new(),
            revision: None,
            change: None,
            signature: None,
            leaf: self.caller.mark(self.tenant, outcome),
        }
    }

    /// Runs work that commits a change: the commit carries the entry of success; a refusal or
    /// failure is logged here.
    pub(crate) async fn change<T>(
        &self,
        work: impl Future<Output = Result<T, OpError>>,
    ) -> Result<T, OpError> {
        self.node.ensure_auditable()?;
        match work.await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.log_failure(error).await),
        }
    }

    /// Runs work that changes nothing and logs how it ended before the answer leaves.
    pub(crate) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, OpError>>,
    ) -> Result<T, OpError> {
        self.node.ensure_auditable()?;
        match work.await {
            Ok(value) => {
                self.node
                    .ports
                    .audit
                    .append(self.event(Outcome::Ok))
                    .await?;
                Ok(value)
            }
            Err(error) => Err(self.log_failure(error).await),
        }
    }

    /// Logs why it did not succeed. If that cannot be logged, this is what the caller hears.
    pub(crate) async fn log_failure(&self, error: OpError) -> OpError {
        let mut event = self.event(outcome_of(&error));
        event.reason = Some(error.code().as_str().to_owned());
        match self.node.ports.audit.append(event).await {
            Ok(_) => error,
            Err(fault) => OpError::Audit(fault),
        }
    }
}

/// Whether an error is a refusal or a failure.
pub(crate) const fn outcome_of(error: &OpError) -> Outcome {
    match error {
        OpError::NotAuthentic
        | OpError::Audit(_)
        | OpError::Record(_)
        | OpError::Storage(_)
        | OpError::Registry(_)
        | OpError::Seal(
            SealFault::DidNotOpen { .. }
            | SealFault::Service { .. }
            | SealFault::OutcomeUnknown { .. }
            | SealFault::Damaged { .. },
        )
        | OpError::Backup(_)
        | OpError::Migration(MigrationFault::Storage(_) | MigrationFault::Standing { .. })
        | OpError::RegistryMigration(
            RegistryMigrationFault::Side { .. } | RegistryMigrationFault::Standing { .. },
        )
        | OpError::NotInBackup { .. }
        | OpError::Crypto => Outcome::Failed,
        _ => Outcome::Refused,
    }
}

/// A resource by kind and the name or id that the caller gave.
pub(crate) fn resource(kind: &'static str, id: Option<uuid::Uuid>, name: Option<&str>) -> Resource {
    Resource {
        kind: Cow::Borrowed(kind),
        id,
        name: name.map(ToOwned::to_owned),
        version: None,
    }
}

/// A key as the caller named it.
pub(crate) fn key_resource(key: &KeyRef) -> Resource {
    match key {
        KeyRef::Id(id) => resource("key", Some(id.uuid()), None),
        KeyRef::Name(name) => resource("key", None, Some(name.as_str())),
        KeyRef::Class(class) => resource("class", None, Some(class.as_str())),
    }
}

/// A tenant as the caller named it.
pub(crate) fn tenant_resource(tenant: &TenantRef) -> Resource {
    match tenant {
        TenantRef::Id(id) => resource("tenant", Some(id.uuid()), None),
        TenantRef::Name(name) => resource("tenant", None, Some(name.as_str())),
        TenantRef::System => resource("tenant", None, Some(TenantRef::SYSTEM)),
    }
}

const NO_TENANT: OpError = OpError::NotFound { what: "tenant" };
const NO_KEY: OpError = OpError::NotFound { what: "key" };

impl Node {
    /// The tenant that the caller means, if it is there; the system is none.
    pub(crate) fn find_tenant(&self, tenant: &TenantRef) -> Option<Arc<HotTenant>> {
        match tenant {
            TenantRef::Id(id) => self.memory.hot.tenant(*id),
            TenantRef::Name(name) => self.memory.hot.tenant_named(name),
            TenantRef::System => None,
        }
    }

    /// The id of the tenant that the caller means, for the audit entry.
    pub(crate) fn tenant_id(&self, tenant: &TenantRef) -> Option<TenantId> {
        self.find_tenant(tenant).map(|found| found.id)
    }

    fn decide(&self, caller: &Caller, action: Action, target: &Target) -> Decision {
        if caller.is_system() {
            return Decision::Allow;
        }
        self.ports.decide.decide(&caller.grants, action, target)
    }

    /// Allowed; and not one of the changes that are refused while no backup would hold them.
    fn authorized(&self, caller: &Caller, action: Action) -> Result<Authorized, OpError> {
        self.ensure_coverable(caller, action)?;
        Ok(Authorized { action })
    }

    /// May the caller act on the deployment?
    pub(crate) fn authorize_system(
        &self,
        caller: &Caller,
        action: Action,
    ) -> Result<Authorized, OpError> {
        match self.decide(caller, action, &Target::System) {
            Decision::Allow => self.authorized(caller, action),
            Decision::Deny | Decision::DenyInvisible => Err(OpError::Forbidden {
                action: action.name(),
            }),
        }
    }

    /// May the caller act on this tenant? Without any part in it, it looks as if it were not there.
    pub(crate) fn authorize_tenant(
        &self,
        caller: &Caller,
        action: Action,
        tenant: &TenantRef,
    ) -> Result<(Arc<HotTenant>, Authorized), OpError> {
        let found = self.find_tenant(tenant).ok_or(NO_TENANT)?;
        match self.decide(caller, action, &Target::Tenant(found.id)) {
            Decision::Allow => Ok((found, self.authorized(caller, action)?)),
            Decision::Deny => Err(OpError::Forbidden {
                action: action.name(),
            }),
            Decision::DenyInvisible => Err(NO_TENANT),
        }
    }

    /// May the caller act where principals, tokens and roles live: in a tenant, or in the system?
    pub(crate) fn authorize_scope(
        &self,
        caller: &Caller,
        action: Action,
        scope: &TenantRef,
    ) -> Result<(Option<TenantId>, Authorized), OpError> {
        if *scope == TenantRef::System {
            return self
                .authorize_system(caller, action)
                .map(|proof| (None, proof));
        }
        self.authorize_tenant(caller, action, scope)
            .map(|(tenant, proof)| (Some(tenant.id), proof))
    }

    /// May the caller act on this key? What it may not see looks as if it were not there.
    pub(crate) async fn authorize_key(
        &self,
        caller: &Caller,
        action: Action,
        tenant: &TenantRef,
        key: &KeyRef,
    ) -> Result<(Arc<HotTenant>, Arc<HotKey>, Authorized), OpError> {
        debug_assert!(
            action.scope() == Scope::Key,
            "{action} does not act on a key"
        );
        let found = self.find_tenant(tenant).ok_or(NO_TENANT)?;
        let hot = self.memory.hot.key(found.id, key);
        // Without restrictions the decision is the same for every key of the tenant.
        let at_tenant = self.decide(caller, action, &Target::Tenant(found.id));
        if at_tenant == Decision::Allow {
            let hot = hot.ok_or(NO_KEY)?;
            return Ok((found, hot, self.authorized(caller, action)?));
        }
        if at_tenant == Decision::DenyInvisible {
            return Err(NO_TENANT);
        }
        let Some(hot) = hot else {
            return Err(self.hide(caller, found.id));
        };
        let facts = self.facts(&hot).await?;
        match self.decide(caller, action, &Target::Key(facts)) {
            Decision::Allow => Ok((found, hot, self.authorized(caller, action)?)),
            Decision::Deny => Err(OpError::Forbidden {
                action: action.name(),
            }),
            Decision::DenyInvisible => Err(NO_KEY),
        }
    }

    /// What a caller hears of a key that is not there: the same as of one it may not see.
    fn hide(&self, caller: &Caller, tenant: TenantId) -> OpError {
        match self.decide(caller, Action::KeySearch, &Target::Tenant(tenant)) {
            Decision::DenyInvisible => NO_TENANT,
            Decision::Allow | Decision::Deny => NO_KEY,
        }
    }

    /// May the caller also perform a widening action on this key?
    pub(crate) async fn allows_widening(
        &self,
        caller: &Caller,
        action: Action,
        key: &HotKey,
    ) -> Result<bool, OpError> {
        if self.decide(caller, action, &Target::Tenant(key.tenant)) == Decision::Allow {
            return Ok(true);
        }
        let facts = self.facts(key).await?;
        Ok(self.decide(caller, action, &Target::Key(facts)) == Decision::Allow)
    }

    async fn facts(&self, hot: &HotKey) -> Result<Arc<KeyFacts>, OpError> {
        if let Some(facts) = self.memory.sessions.facts(hot.id, hot.etag) {
            return Ok(facts);
        }
        let current = self
            .ports
            .registry
            .key(hot.tenant, &KeyRef::Id(hot.id))
            .await?
            .ok_or(NO_KEY)?;
        let facts = Arc::new(facts_of(&current));
        // Sealed tags decide nothing, and are opened as soon as there is a key.
        if !facts.tags.values().any(|tag| is_sealed(tag)) {
            let etag = current.key.etag;
            self.memory.sessions.keep_facts(etag, facts.clone());
        }
        Ok(facts)
    }

    /// A key with its versions, as the registry has it now.
    pub(crate) async fn fetch_key(&self, hot: &HotKey) -> Result<KeyWithVersions, OpError> {
        self.ports
            .registry
            .key(hot.tenant, &KeyRef::Id(hot.id))
            .await?
            .ok_or(NO_KEY)
    }

    /// The same for who changes its state, which no text decides: one that is not what was sealed keeps
    /// no key from being stopped. The texts stay as they are stored, and are shown to nobody.
    pub(crate) async fn fetch_key_for_its_state(
        &self,
        hot: &HotKey,
    ) -> Result<KeyWithVersions, OpError> {
        match self.fetch_key(hot).await {
            Err(OpError::Registry(RegistryError::TextRefused { .. })) => {
                let stored = self.texts.stored();
                let found = stored.key(hot.tenant, &KeyRef::Id(hot.id)).await?;
                found.ok_or(NO_KEY)
            }
            fetched => fetched,
        }
    }
}

/// What a restriction may look at.
pub(crate) fn facts_of(current: &KeyWithVersions) -> KeyFacts {
    KeyFacts {
        tenant: current.key.tenant,
        key: current.key.id,
        name: current.key.name.clone(),
        class: current.key.data_class.clone(),
        tags: current.key.tags.clone(),
    }
}

/// Refuses in a tenant that is suspended or shredded.
pub(crate) fn ensure_active(tenant: &HotTenant) -> Result<(), OpError> {
    match tenant.state {
        TenantState::Active => Ok(()),
        state => Err(OpError::TenantNotActive {
            state: state.name(),
        }),
    }
}

/// Free text within its limit.
pub(crate) fn bounded(field: &'static str, text: &str, max: usize) -> Result<(), OpError> {
    if text.chars().count() > max {
        return Err(OpError::invalid(
            field,
            format!("has more than {max} characters"),
        ));
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(OpError::invalid(field, "has control characters"));
    }
    Ok(())
}

/// A page size within its limit: at most 1,000 rows.
pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, OpError> {
    match limit {
        None => Ok(100),
        Some(limit @ 1..=1000) => Ok(limit),
        Some(_) => Err(OpError::invalid("limit", "must be 1 to 1000")),
    }
}

/// A detail of an entry.
pub(crate) fn detail(event: &mut AuditEvent, name: &str, value: impl Into<Value>) {
    event.details.insert(name.to_owned(), value.into());
}
