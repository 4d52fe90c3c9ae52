//! Conditions: raised and cleared by the server itself, listed for people and machines.
//!
//! Raising never fails and never loses anything: what the registry cannot take now stays in the
//! node's memory, is shown as not recorded, and is written by the clock as soon as it can be.

use crate::caller::{Caller, TenantRef};
use crate::change::{Row, Write};
use crate::condition_board::Unwritten;
use crate::error::OpError;
use crate::ids::{ConditionId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{Condition, ConditionKind, Severity, Subject};
use crate::ops::gate::{Attempt, detail, page_size, resource, tenant_resource};
use crate::port::registry::{Page, RegistryError};
pub use crate::port::upkeep::ConditionFilter;

/// What is over is kept for so long.
const KEPT_SECONDS: i64 = 90 * 24 * 3600;
/// And at most so many of them are kept.
const KEPT_MAX: usize = 10_000;
/// So many are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: usize = 500;

/// A condition as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The condition.
    pub condition: Condition,
    /// Whether the registry has it. If not, this node alone knows of it until it can be written.
    pub recorded: bool,
}

/// How a node's conditions stand, without a word of what they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionCounts {
    /// Open ones by kind and severity.
    pub open: Vec<(ConditionKind, Severity, usize)>,
    /// Raised, changed or cleared, and not written yet.
    pub unrecorded: usize,
}

/// Something is not as it should be. Says so once: while it is open, a repetition changes what is
/// held at most every quarter of an hour, or when it got worse or better.
pub async fn raise(
    node: &Node,
    kind: ConditionKind,
    subject: &Subject,
    severity: Severity,
    detail: &str,
) {
    if raise_unwritten(node, kind, subject, severity, detail) {
        // What cannot be written now is written by the clock.
        let _ = settle(node).await;
    }
}

/// The same, left for the clock to write. Whether there is something to be written.
pub(crate) fn raise_unwritten(
    node: &Node,
    kind: ConditionKind,
    subject: &Subject,
    severity: Severity,
    detail: &str,
) -> bool {
    let id = ConditionId::from_uuid(fresh_id(node));
    let conditions = &node.memory.conditions;
    conditions.raise(id, kind, subject, severity, detail, node.now())
}

/// Something is over. Nothing happens if it was not raised.
pub async fn clear(node: &Node, kind: ConditionKind, subject: &Subject) {
    let conditions = &node.memory.conditions;
    if conditions.clear(&kind, subject, node.now()) {
        let _ = settle(node).await;
    }
}

/// Whether something is open, as far as this node knows.
pub fn is_open(node: &Node, kind: &ConditionKind, subject: &Subject) -> bool {
    node.memory.conditions.is_open(kind, subject)
}

/// What is open of a kind, as far as this node knows.
pub fn open_of(node: &Node, kind: &ConditionKind) -> Vec<Subject> {
    let open = node.memory.conditions.open().into_iter();
    open.filter(|(it, _)| it.kind == *kind)
        .map(|(it, _)| it.about())
        .collect()
}

/// How conditions stand, for metrics and health.
pub fn counts(node: &Node) -> ConditionCounts {
    let conditions = &node.memory.conditions;
    let open = conditions.counts().into_iter();
    ConditionCounts {
        open: open
            .map(|((kind, severity), count)| (kind, severity, count))
            .collect(),
        unrecorded: conditions.unwritten_count(),
    }
}

/// Lists the conditions of a tenant or of the deployment, newest first. On the first page come
/// those that the registry does not have yet; if the registry does not answer at all, those that
/// are open as far as this node knows.
pub async fn list(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    filter: &ConditionFilter,
    after: Option<ConditionId>,
    limit: Option<usize>,
) -> Result<Page<Listed>, OpError> {
    let (action, named) = (Action::AlertList, tenant_resource(scope));
    Attempt::new(node, caller, action, node.tenant_id(scope), named)
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, action, scope)?;
            let limit = page_size(limit)?;
            let registry = &node.ports.registry;
            let found = registry.conditions(tenant, filter, after, limit).await;
            let page = match found {
                Ok(page) => page,
                Err(RegistryError::Unavailable { .. }) if filter.open != Some(false) => {
                    return Ok(Page {
                        rows: from_memory(node, tenant, filter, true),
                        more: false,
                    });
                }
                Err(error) => return Err(error.into()),
            };
            let mut rows = match after {
                None if filter.open != Some(false) => from_memory(node, tenant, filter, false),
                _ => Vec::new(),
            };
            rows.extend(page.rows.into_iter().map(|condition| Listed {
                condition,
                recorded: true,
            }));
            Ok(Page {
                rows,
                more: page.more,
            })
        })
        .await
}

