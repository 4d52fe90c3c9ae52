//! Tenants and their key-encryption keys.

use keyward_core::ids::{RecordId, TenantId};
use keyward_core::names::TenantName;
use keyward_core::noun::tenant::{Tenant, TenantKek};
use keyward_core::port::registry::{Page, RegistryError};
use uuid::Uuid;

use super::{limit_and_one, page, uuid_of};
use crate::db::Database;
use crate::noun::{Noun, list, text};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn by_id(
    database: &Database,
    id: TenantId,
) -> Result<Option<Tenant>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tenants t WHERE t.id = $1",
        list::<Tenant>("t")
    );
    database
        .row(statement, vec![uuid_of(id)], Tenant::read)
        .await
}

pub(crate) async fn by_name(
    database: &Database,
    name: &TenantName,
) -> Result<Option<Tenant>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tenants t WHERE t.name = $1",
        list::<Tenant>("t")
    );
    database
        .row(statement, vec![text(name.as_str())], Tenant::read)
        .await
}

pub(crate) async fn after_name(
    database: &Database,
    after: Option<&TenantName>,
    limit: usize,
) -> Result<Page<Tenant>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tenants t WHERE t.name > $1 ORDER BY t.name LIMIT $2",
        list::<Tenant>("t")
    );
    let after = text(after.map_or("", TenantName::as_str));
    let rows = database
        .rows(statement, vec![after, limit_and_one(limit)], Tenant::read)
        .await?;
    Ok(page(rows, limit))
}

/// Those that are not destroyed, newest first.
pub(crate) async fn keks(
    database: &Database,
    tenant: TenantId,
) -> Result<Vec<TenantKek>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tenant_keks t WHERE t.tenant_id = $1 AND t.destroyed_at IS NULL \
         ORDER BY t.version DESC",
        list::<TenantKek>("t")
    );
    database
        .rows(statement, vec![uuid_of(tenant)], TenantKek::read)
        .await
}

/// Those of all tenants that are not destroyed, in the order of their records.
pub(crate) async fn live_keks(
    database: &Database,
    after: Option<RecordId>,
    limit: usize,
) -> Result<Vec<TenantKek>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tenant_keks t WHERE t.record_id > $1 AND t.destroyed_at IS NULL \
         ORDER BY t.record_id LIMIT $2",
        list::<TenantKek>("t")
    );
    let after = after.map_or(Uuid::nil(), RecordId::uuid);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![Value::Uuid(Some(after)), Value::Int(Some(limit))];
    database.rows(statement, values, TenantKek::read).await
}
