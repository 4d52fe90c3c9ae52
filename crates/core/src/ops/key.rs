//! Keys: made, found, shown, changed. Their lifecycle is in [`lifecycle`], their use in
//! [`super::use_key`].

mod canary;
mod create;
mod destruction;
mod export;
mod import;
mod insert;
mod lifecycle;
mod public_key;
mod restrictions;
mod rotate;
mod search;

pub use create::{NewKey, create, create_many};
pub use destruction::schedule_destruction;
pub use export::{ExportRequest, Exported, export};
pub use import::{ImportVersion, NewImport, Source, import, import_version};
pub(crate) use lifecycle::circumstance;
pub use lifecycle::{
    LifecycleRequest, RevocationReason, activate, cancel_destruction, compromise, expire, renew,
    resume, revoke, roll_back, suspend,
};
pub use public_key::{PublicKeyView, jwks, public_key};
pub(crate) use rotate::{Planned, rotate_planned};
pub use rotate::{RotateRequest, rotate};
pub use search::{cursor_of, history, read, search, usage};

use std::collections::{BTreeMap, BTreeSet};

use crate::caller::{Caller, Changed, TenantRef};
use crate::error::OpError;
use crate::free_text::has_sealed;
use crate::lifecycle::Draft;
use crate::names::{DataClass, PolicyName};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::key::Key;
use crate::ops::gate::{Attempt, bounded, ensure_active, key_resource};
use crate::ops::policy::ensure_window;
use crate::ops::role::ensure_match;
use crate::port::registry::{KeyRef, KeyWithVersions};

/// What is to change of a key. What is fixed when a key is made (algorithm, usages, provider,
/// exportable, deterministic, limits) is not here.
#[derive(Clone, Debug, Default)]
#[allow(clippy::option_option)] // outer: change it at all; inner: to something or to nothing
pub struct KeyChange {
    /// A new description.
    pub description: Option<String>,
    /// A new purpose.
    pub purpose: Option<String>,
    /// A new owner.
    pub owner: Option<String>,
    /// A new class, or none.
    pub data_class: Option<Option<DataClass>>,
    /// New services.
    pub authorized_services: Option<BTreeSet<String>>,
    /// New compliance tags.
    pub compliance_tags: Option<BTreeSet<String>>,
    /// A new note on access.
    pub access_policy: Option<BTreeMap<String, String>>,
    /// New tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// A new policy, or none.
    pub rotation_policy: Option<Option<PolicyName>>,
    /// A new window for undoing rotations.
    pub rollback_window_seconds: Option<i64>,
    /// A new overlap.
    pub overlap_seconds: Option<i64>,
    /// Whether expired versions may process.
    pub process_after_expiry: Option<bool>,
}

/// Changes what people write about a key, and its policy.
pub async fn update(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    change: KeyChange,
    if_match: Option<i64>,
) -> Result<Changed<KeyWithVersions>, OpError> {
    let mut attempt = Attempt::new(
        node,
        caller,
        Action::KeyUpdate,
        node.tenant_id(tenant),
        key_resource(key),
    );
    let done: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (found, hot, proof) = node
            .authorize_key(caller, Action::KeyUpdate, tenant, key)
            .await?;
        attempt.resource.id = Some(hot.id.uuid());
        ensure_active(&found)?;
        let mut current = node.fetch_key(&hot).await?;
        ensure_match(if_match, current.key.etag)?;
        if has_sealed(&mut current.key) {
            // What there is no key for cannot be checked together with what is new.
            node.texts.key(found.id).await?;
        }
        let policy = match &change.rotation_policy {
            Some(Some(name)) => Some(Some(
                super::policy::find_usable(node, found.id, name).await?,
            )),
            Some(None) => Some(None),
            None => None,
        };
        let fields = changed_fields(&change);
        let mut draft = Draft::new(current, circumstance(node, caller, None), node.entropy());
        draft.edit_key(|row| {
            apply(row, change);
            if let Some(policy) = policy {
                row.rotation_policy = policy.as_ref().map(|policy| policy.id);
                if let Some(policy) = policy {
                    row.rollback_window_seconds = policy.rollback_window_seconds;
                    row.overlap_seconds = policy.overlap_seconds;
                }
            }
        });
        check_texts(draft.key())?;
        let (value, writes) = draft.finish();
        let done = attempt
            .commit(proof, writes, |event| {
                super::gate::detail(event, "changed", fields);
            })
            .await?;
        Ok(done.map(|()| value))
    }
    .await;
    match done {
        Ok(done) => Ok(done),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

fn apply(row: &mut Key, change: KeyChange) {
    fn set<T>(field: &mut T, new: Option<T>) {
        if let Some(new) = new {
            *field = new;
        }
    }
    set(&mut row.description, change.description);
    set(&mut row.purpose, change.purpose);
    set(&mut row.owner, change.owner);
    set(&mut row.data_class, change.data_class);
    set(&mut row.authorized_services, change.authorized_services);
    set(&mut row.compliance_tags, change.compliance_tags);
    set(&mut row.access_policy, change.access_policy);
    set(&mut row.tags, change.tags);
    set(
        &mut row.rollback_window_seconds,
        change.rollback_window_seconds,
    );
    set(&mut row.overlap_seconds, change.overlap_seconds);
    set(
        &mut row.restrictions.process_after_expiry,
        change.process_after_expiry,
    );
}

fn changed_fields(change: &KeyChange) -> Vec<&'static str> {
    [
        ("description", change.description.is_some()),
        ("purpose", change.purpose.is_some()),
        ("owner", change.owner.is_some()),
        ("data_class", change.data_class.is_some()),
        ("authorized_services", change.authorized_services.is_some()),
        ("compliance_tags", change.compliance_tags.is_some()),
        ("access_policy", change.access_policy.is_some()),
        ("tags", change.tags.is_some()),
        ("rotation_policy", change.rotation_policy.is_some()),
        (
            "rollback_window_seconds",
            change.rollback_window_seconds.is_some(),
        ),
        ("overlap_seconds", change.overlap_seconds.is_some()),
        (
            "process_after_expiry",
            change.process_after_expiry.is_some(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// The limits on what people write about a key.
fn check_texts(key: &Key) -> Result<(), OpError> {
    bounded("description", &key.description, 1024)?;
    bounded("purpose", &key.purpose, 1024)?;
    bounded("owner", &key.owner, 256)?;
    ensure_window("rollback_window_seconds", key.rollback_window_seconds)?;
    ensure_window("overlap_seconds", key.overlap_seconds)?;
    check_set("authorized_services", &key.authorized_services)?;
    check_set("compliance_tags", &key.compliance_tags)?;
    check_map("tags", &key.tags)?;
    check_map("access_policy", &key.access_policy)
}

fn check_set(field: &'static str, set: &BTreeSet<String>) -> Result<(), OpError> {
    if set.len() > 64 {
        return Err(OpError::invalid(field, "has more than 64 entries"));
    }
    set.iter().try_for_each(|text| nonempty(field, text, 128))
}

/// Names and values that people choose, within their limits.
pub(crate) fn check_map(
    field: &'static str,
    map: &BTreeMap<String, String>,
) -> Result<(), OpError> {
    if map.len() > 64 {
        return Err(OpError::invalid(field, "has more than 64 entries"));
    }
    map.iter().try_for_each(|(name, value)| {
        nonempty(field, name, 128)?;
        bounded(field, value, 256)
    })
}

fn nonempty(field: &'static str, text: &str, max: usize) -> Result<(), OpError> {
    if text.is_empty() {
        return Err(OpError::invalid(field, "has an empty entry"));
    }
    bounded(field, text, max)
}
