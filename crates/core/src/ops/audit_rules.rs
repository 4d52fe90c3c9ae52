//! For how long entries of the audit log are kept, and legal holds: said, shown, released
//! (docs/audit-retention.md).

use crate::audit::class::EntryClass;
use crate::audit::keeping_refusal::KeepingRefusal;
use crate::audit::retention::Rules;
use crate::caller::{Caller, Changed, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{AuditRuleId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::audit_rule::{AuditRule, Days, RuleKind};
use crate::ops::gate::{Attempt, bounded, detail, page_size, resource};
use crate::port::registry::Page;

/// Rows read from the registry at a time.
const PAGE: usize = 1_000;
/// At most so many retentions of a tenant or of the deployment, and so many holds that stand: nobody fills the
/// registry with them.
const MOST: usize = 10_000;

/// For how long a tenant's entries are kept, or everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What holds.
    pub days: Days,
    /// What holds of everybody at least.
    pub deployment: Days,
    /// What was said for this tenant, or for the deployment, the oldest first.
    pub said: Vec<AuditRule>,
    /// Whether the log lets go of anything at all.
    pub lets_go: bool,
}

/// Every rule that there is.
pub(super) async fn all(node: &Node) -> Result<Vec<AuditRule>, OpError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = node.ports.registry.audit_rules(after, PAGE).await?;
        after = page.rows.last().map(|last| last.id);
        all.extend(page.rows);
        if !page.more {
            return Ok(all);
        }
    }
}

/// Those of one scope that are asked for.
async fn own(
    node: &Node,
    tenant: Option<TenantId>,
    wanted: fn(&AuditRule) -> bool,
) -> Result<Vec<AuditRule>, OpError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let registry = &node.ports.registry;
        let page = registry.audit_rules_of(tenant, after, PAGE).await?;
        after = page.rows.last().map(|last| last.id);
        all.extend(page.rows.into_iter().filter(wanted));
        if !page.more {
            return Ok(all);
        }
    }
}

/// What was said in a scope, and what holds there.
async fn retention_of(node: &Node, tenant: Option<TenantId>) -> Result<Retention, OpError> {
    let is_retention = |row: &AuditRule| row.kind == RuleKind::Retention;
    let mut rows = own(node, None, is_retention).await?;
    if tenant.is_some() {
        rows.extend(own(node, tenant, is_retention).await?);
    }
    let rules = Rules::of(node.settings.audit_retention, &rows);
    rows.retain(|row| row.tenant == tenant);
    Ok(Retention {
        days: rules.days(tenant),
        deployment: rules.deployment,
        said: rows,
        lets_go: node.settings.audit_let_go && node.ports.keeping.is_some(),
    })
}

fn attempt<'a>(
    node: &'a Node,
    caller: &'a Caller,
    action: Action,
    scope: &TenantRef,
) -> Attempt<'a> {
    let about = match action {
        Action::AuditPlaceHold | Action::AuditReleaseHold => "legal_hold",
        _ => "audit_retention",
    };
    let tenant = node.tenant_id(scope);
    Attempt::new(node, caller, action, tenant, resource(about, None, None))
}

/// For how long a tenant's entries are kept; in the system's scope, everybody's at least.
pub async fn show(node: &Node, caller: &Caller, scope: &TenantRef) -> Result<Retention, OpError> {
    let action = Action::AuditReadRetention;
    attempt(node, caller, action, scope)
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, action, scope)?;
            retention_of(node, tenant).await
        })
        .await
}

/// What is to be kept for longer: days by class, of those that are named.
pub type Longer = Vec<(EntryClass, u16)>;

/// Has entries kept for longer. What was said of the same scope before changes nothing, what is shorter than what
/// holds is refused.
pub async fn set(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    longer: Longer,
    reason: Option<String>,
) -> Result<Changed<Retention>, OpError> {
    let action = Action::AuditSetRetention;
    let attempt = attempt(node, caller, action, scope);
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, action, scope)?;
            let reason = reason.unwrap_or_default();
            bounded("reason", &reason, AuditRule::REASON_MAX)?;
            if longer.is_empty() {
                return Err(OpError::invalid("days", "must name at least one class"));
            }
            let most = most_of(node, caller, tenant);
            // Nothing goes while it is said.
            let _alone = node.letting_go.lock().await;
            let before = retention_of(node, tenant).await?;
            let days = raised(before.days, &longer, most)?;
            // What only the configuration says, or the deployment for everybody, is said here as well: it
            // may be made shorter there.
            let said = before.said.iter().filter_map(|row| row.days);
            let said = said.fold(Days::LEAST, Days::or_longer);
            if said.or_longer(days) == said {
                return attempt.repeated(before).await;
            }
            let mut row = rule(node, caller, tenant, RuleKind::Retention)?;
            row.days = Some(days);
            row.reason = reason;
            ensure_room(before.said.len())?;
            let writes = vec![Write::insert(Row::AuditRule(row.clone()))];
            let after = before.days.or_longer(days);
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(row.id.uuid());
                    event.reason = (!row.reason.is_empty()).then(|| row.reason.clone());
                    detail(event, "days", named(after));
                    detail(event, "before", named(before.days));
                })
                .await?;
            let now = retention_of(node, tenant).await?;
            Ok(done.map(|()| now))
        })
        .await
}

/// How many days a caller may ask for. What a tenant keeps, the whole node's log keeps, and nobody makes it
/// shorter again: so a tenant's own administrator asks for no more than ten years.
fn most_of(node: &Node, caller: &Caller, tenant: Option<TenantId>) -> u16 {
    let action = Action::AuditSetRetention;
    if tenant.is_none() || node.authorize_system(caller, action).is_ok() {
        return Days::MOST;
    }
    Days::MOST_OF_TENANT
}

