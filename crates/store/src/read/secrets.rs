//! Secrets and their versions. "No tenant" means the system's own.

use keyward_core::ids::{SecretId, SecretVersionId, TenantId};
use keyward_core::names::SecretName;
use keyward_core::noun::secret::{Secret, SecretVersion};
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::time::Timestamp;

use super::{limit_and_one, page, scoped};
use crate::db::Database;
use crate::noun::{Noun, list, text};
use crate::sql::sql;
use crate::value::Value;

fn tenant_value(tenant: Option<TenantId>) -> Value {
    Value::Uuid(tenant.map(TenantId::uuid))
}

pub(crate) async fn secret(
    database: &Database,
    tenant: Option<TenantId>,
    name: &SecretName,
) -> Result<Option<Secret>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM secrets t WHERE t.name = $2 AND",
        "",
        list::<Secret>("t")
    );
    let values = vec![tenant_value(tenant), text(name.as_str())];
    database.row(statement, values, Secret::read).await
}

/// Those that are not deleted, in order of name.
pub(crate) async fn secrets(
    database: &Database,
    tenant: Option<TenantId>,
    prefix: &str,
    after: Option<&SecretName>,
    limit: usize,
) -> Result<Page<Secret>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM secrets t WHERE t.name >= $2 AND t.name < $3 AND t.state = 'stored' AND",
        "ORDER BY t.name LIMIT $4",
        list::<Secret>("t")
    );
    // Every character that a name may have sorts after U+0001 and before DEL.
    let next = after.map(|after| format!("{after}\u{1}"));
    let from = next.as_deref().unwrap_or_default().max(prefix);
    let values = vec![
        tenant_value(tenant),
        text(from),
        text(format!("{prefix}\u{7f}")),
        limit_and_one(limit),
    ];
    Ok(page(
        database.rows(statement, values, Secret::read).await?,
        limit,
    ))
}

pub(crate) async fn versions(
    database: &Database,
    secret: SecretId,
) -> Result<Vec<SecretVersion>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM secret_versions t WHERE t.secret_id = $1 ORDER BY t.version",
        list::<SecretVersion>("t")
    );
    let values = vec![Value::Uuid(Some(secret.uuid()))];
    database.rows(statement, values, SecretVersion::read).await
}

pub(crate) async fn version(
    database: &Database,
    id: SecretVersionId,
) -> Result<Option<SecretVersion>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM secret_versions t WHERE t.id = $1",
        list::<SecretVersion>("t")
    );
    let values = vec![Value::Uuid(Some(id.uuid()))];
    database.row(statement, values, SecretVersion::read).await
}

/// Those whose values were to be destroyed at or before `now`.
pub(crate) async fn due_versions(
    database: &Database,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<SecretVersion>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM secret_versions t WHERE t.destroying_at <= $1 \
         ORDER BY t.destroying_at, t.id LIMIT $2",
        list::<SecretVersion>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    let values = vec![Value::Time(Some(now)), limit];
    database.rows(statement, values, SecretVersion::read).await
}
