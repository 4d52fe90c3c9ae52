//! Wrapping keys for imports.

use keyward_core::ids::{ImportKeyId, TenantId};
use keyward_core::noun::import_key::ImportKey;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;

use super::uuid_of;
use crate::db::Database;
use crate::noun::{Noun, list};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn import_key(
    database: &Database,
    tenant: TenantId,
    id: ImportKeyId,
) -> Result<Option<ImportKey>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM import_keys t WHERE t.id = $2 AND t.tenant_id = $1",
        list::<ImportKey>("t")
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(id.uuid()))];
    database.row(statement, values, ImportKey::read).await
}

/// Those whose private half is to be deleted at or before `now`.
pub(crate) async fn due_import_keys(
    database: &Database,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ImportKey>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM import_keys t WHERE t.destroyed_at IS NULL AND t.destroy_at <= $1 \
         ORDER BY t.destroy_at, t.id LIMIT $2",
        list::<ImportKey>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    database
        .rows(
            statement,
            vec![Value::Time(Some(now)), limit],
            ImportKey::read,
        )
        .await
}