/// The days that a new row has: what was asked for, and for the other classes nothing that says anything.
fn raised(now: Days, longer: &Longer, most: u16) -> Result<Days, OpError> {
    let mut days = Days::LEAST;
    for (class, asked) in longer {
        if !(Days::FLOOR..=most).contains(asked) {
            let more = if most < Days::MOST {
                "; for longer, ask an administrator of the deployment"
            } else {
                ""
            };
            return Err(OpError::invalid(
                class.name(),
                format!("must be {} to {most} days{more}", Days::FLOOR),
            ));
        }
        if *asked < now.of(*class) {
            return Err(KeepingRefusal::Shorter {
                class: *class,
                now: now.of(*class),
                asked: *asked,
            }
            .into());
        }
        *days.of_mut(*class) = *asked;
    }
    Ok(days)
}

/// Days by the names of their classes.
pub(super) fn named(days: Days) -> serde_json::Value {
    let all = EntryClass::ALL.iter();
    let of = all.map(|class| (class.name().to_owned(), days.of(*class).into()));
    serde_json::Value::Object(of.collect())
}

fn ensure_room(there: usize) -> Result<(), OpError> {
    if there < MOST {
        return Ok(());
    }
    Err(OpError::invalid("tenant", "has too many of these"))
}

/// A new one, still without what it says.
pub(super) fn rule(
    node: &Node,
    caller: &Caller,
    tenant: Option<TenantId>,
    kind: RuleKind,
) -> Result<AuditRule, OpError> {
    Ok(AuditRule {
        id: AuditRuleId::from_uuid(node.ordered_id()?),
        tenant,
        kind,
        name: String::new(),
        reason: String::new(),
        days: None,
        through: None,
        since: node.now(),
        by: caller.principal,
        released_at: None,
        released_by: None,
        release_reason: String::new(),
        etag: 1,
    })
}

/// Why, which must be said.
pub(super) fn said(reason: &str) -> Result<(), OpError> {
    bounded("reason", reason, AuditRule::REASON_MAX)?;
    if reason.trim().is_empty() {
        return Err(OpError::invalid("reason", "must say why"));
    }
    Ok(())
}

/// Places a legal hold: while it stands, nothing of the tenant goes, or nothing at all. When this has
/// answered, nothing is on its way out any more.
pub async fn place(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    name: String,
    reason: String,
) -> Result<Changed<AuditRule>, OpError> {
    let action = Action::AuditPlaceHold;
    let mut attempt = attempt(node, caller, action, scope);
    attempt.resource.name = Some(name.clone()).filter(|it| is_short(it));
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, action, scope)?;
            said(&reason)?;
            if name.trim().is_empty() || !is_short(&name) {
                return Err(OpError::invalid("name", "must be 1 to 128 characters"));
            }
            let _alone = node.letting_go.lock().await;
            let there = own(node, tenant, AuditRule::is_standing_hold).await?;
            if let Some(standing) = there.iter().find(|it| it.name == name) {
                return attempt.repeated(standing.clone()).await;
            }
            ensure_room(there.len())?;
            let mut row = rule(node, caller, tenant, RuleKind::Hold)?;
            row.name = name.clone();
            row.reason = reason;
            let writes = vec![Write::insert(Row::AuditRule(row.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.id = Some(row.id.uuid());
                    event.reason = Some(row.reason.clone());
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}

fn is_short(name: &str) -> bool {
    name.chars().count() <= AuditRule::NAME_MAX && !name.chars().any(char::is_control)
}

/// Lists the holds on a tenant, or on the whole deployment, the oldest first; those that were released too.
pub async fn holds(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    after: Option<AuditRuleId>,
    limit: Option<usize>,
) -> Result<Page<AuditRule>, OpError> {
    let action = Action::AuditReadRetention;
    attempt(node, caller, action, scope)
        .read(async {
            let (tenant, _) = node.authorize_scope(caller, action, scope)?;
            let limit = page_size(limit)?;
            let (mut rows, mut from) = (Vec::new(), after);
            // A page at a time, no further than it takes.
            loop {
                let registry = &node.ports.registry;
                let page = registry.audit_rules_of(tenant, from, PAGE).await?;
                from = page.rows.last().map(|last| last.id);
                let holds = page.rows.into_iter();
                rows.extend(holds.filter(|it| it.kind == RuleKind::Hold));
                if rows.len() > limit || !page.more {
                    break;
                }
            }
            let more = rows.len() > limit;
            rows.truncate(limit);
            Ok(Page { rows, more })
        })
        .await
}

/// Releases a hold.
pub async fn release(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    hold: AuditRuleId,
    reason: String,
) -> Result<Changed<AuditRule>, OpError> {
    let action = Action::AuditReleaseHold;
    let mut attempt = attempt(node, caller, action, scope);
    attempt.resource.id = Some(hold.uuid());
    attempt
        .change(async {
            let (tenant, proof) = node.authorize_scope(caller, action, scope)?;
            said(&reason)?;
            let found = node.ports.registry.audit_rule(hold).await?;
            let mut row = found
                .filter(|it| it.kind == RuleKind::Hold && it.tenant == tenant)
                .ok_or(OpError::NotFound { what: "legal hold" })?;
            if row.released_at.is_some() {
                return Err(KeepingRefusal::Released.into());
            }
            row.released_at = Some(node.now());
            row.released_by = caller.principal;
            row.release_reason = reason;
            row.etag += 1;
            let writes = vec![Write::update(Row::AuditRule(row.clone()))];
            let done = attempt
                .commit(proof, writes, |event| {
                    event.resource.name = Some(row.name.clone());
                    event.reason = Some(row.release_reason.clone());
                })
                .await?;
            Ok(done.map(|()| row))
        })
        .await
}
