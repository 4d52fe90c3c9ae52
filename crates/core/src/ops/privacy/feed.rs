//! The change feed keeps rows as they were after each change. Those of erased principals lose there what they
//! said of them: a slice of the feed with each turn of the clock, and one pass for all who were erased before
//! it began. Where a pass is stands in memory only: a start looks who was erased and begins again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures_util::lock::Mutex;

use super::{ERASED, is_erased};
use crate::change::{Change, Row};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::names::{PrincipalName, TenantName};
use crate::node::Node;
use crate::noun::principal::Principal;
use crate::port::registry::RegistryError;

/// Changes of the feed looked at in one slice.
const SLICE: usize = 1_000;
/// Tenants looked through for erased principals in one slice, and principals read at once.
const PAGE: usize = 100;

/// Whom the feed has to forget.
#[derive(Default)]
pub(crate) struct Forgetting {
    asked: std::sync::Mutex<Asked>,
    /// One slice at a time.
    pass: Mutex<Pass>,
}

#[derive(Default)]
struct Asked {
    /// For the next pass, and how each is called now.
    next: BTreeMap<PrincipalId, PrincipalName>,
    /// For whom a pass was made, is being made or will be: none needs another.
    known: BTreeSet<PrincipalId>,
}

#[derive(Default)]
struct Pass {
    whom: BTreeMap<PrincipalId, PrincipalName>,
    stage: Stage,
}

enum Stage {
    /// Looking who was erased before this start, in tenants after this one.
    Tenants(Option<TenantName>),
    /// Nothing to be done.
    Idle,
    /// In the feed, after the first revision and up to the second.
    Feed(i64, i64),
    /// What was replaced goes from the database's log of writes.
    Log,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Tenants(None)
    }
}

impl Forgetting {
    /// Has the feed forget an erased principal, unless it was told so already.
    pub(super) fn ask(&self, erased: &Principal) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.known.insert(erased.id) {
            asked.next.insert(erased.id, erased.name.clone());
        }
    }

    fn take(&self) -> BTreeMap<PrincipalId, PrincipalName> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut asked.next)
    }
}

/// Does the next slice, if there is anything to do.
pub(crate) async fn slice(node: &Node) -> Result<(), OpError> {
    let mut pass = node.forgetting.pass.lock().await;
    let stored = node.texts.stored();
    let next = match &pass.stage {
        Stage::Tenants(after) => look(node, after.as_ref()).await?,
        Stage::Idle => {
            pass.whom.extend(node.forgetting.take());
            if pass.whom.is_empty() {
                return Ok(());
            }
            // Asked for after that: every change that says something of them is up to here.
            Stage::Feed(0, stored.revision().await?)
        }
        Stage::Feed(after, to) => clean(node, &pass.whom, *after, *to).await?,
        Stage::Log => match stored.empty_log().await {
            Ok(()) => {
                pass.whom.clear();
                Stage::Idle
            }
            // Somebody reads: the next turn tries again.
            Err(RegistryError::Unavailable { .. }) => Stage::Log,
            Err(error) => return Err(error.into()),
        },
    };
    pass.stage = next;
    Ok(())
}

/// Looks in the system and in a page of tenants who was erased.
async fn look(node: &Node, after: Option<&TenantName>) -> Result<Stage, OpError> {
    if after.is_none() {
        look_in(node, None).await?;
    }
    let page = node.texts.stored().tenants(after, PAGE).await?;
    for tenant in &page.rows {
        look_in(node, Some(tenant.id)).await?;
    }
    let last = page.rows.last().map(|last| last.name.clone());
    Ok(if page.more {
        Stage::Tenants(last)
    } else {
        Stage::Idle
    })
}

async fn look_in(node: &Node, home: Option<TenantId>) -> Result<(), OpError> {
    // Names are in the order of their bytes.
    let mut after = PrincipalName::new(ERASED).ok();
    loop {
        let stored = node.texts.stored();
        let page = stored.principals(home, after.as_ref(), PAGE).await?;
        for row in &page.rows {
            if !row.name.as_str().starts_with(ERASED) {
                return Ok(());
            }
            if is_erased(row) {
                node.forgetting.ask(row);
            }
        }
        after = page.rows.last().map(|last| last.name.clone());
        if !page.more {
            return Ok(());
        }
    }
}

async fn clean(
    node: &Node,
    whom: &BTreeMap<PrincipalId, PrincipalName>,
    after: i64,
    to: i64,
) -> Result<Stage, OpError> {
    let stored = node.texts.stored();
    let mut last = after;
    for mut change in stored.changes_after(after, SLICE).await? {
        last = change.revision;
        if change.revision > to || !forget(&mut change, whom) {
            continue;
        }
        let rewritten = stored.rewrite_change(change.revision, &change.writes).await;
        match rewritten {
            // The change went from the feed meanwhile.
            Ok(()) | Err(RegistryError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(if last == after || last >= to {
        Stage::Log
    } else {
        Stage::Feed(last, to)
    })
}

/// Whether a change said something of one of them.
fn forget(change: &mut Change, whom: &BTreeMap<PrincipalId, PrincipalName>) -> bool {
    let mut is_touched = false;
    for write in &mut change.writes {
        match &mut write.row {
            Row::Principal(row) => {
                if let Some(name) = whom.get(&row.id).filter(|name| **name != row.name) {
                    row.name = name.clone();
                    is_touched = true;
                }
            }
            Row::Token(row) if whom.contains_key(&row.principal) && !row.label.is_empty() => {
                row.label.clear();
                is_touched = true;
            }
            _ => {}
        }
    }
    is_touched
}
