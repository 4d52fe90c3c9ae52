//! What the ledger says is stored, gone through from one end to the other, and what is stored
//! without being in it.

use keyward_core::ids::{ImportKeyId, RecordId, SecretVersionId};
use keyward_core::noun::import_key::ImportKey;
use keyward_core::noun::secret::SecretVersion;
use keyward_core::noun::stray::StrayRecord;
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::port::storage::ObjectName;
use uuid::Uuid;

use super::{limit_and_one, page};
use crate::db::Database;
use crate::noun::{Noun, list, text};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn secret_versions(
    database: &Database,
    after: Option<SecretVersionId>,
    limit: usize,
) -> Result<Page<SecretVersion>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM secret_versions t WHERE t.id > $1 AND t.destroying_at IS NULL \
         ORDER BY t.id LIMIT $2",
        list::<SecretVersion>("t")
    );
    let after = after.map_or(Uuid::nil(), SecretVersionId::uuid);
    let values = vec![Value::Uuid(Some(after)), limit_and_one(limit)];
    let rows = database.rows(statement, values, SecretVersion::read);
    Ok(page(rows.await?, limit))
}

pub(crate) async fn import_keys(
    database: &Database,
    after: Option<ImportKeyId>,
    limit: usize,
) -> Result<Page<ImportKey>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM import_keys t WHERE t.id > $1 AND t.destroyed_at IS NULL \
         ORDER BY t.id LIMIT $2",
        list::<ImportKey>("t")
    );
    let after = after.map_or(Uuid::nil(), ImportKeyId::uuid);
    let values = vec![Value::Uuid(Some(after)), limit_and_one(limit)];
    let rows = database.rows(statement, values, ImportKey::read);
    Ok(page(rows.await?, limit))
}

/// Whether a row says that this record is stored.
pub(crate) async fn is_referenced(
    database: &Database,
    record: RecordId,
) -> Result<bool, RegistryError> {
    let statement = sql!(
        "SELECT \
         (SELECT count(*) FROM key_versions v WHERE v.provider_key_id = $1 AND v.destroyed_at IS NULL) \
         + (SELECT count(*) FROM import_keys i WHERE i.provider_key_id = $1 AND i.destroyed_at IS NULL) \
         + (SELECT count(*) FROM secret_versions s WHERE s.record_id = $2) \
         + (SELECT count(*) FROM tenant_keks k WHERE k.record_id = $2 AND k.destroyed_at IS NULL)"
    );
    let values = vec![text(record.to_string()), Value::Uuid(Some(record.uuid()))];
    let found = database
        .row(statement, values, |cells| cells.int("count"))
        .await?;
    Ok(found.unwrap_or(0) > 0)
}

pub(crate) async fn stray(
    database: &Database,
    name: &ObjectName,
) -> Result<Option<StrayRecord>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM stray_records t WHERE t.name = $1",
        list::<StrayRecord>("t")
    );
    let values = vec![text(name.as_str())];
    database.row(statement, values, StrayRecord::read).await
}

pub(crate) async fn strays(
    database: &Database,
    after: Option<&ObjectName>,
    limit: usize,
) -> Result<Page<StrayRecord>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM stray_records t WHERE t.name > $1 ORDER BY t.name LIMIT $2",
        list::<StrayRecord>("t")
    );
    let after = text(after.map_or("", ObjectName::as_str));
    let values = vec![after, limit_and_one(limit)];
    let rows = database.rows(statement, values, StrayRecord::read);
    Ok(page(rows.await?, limit))
}
