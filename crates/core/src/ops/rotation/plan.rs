//! What is due now, found in the registry page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::due::{self, Date};
use super::one::{CLOSED, UNFOLLOWABLE};
use crate::error::OpError;
use crate::ids::{KeyId, PolicyId, TenantId};
use crate::names::KeyName;
use crate::node::Node;
use crate::noun::policy::Policy;
use crate::noun::rotation::{Rotation, RotationOutcome};
use crate::noun::tenant::TenantState;
use crate::port::registry::{
    KeyCursor, KeyFilter, KeyRef, KeySort, KeySummary, Registry, RegistryError,
};
use crate::rotation::ScheduleError;
use crate::time::Timestamp;

/// Rows read at once.
const PAGE: usize = 500;
/// So many keys that are not rotated are listed.
const LISTED_MAX: usize = 1_000;

/// What is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scope {
    /// One tenant's keys alone.
    pub(super) tenant: Option<TenantId>,
    /// One policy's alone.
    pub(super) policy: Option<PolicyId>,
    /// What failed and waits is tried at once.
    pub(super) forced: bool,
}

/// A key that is due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) tenant: TenantId,
    pub(super) key: KeyId,
    pub(super) name: KeyName,
    pub(super) policy: Arc<Policy>,
    pub(super) date: Date,
    /// What became of this date before.
    pub(super) earlier: Option<Rotation>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Policies that were looked at.
    pub(super) policies: Vec<Arc<Policy>>,
    /// To be rotated now, the longest due first.
    pub(super) due: Vec<Due>,
    /// Whether more is due than one run does.
    pub(super) more: bool,
    /// Due, and not tried before an instant: why, and which, if it is known.
    pub(super) waiting: Vec<(Due, &'static str, Option<Timestamp>)>,
    /// Policies whose schedule cannot be followed, and why.
    pub(super) unfollowable: BTreeMap<PolicyId, (TenantId, ScheduleError)>,
    /// Keys of which the last try failed.
    pub(super) failing: BTreeSet<KeyId>,
    /// Due, and not rotated by itself: why.
    pub(super) hindered: Vec<(Due, &'static str)>,
    /// So many are due and could be rotated, those that wait included.
    pub(super) backlog: usize,
    /// Since when the oldest of them is.
    pub(super) oldest: Option<Timestamp>,
    /// When the next key is due, or tried again.
    pub(super) next_at: Option<Timestamp>,
}

impl Found {
    fn wait(&mut self, due: Due, why: &'static str, until: Option<Timestamp>) {
        if let Some(at) = until {
            self.not_before(at);
        }
        if self.waiting.len() < LISTED_MAX {
            self.waiting.push((due, why, until));
        }
    }

    fn hinder(&mut self, due: Due, why: &'static str) {
        if self.hindered.len() < LISTED_MAX {
            self.hindered.push((due, why));
        }
    }

    fn not_before(&mut self, at: Timestamp) {
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }

    /// Keeps the longest due of what is more than a run does.
    fn bound(&mut self, max: usize) {
        self.due.sort_by_key(|due| (due.date.at, due.key));
        self.more |= self.due.len() > max;
        self.due.truncate(max);
    }
}

/// Looks for what is due.
pub(super) async fn find(node: &Node, scope: Scope) -> Result<Found, OpError> {
    let mut search = Search {
        // As it is stored: what is due depends on no text that may be sealed.
        registry: &**node.texts.stored(),
        now: node.now(),
        max: node.settings.rotation.per_run_max.max(1),
        scope,
        found: Found::default(),
    };
    match scope.tenant {
        Some(tenant) => search.tenant(tenant).await?,
        None => search.everybody().await?,
    }
    let max = search.max;
    search.found.bound(max);
    Ok(search.found)
}

struct Search<'a> {
    registry: &'a dyn Registry,
    now: Timestamp,
    max: usize,
    scope: Scope,
    found: Found,
}

