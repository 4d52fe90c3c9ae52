//! Conditions, newest first. "No tenant" means the deployment's own.

use keyward_core::ids::{ConditionId, TenantId};
use keyward_core::noun::condition::{Condition, ConditionKind, Severity};
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::port::upkeep::ConditionFilter;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::{limit_and_one, page, scoped};
use crate::db::Database;
use crate::noun::{Noun, list, opt_label, opt_text};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn conditions(
    database: &Database,
    tenant: Option<TenantId>,
    filter: &ConditionFilter,
    after: Option<ConditionId>,
    limit: usize,
) -> Result<Page<Condition>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM conditions t WHERE t.id < $2 AND ($3 IS NULL OR t.kind = $3) \
         AND ($4 IS NULL OR t.severity = $4) \
         AND ($5 IS NULL OR (t.cleared_at IS NULL) = ($5 = 'open')) AND",
        "ORDER BY t.id DESC LIMIT $6",
        list::<Condition>("t")
    );
    let state = filter
        .open
        .map(|open| if open { "open" } else { "cleared" });
    let values = vec![
        Value::Uuid(tenant.map(TenantId::uuid)),
        Value::Uuid(Some(after.map_or(Uuid::max(), ConditionId::uuid))),
        opt_text(filter.kind.as_ref().map(ConditionKind::as_str)),
        opt_label("condition_severity", filter.severity.map(Severity::name)),
        opt_text(state),
        limit_and_one(limit),
    ];
    Ok(page(
        database.rows(statement, values, Condition::read).await?,
        limit,
    ))
}

/// Every open one of every tenant, in order of id: what a node loads at start.
pub(crate) async fn open(
    database: &Database,
    after: Option<ConditionId>,
    limit: usize,
) -> Result<Page<Condition>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM conditions t WHERE t.id > $1 AND t.cleared_at IS NULL ORDER BY t.id LIMIT $2",
        list::<Condition>("t")
    );
    let after = Value::Uuid(Some(after.map_or(Uuid::nil(), ConditionId::uuid)));
    let values = vec![after, limit_and_one(limit)];
    Ok(page(
        database.rows(statement, values, Condition::read).await?,
        limit,
    ))
}

/// Those that were over before an instant, oldest first; if there is none, those beyond the `keep`
/// that were over last.
pub(crate) async fn outlived(
    database: &Database,
    before: Timestamp,
    keep: usize,
    limit: usize,
) -> Result<Vec<Condition>, RegistryError> {
    let number = |number: usize| Value::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)));
    let statement = sql!(
        "SELECT {} FROM conditions t WHERE t.cleared_at < $1 ORDER BY t.cleared_at, t.id LIMIT $2",
        list::<Condition>("t")
    );
    let values = vec![Value::Time(Some(before)), number(limit)];
    let old = database.rows(statement, values, Condition::read).await?;
    if !old.is_empty() {
        return Ok(old);
    }
    let statement = sql!(
        "SELECT {} FROM conditions t WHERE t.cleared_at IS NOT NULL \
         ORDER BY t.cleared_at DESC, t.id DESC LIMIT $1 OFFSET $2",
        list::<Condition>("t")
    );
    let values = vec![number(limit), number(keep)];
    database.rows(statement, values, Condition::read).await
}
