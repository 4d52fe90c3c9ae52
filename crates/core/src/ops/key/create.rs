//! Making keys: material first, then the registry's transaction.

use std::collections::{BTreeMap, BTreeSet};

use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::usage::UsageSet;

use super::check_texts;
use super::insert::{Baggage, insert};
use super::restrictions::{restrictions, usages};
use crate::caller::{Caller, Changed, Idempotency, TenantRef};
use crate::error::OpError;
use crate::hot::HotTenant;
use crate::ids::{KeyId, VersionId};
use crate::names::{DataClass, KeyName, PolicyName};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::key::{Key, Origin, ProviderKind, Restrictions};
use crate::ops::commit::{Earlier, idempotency_key};
use crate::ops::gate::{Attempt, ensure_active, resource};
use crate::port::key_provider::MaterialSpec;
use crate::port::registry::{KeyRef, KeyWithVersions};
use crate::time::Timestamp;

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: KeyName,
    /// Free text.
    pub description: String,
    /// What it is for.
    pub purpose: String,
    /// Who answers for it.
    pub owner: String,
    /// The class of data it protects.
    pub data_class: Option<DataClass>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it may be used for; the algorithm's usual ones if nothing is said.
    pub usages: Option<UsageSet>,
    /// Who holds its material.
    pub provider: ProviderKind,
    /// What it may not do.
    pub restrictions: Restrictions,
    /// Services that are meant to use it.
    pub authorized_services: BTreeSet<String>,
    /// A note on who may use it.
    pub access_policy: BTreeMap<String, String>,
    /// Rules it falls under.
    pub compliance_tags: BTreeSet<String>,
    /// Names and values of the owner's choice.
    pub tags: BTreeMap<String, String>,
    /// When it is rotated by itself.
    pub rotation_policy: Option<PolicyName>,
    /// How long a rotation can be undone; from the policy or the server's default if not said.
    pub rollback_window_seconds: Option<i64>,
    /// How long a replaced version still protects; from the policy or 0 if not said.
    pub overlap_seconds: Option<i64>,
    /// When the first version's cryptoperiod ends.
    pub expires_at: Option<Timestamp>,
    /// Whether the first version is put into use at once.
    pub activate: bool,
}

impl NewKey {
    /// A key with nothing but a name: the default algorithm, no class, not yet in use.
    pub fn named(name: KeyName) -> Self {
        Self {
            name,
            description: String::new(),
            purpose: String::new(),
            owner: String::new(),
            data_class: None,
            algorithm: Algorithm::Aes256GcmCommit,
            usages: None,
            provider: ProviderKind::Native,
            restrictions: Restrictions {
                exportable: false,
                deterministic: false,
                process_after_expiry: true,
                use_limit: None,
            },
            authorized_services: BTreeSet::new(),
            access_policy: BTreeMap::new(),
            compliance_tags: BTreeSet::new(),
            tags: BTreeMap::new(),
            rotation_policy: None,
            rollback_window_seconds: None,
            overlap_seconds: None,
            expires_at: None,
            activate: false,
        }
    }
}

/// At most so many keys in one request.
const BATCH_MAX: usize = 1000;

/// Makes a key and its first version.
pub async fn create(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    new: NewKey,
    idempotency: Option<&Idempotency>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let named = resource("key", None, Some(new.name.as_str()));
    let mut attempt = Attempt::new(
        node,
        caller,
        Action::KeyCreate,
        node.tenant_id(tenant),
        named,
    );
    let made: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (found, proof) = node.authorize_tenant(caller, Action::KeyCreate, tenant)?;
        let request = idempotency_key(caller, Some(found.id), "key.create", idempotency)?;
        if let Earlier::Made(id) = node.earlier(request.as_ref()).await? {
            let made = KeyRef::Id(KeyId::from_uuid(id));
            let current = node.ports.registry.key(found.id, &made).await?;
            let value = current.ok_or(OpError::NotFound { what: "key" })?;
            return attempt.repeated(value).await;
        }
        let plan = plan(node, caller, &found, new, MADE_HERE).await?;
        let materials = node
            .provider(plan.spec_provider())?
            .generate(&[plan.spec()])
            .await?;
        let material = materials.into_iter().next().ok_or(OpError::Crypto)?;
        attempt.resource.id = Some(plan.key.id.uuid());
        insert(&attempt, proof, plan, material, Baggage::default(), request).await
    }
    .await;
    match made {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// Makes up to 1,000 keys; each succeeds or fails on its own. Their material is made durable
/// together.
pub async fn create_many(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    new: Vec<NewKey>,
) -> Result<Vec<Result<Changed<KeyWithVersions>, OpError>>, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::KeyCreate,
        node.tenant_id(tenant),
        resource("key", None, None),
    );
    let planned: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (found, proof) = node.authorize_tenant(caller, Action::KeyCreate, tenant)?;
        if new.is_empty() || new.len() > BATCH_MAX {
            return Err(OpError::invalid("items", "must be 1 to 1000 keys"));
        }
        let mut plans = Vec::with_capacity(new.len());
        for item in new {
            plans.push(plan(node, caller, &found, item, MADE_HERE).await);
        }
        Ok((plans, proof))
    }
    .await;
    let (plans, proof) = match planned {
        Ok(planned) => planned,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let specs: Vec<MaterialSpec> = plans.iter().flatten().map(Plan::spec).collect();
    let mut materials = if specs.is_empty() {
        Vec::new()
    } else {
        match node.provider(ProviderKind::Native)?.generate(&specs).await {
            Ok(materials) => materials,
            Err(error) => return Err(attempt.log_failure(error.into()).await),
        }
    }
    .into_iter();
    let works = plans.into_iter().map(|plan| {
        let material = plan.is_ok().then(|| materials.next()).flatten();
        let named = match &plan {
            Ok(plan) => resource(
                "key",
                Some(plan.key.id.uuid()),
                Some(plan.key.name.as_str()),
            ),
            Err(_) => resource("key", None, None),
        };
        let one = Attempt::new(node, caller, Action::KeyCreate, attempt.tenant, named);
        async move {
            let made = match (plan, material) {
                (Ok(plan), Some(material)) => {
                    insert(&one, proof, plan, material, Baggage::default(), None).await
                }
                (Ok(_), None) => Err(OpError::Crypto),
                (Err(error), _) => Err(error),
            };
            match made {
                Ok(done) => Ok(done),
                Err(error) => Err(one.log_failure(error).await),
            }
        }
    });
    Ok(futures_util::future::join_all(works).await)
}