impl Search<'_> {
    async fn everybody(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let page = self.registry.tenants(after.as_ref(), PAGE).await?;
            for tenant in &page.rows {
                if tenant.state == TenantState::Active {
                    self.tenant(tenant.id).await?;
                }
            }
            after = page.rows.last().map(|tenant| tenant.name.clone());
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn tenant(&mut self, tenant: TenantId) -> Result<(), OpError> {
        let policies = policies(self.registry, tenant).await?;
        let wanted = |policy: &&Policy| self.scope.policy.is_none_or(|id| id == policy.id);
        let looked_at: Vec<Arc<Policy>> = policies
            .iter()
            .filter(wanted)
            .cloned()
            .map(Arc::new)
            .collect();
        // The scheduler has nothing to do for a policy that is stopped; who asks is told what it keeps.
        let told = self.scope.tenant.is_some();
        let any = looked_at
            .iter()
            .any(|policy| due::has_dates(policy) && (told || due::stopped(policy).is_none()));
        self.found.policies.extend(looked_at.iter().cloned());
        if !any {
            return Ok(());
        }
        let filter = KeyFilter::default();
        let mut after: Option<KeyCursor> = None;
        loop {
            let page = self
                .registry
                .search_keys(tenant, &filter, KeySort::CreatedAt, after.as_ref(), PAGE)
                .await?;
            for summary in &page.rows {
                let followed = due::effective(&summary.key, &policies);
                let followed =
                    followed.and_then(|it| looked_at.iter().find(|policy| policy.id == it.id));
                if let Some(policy) = followed {
                    self.key(summary, policy).await?;
                }
            }
            after = page.rows.last().map(|summary| KeyCursor {
                sort_value: summary.key.created_at.as_micros().to_string(),
                id: summary.key.id,
            });
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn key(&mut self, summary: &KeySummary, policy: &Arc<Policy>) -> Result<(), OpError> {
        let key = &summary.key;
        if due::stopped(policy).is_some() && self.scope.tenant.is_none() {
            return Ok(());
        }
        let Some(last) = last_rotation(self.registry, summary).await? else {
            return Ok(());
        };
        let date = match due::next(policy, key.id, last) {
            Ok(Some(date)) => date,
            Ok(None) => return Ok(()),
            Err(error) => {
                let told = (key.tenant, error);
                self.found.unfollowable.insert(policy.id, told);
                return Ok(());
            }
        };
        if date.at > self.now {
            if due::stopped(policy).is_some() {
                return Ok(());
            }
            self.found.not_before(date.at);
            return Ok(());
        }
        let earlier = self.registry.rotation_planned(key.id, date.planned).await?;
        let due = Due {
            tenant: key.tenant,
            key: key.id,
            name: key.name.clone(),
            policy: policy.clone(),
            date,
            earlier,
        };
        self.sort(due, summary);
        Ok(())
    }

    /// Where a key belongs that is due.
    fn sort(&mut self, due: Due, summary: &KeySummary) {
        let found = &mut self.found;
        let why = due::hindrance(&summary.key, &summary.primary, self.now);
        if let Some(why) = why.or(due::stopped(&due.policy)) {
            return found.hinder(due, why);
        }
        let failed = due.earlier.as_ref();
        let failed = failed.filter(|earlier| earlier.outcome == RotationOutcome::Failed);
        if failed.is_some() {
            // Also while a window keeps it from being tried: what was said of it stays said.
            found.failing.insert(due.key);
        }
        match due::opens_at(&due.policy, self.now) {
            Ok(opens) if opens <= self.now => {}
            Ok(opens) => return found.wait(due, CLOSED, Some(opens)),
            Err(error) => {
                let told = (due.tenant, error);
                found.unfollowable.insert(due.policy.id, told);
                return found.hinder(due, UNFOLLOWABLE);
            }
        }
        found.backlog += 1;
        let oldest = found.oldest.map_or(due.date.at, |at| at.min(due.date.at));
        found.oldest = Some(oldest);
        let waits = |failed: &&Rotation| {
            !self.scope.forced && !is_tried_again(failed, summary.key.etag, self.now)
        };
        if let Some(failed) = failed.filter(waits) {
            let until = failed.retry_at;
            return found.wait(due, "it failed and waits", until);
        }
        found.due.push(due);
        if found.due.len() >= self.max.saturating_mul(2) {
            found.bound(self.max);
        }
    }
}

/// When a key was last rotated, or made.
pub(super) async fn last_rotation(
    registry: &dyn Registry,
    summary: &KeySummary,
) -> Result<Option<Timestamp>, RegistryError> {
    let key = &summary.key;
    if summary.primary.version == key.latest_version {
        return Ok(Some(summary.primary.created_at));
    }
    let current = registry.key(key.tenant, &KeyRef::Id(key.id)).await?;
    Ok(current.and_then(|current| due::last_rotation(&current.versions)))
}

/// Whether it is time to try again: the pause is over, or the key is not what it was.
pub(super) fn is_tried_again(failed: &Rotation, key_etag: i64, now: Timestamp) -> bool {
    failed.key_etag != key_etag || failed.retry_at.is_some_and(|at| at <= now)
}

/// All policies of a tenant.
pub(super) async fn policies(
    registry: &dyn Registry,
    tenant: TenantId,
) -> Result<Vec<Policy>, RegistryError> {
    let mut policies: Vec<Policy> = Vec::new();
    loop {
        let after = policies.last().map(|policy| policy.name.clone());
        let page = registry.policies(tenant, after.as_ref(), PAGE).await?;
        policies.extend(page.rows);
        if !page.more {
            return Ok(policies);
        }
    }
}