/// What this node holds open, newest first: all of it, or what the registry does not have.
fn from_memory(
    node: &Node,
    tenant: Option<TenantId>,
    filter: &ConditionFilter,
    all: bool,
) -> Vec<Listed> {
    let open = node.memory.conditions.open().into_iter();
    let mut rows: Vec<Listed> = open
        .filter(|(it, recorded)| {
            it.tenant == tenant
                && (all || !recorded)
                && filter.kind.as_ref().is_none_or(|kind| *kind == it.kind)
                && filter
                    .severity
                    .is_none_or(|severity| severity == it.severity)
        })
        .map(|(condition, recorded)| Listed {
            condition,
            recorded,
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.condition.id));
    rows
}

/// Writes what was seen and is not written yet. What fails stays and is tried again.
pub(crate) async fn settle(node: &Node) -> Result<(), OpError> {
    let _alone = node.settling.lock().await;
    let mut first_failure = None;
    for unwritten in node.memory.conditions.unwritten() {
        match write(node, &unwritten).await {
            Ok(()) => node.memory.conditions.written(&unwritten),
            // Another node raised or cleared it meanwhile: memory takes that over, the next time
            // it is written over it.
            Err(OpError::Conflict | OpError::AlreadyExists { .. }) => {
                node.catch_up().await?;
            }
            Err(error @ (OpError::Registry(_) | OpError::Audit(_) | OpError::NotReady { .. })) => {
                return Err(error);
            }
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn write(node: &Node, unwritten: &Unwritten) -> Result<(), OpError> {
    let row = unwritten.row.clone();
    let action = if row.cleared_at.is_some() {
        Action::AlertClear
    } else {
        Action::AlertRaise
    };
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("alert", Some(row.id.uuid()), Some(row.kind.as_str()));
    let attempt = Attempt::new(node, &caller, action, row.tenant, named);
    let proof = node.authorize_system(&caller, action)?;
    let (is_new, image) = (unwritten.is_new, Row::Condition(row.clone()));
    let writes = vec![if is_new {
        Write::insert(image)
    } else {
        Write::update(image)
    }];
    attempt
        .commit(proof, writes, |event| {
            detail(event, "subject", row.subject);
            detail(event, "severity", row.severity.name());
            detail(event, "detail", row.detail);
            detail(event, "since", row.since.to_string());
        })
        .await?;
    Ok(())
}

/// Forgets what was over long ago, or is too much.
pub(crate) async fn forget_old(node: &Node) -> Result<(), OpError> {
    let before = node.now().plus_seconds(-KEPT_SECONDS);
    loop {
        let registry = &node.ports.registry;
        let old = registry
            .outlived_conditions(before, KEPT_MAX, FORGOTTEN_AT_ONCE)
            .await?;
        if old.is_empty() {
            return Ok(());
        }
        let action = Action::AlertClear;
        let caller = Caller::system(node.own_correlation_id()?);
        let attempt = Attempt::new(node, &caller, action, None, resource("alert", None, None));
        let proof = node.authorize_system(&caller, action)?;
        let forgotten = old.len();
        let writes = old.into_iter().map(Row::Condition).map(Write::delete);
        attempt
            .commit(proof, writes.collect(), |event| {
                detail(event, "forgotten", forgotten);
            })
            .await?;
    }
}

/// In order of time. Without randomness it still differs by time.
fn fresh_id(node: &Node) -> uuid::Uuid {
    node.ordered_id().unwrap_or_else(|_| {
        let millis = u64::try_from(node.now().as_micros() / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
    })
}
