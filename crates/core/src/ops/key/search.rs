//! Finding and showing keys.

use std::collections::BTreeMap;

use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::TransitionId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::history::Transition;
use crate::noun::key_version::UsageTotals;
use crate::noun::tenant::TextState;
use crate::ops::gate::{Attempt, bounded, facts_of, key_resource, page_size, resource};
use crate::port::decide::{Decision, Target};
use crate::port::registry::{
    KeyCursor, KeyFilter, KeyRef, KeySort, KeySummary, KeyWithVersions, Page,
};

/// Words are looked for in an index of them, which would tell what sealing hides; and to open every
/// text of a tenant for each search would let one caller slow down all others.
const SEALED: &str = "cannot be searched: this tenant's texts are sealed; search by the beginning of the \
                      name, or by the whole owner or value of a tag";

/// Shows a key and its versions.
pub async fn read(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
) -> Result<KeyWithVersions, OpError> {
    Attempt::new(
        node,
        caller,
        Action::KeyRead,
        node.tenant_id(tenant),
        key_resource(key),
    )
    .read(async {
        let (_, hot, _) = node
            .authorize_key(caller, Action::KeyRead, tenant, key)
            .await?;
        let mut current = node.fetch_key(&hot).await?;
        let now = node.now();
        // What the clock has decided is what holds, told to the registry or not.
        for version in &mut current.versions {
            version.state = version.state_at(now);
        }
        Ok(current)
    })
    .await
}

/// Searches keys. A caller whose role is restricted sees the keys that it may read.
pub async fn search(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    filter: KeyFilter,
    sort: KeySort,
    after: Option<KeyCursor>,
    limit: Option<usize>,
) -> Result<Page<KeySummary>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::KeySearch,
        node.tenant_id(tenant),
        resource("key", None, None),
    )
    .read(async {
        let (found, _) = node.authorize_tenant(caller, Action::KeySearch, tenant)?;
        let limit = page_size(limit)?;
        if let Some(text) = &filter.text {
            bounded("q", text, 128)?;
            if text.chars().count() < 3 {
                return Err(OpError::invalid("q", "must have at least 3 characters"));
            }
            if node.texts.setting(found.id).await?.state != TextState::Clear {
                return Err(OpError::invalid("q", SEALED));
            }
        }
        let registry = &node.ports.registry;
        let unrestricted = caller.is_system()
            || caller.grants.iter().any(|grant| {
                grant.restriction.is_none()
                    && grant.permissions.contains(Action::KeySearch)
                    && grant.tenant.is_none_or(|tenant| tenant == found.id)
            });
        if unrestricted {
            return Ok(registry
                .search_keys(found.id, &filter, sort, after.as_ref(), limit)
                .await?);
        }
        // Pages are filled by looking further until enough visible keys are found.
        let mut rows = Vec::new();
        let mut cursor = after;
        loop {
            let page = registry
                .search_keys(found.id, &filter, sort, cursor.as_ref(), 1000)
                .await?;
            cursor = page.rows.last().map(|last| cursor_of(last, sort));
            let more_pages = page.more;
            let total = page.rows.len();
            for (at, row) in page.rows.into_iter().enumerate() {
                if visible(node, caller, &row) {
                    rows.push(row);
                    if rows.len() == limit {
                        return Ok(Page {
                            rows,
                            more: more_pages || at + 1 < total,
                        });
                    }
                }
            }
            if !more_pages {
                return Ok(Page { rows, more: false });
            }
        }
    })
    .await
}

pub(super) fn visible(node: &Node, caller: &Caller, row: &KeySummary) -> bool {
    let facts = facts_of(&KeyWithVersions {
        key: row.key.clone(),
        versions: Vec::new(),
    });
    let target = Target::Key(std::sync::Arc::new(facts));
    node.ports
        .decide
        .decide(&caller.grants, Action::KeyRead, &target)
        == Decision::Allow
}

/// Where the next page begins after a row.
pub fn cursor_of(row: &KeySummary, sort: KeySort) -> KeyCursor {
    let sort_value = match sort {
        KeySort::Name => row.key.name.to_string(),
        KeySort::CreatedAt => row.key.created_at.as_micros().to_string(),
    };
    KeyCursor {
        sort_value,
        id: row.key.id,
    }
}

/// Shows every transition of a key, oldest first.
pub async fn history(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    after: Option<TransitionId>,
    limit: Option<usize>,
) -> Result<Page<Transition>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::KeyHistory,
        node.tenant_id(tenant),
        key_resource(key),
    )
    .read(async {
        let (found, hot, _) = node
            .authorize_key(caller, Action::KeyHistory, tenant, key)
            .await?;
        let limit = page_size(limit)?;
        Ok(node
            .ports
            .registry
            .history(found.id, hot.id, after, limit)
            .await?)
    })
    .await
}

/// Shows how often each version was used: what was flushed and what was not yet.
pub async fn usage(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
) -> Result<BTreeMap<i64, UsageTotals>, OpError> {
    Attempt::new(
        node,
        caller,
        Action::KeyUsage,
        node.tenant_id(tenant),
        key_resource(key),
    )
    .read(async {
        let (found, hot, _) = node
            .authorize_key(caller, Action::KeyUsage, tenant, key)
            .await?;
        let current = node.fetch_key(&hot).await?;
        // Held still, so that nothing is counted twice or not at all while a flush moves it.
        let _still = node.flushing.lock().await;
        let mut totals = node.ports.registry.usage(found.id, hot.id).await?;
        crate::usage_book::add_pending(
            &mut totals,
            current
                .versions
                .iter()
                .map(|version| (version.version, version.id)),
            &node.ports.usage,
        );
        Ok(totals)
    })
    .await
}
