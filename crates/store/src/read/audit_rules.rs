//! What keeps entries of the audit log, in order of id. "No tenant" means the deployment's own.

use keyward_core::ids::{AuditRuleId, TenantId};
use keyward_core::noun::audit_rule::AuditRule;
use keyward_core::port::registry::{Page, RegistryError};
use uuid::Uuid;

use super::{limit_and_one, page, scoped};
use crate::db::Database;
use crate::noun::{Noun, id, list};
use crate::sql::sql;
use crate::value::Value;

fn begin(after: Option<AuditRuleId>) -> Value {
    Value::Uuid(Some(after.map_or(Uuid::nil(), AuditRuleId::uuid)))
}

pub(crate) async fn one(
    database: &Database,
    which: AuditRuleId,
) -> Result<Option<AuditRule>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM audit_rules t WHERE t.id = $1",
        list::<AuditRule>("t")
    );
    database
        .row(statement, vec![id(which)], AuditRule::read)
        .await
}

pub(crate) async fn all(
    database: &Database,
    after: Option<AuditRuleId>,
    limit: usize,
) -> Result<Page<AuditRule>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM audit_rules t WHERE t.id > $1 ORDER BY t.id LIMIT $2",
        list::<AuditRule>("t")
    );
    let values = vec![begin(after), limit_and_one(limit)];
    let rows = database.rows(statement, values, AuditRule::read);
    Ok(page(rows.await?, limit))
}

pub(crate) async fn of(
    database: &Database,
    tenant: Option<TenantId>,
    after: Option<AuditRuleId>,
    limit: usize,
) -> Result<Page<AuditRule>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM audit_rules t WHERE t.id > $2 AND",
        "ORDER BY t.id LIMIT $3",
        list::<AuditRule>("t")
    );
    let values = vec![
        Value::Uuid(tenant.map(TenantId::uuid)),
        begin(after),
        limit_and_one(limit),
    ];
    let rows = database.rows(statement, values, AuditRule::read);
    Ok(page(rows.await?, limit))
}