/// A key and its first version before they have material.
pub(super) struct Plan {
    pub(super) key: Key,
    pub(super) version_id: VersionId,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) activate: bool,
}

impl Plan {
    pub(super) const fn spec_provider(&self) -> ProviderKind {
        self.key.provider
    }

    pub(super) const fn spec(&self) -> MaterialSpec {
        spec_of(&self.key, 1)
    }
}

/// What a version's material is for.
pub(super) const fn spec_of(key: &Key, version: u32) -> MaterialSpec {
    MaterialSpec {
        tenant: key.tenant,
        key: key.id,
        version,
        algorithm: key.algorithm,
        usages: key.usages,
    }
}

/// How a key begins.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) origin: Origin,
    pub(super) public_only: bool,
}

const MADE_HERE: Arrival = Arrival {
    origin: Origin::Generated,
    public_only: false,
};

pub(super) async fn plan(
    node: &Node,
    caller: &Caller,
    tenant: &HotTenant,
    new: NewKey,
    arrival: Arrival,
) -> Result<Plan, OpError> {
    ensure_active(tenant)?;
    node.ensure_unsealed()?;
    let usages = usages(new.algorithm, new.usages, arrival.public_only)?;
    let now = node.now();
    check_new(&new, arrival, now)?;
    let restrictions = restrictions(new.algorithm, new.restrictions)?;
    let policy = match &new.rotation_policy {
        Some(name) => Some(crate::ops::policy::find_usable(node, tenant.id, name).await?),
        None => None,
    };
    // A cheap look before material is made; the registry's unique index has the last word.
    if node
        .memory
        .hot
        .key(tenant.id, &KeyRef::Name(new.name.clone()))
        .is_some()
    {
        return Err(OpError::AlreadyExists { what: "key" });
    }
    let key = Key {
        id: KeyId::from_random(node.random_id()?),
        tenant: tenant.id,
        name: new.name,
        description: new.description,
        purpose: new.purpose,
        owner: new.owner,
        data_class: new.data_class,
        algorithm: new.algorithm,
        usages,
        provider: new.provider,
        origin: arrival.origin,
        public_only: arrival.public_only,
        restrictions,
        authorized_services: new.authorized_services,
        access_policy: new.access_policy,
        compliance_tags: new.compliance_tags,
        tags: new.tags,
        rotation_policy: policy.as_ref().map(|policy| policy.id),
        rollback_window_seconds: new
            .rollback_window_seconds
            .or(policy.as_ref().map(|policy| policy.rollback_window_seconds))
            .unwrap_or(node.settings.rollback_window_seconds),
        overlap_seconds: new
            .overlap_seconds
            .or(policy.as_ref().map(|policy| policy.overlap_seconds))
            .unwrap_or(0),
        primary_version: 1,
        latest_version: 1,
        created_by: caller.token,
        created_at: now,
        updated_at: now,
        // The draft of its creation makes it 1.
        etag: 0,
    };
    check_texts(&key)?;
    Ok(Plan {
        key,
        version_id: VersionId::from_random(node.random_id()?),
        expires_at: new.expires_at,
        activate: new.activate,
    })
}

/// What can be refused of a new key without looking anywhere.
fn check_new(new: &NewKey, arrival: Arrival, now: Timestamp) -> Result<(), OpError> {
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(OpError::invalid("expires_at", "must be in the future"));
    }
    if new.provider != ProviderKind::Native {
        return Err(OpError::invalid(
            "provider",
            "this server has no such provider",
        ));
    }
    if new.restrictions.exportable && arrival.public_only {
        return Err(OpError::invalid(
            "restrictions",
            "a public key is not secret: it is shown, not exported",
        ));
    }
    Ok(())
}
