//! Keys with their versions, their history, and what the clock has to do with them.

use keyward_core::ids::{KeyId, TenantId, TransitionId};
use keyward_core::noun::history::Transition;
use keyward_core::noun::key::Key;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::port::registry::{DueVersion, KeyRef, KeyWithVersions, Page, RegistryError};
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::{limit_and_one, page, uuid_of};
use crate::db::Database;
use crate::noun::{Noun, list, text};
use crate::row::Cells;
use crate::sql::sql;
use crate::value::Value;

/// Versions first: the key's own columns are read once, not with every version.
fn version_and_key() -> String {
    format!("{}, {}", list::<KeyVersion>("v"), list::<Key>("k"))
}

/// Takes a row of [`version_and_key`]; rows of one key follow each other.
fn collect(keys: &mut Vec<KeyWithVersions>, cells: &mut Cells<'_>) -> Result<(), RegistryError> {
    let version = KeyVersion::read(cells)?;
    match keys.last_mut() {
        Some(last) if last.key.id == version.key => last.versions.push(version),
        _ => keys.push(KeyWithVersions {
            key: Key::read(cells)?,
            versions: vec![version],
        }),
    }
    Ok(())
}

pub(crate) async fn by_ref(
    database: &Database,
    tenant: TenantId,
    key: &KeyRef,
) -> Result<Option<KeyWithVersions>, RegistryError> {
    let (statement, value) = match key {
        KeyRef::Id(id) => (
            sql!(
                "SELECT {} FROM keys k JOIN key_versions v ON v.key_id = k.id \
                 WHERE k.tenant_id = $1 AND k.id = $2 ORDER BY v.version",
                version_and_key()
            ),
            Value::Uuid(Some(id.uuid())),
        ),
        KeyRef::Name(name) => (
            sql!(
                "SELECT {} FROM keys k JOIN key_versions v ON v.key_id = k.id \
                 WHERE k.tenant_id = $1 AND k.name = $2 ORDER BY v.version",
                version_and_key()
            ),
            text(name.as_str()),
        ),
        KeyRef::Class(class) => (
            sql!(
                "SELECT {} FROM class_pointers p JOIN keys k ON k.id = p.key_id \
                 JOIN key_versions v ON v.key_id = k.id \
                 WHERE p.tenant_id = $1 AND p.data_class = $2 ORDER BY v.version",
                version_and_key()
            ),
            text(class.as_str()),
        ),
    };
    let mut keys = Vec::with_capacity(1);
    database
        .rows(statement, vec![uuid_of(tenant), value], |cells| {
            collect(&mut keys, cells)
        })
        .await?;
    Ok(keys.pop())
}

pub(crate) async fn all(
    database: &Database,
    after: Option<KeyId>,
    limit: usize,
) -> Result<Page<KeyWithVersions>, RegistryError> {
    let statement = sql!(
        // CROSS JOIN keeps SQLite from beginning at the versions.
        "SELECT {} FROM (SELECT i.id FROM keys i WHERE i.id > $1 ORDER BY i.id LIMIT $2) o \
         CROSS JOIN keys k CROSS JOIN key_versions v \
         WHERE k.id = o.id AND v.key_id = k.id ORDER BY o.id, v.version",
        version_and_key()
    );
    let after = Value::Uuid(Some(after.map_or(Uuid::nil(), KeyId::uuid)));
    let mut keys = Vec::with_capacity(limit.min(10_000));
    database
        .rows(statement, vec![after, limit_and_one(limit)], |cells| {
            collect(&mut keys, cells)
        })
        .await?;
    Ok(page(keys, limit))
}

pub(crate) async fn history(
    database: &Database,
    tenant: TenantId,
    key: KeyId,
    after: Option<TransitionId>,
    limit: usize,
) -> Result<Page<Transition>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM transitions t WHERE t.key_id = $2 AND t.tenant_id = $1 AND t.id > $3 \
         ORDER BY t.id LIMIT $4",
        list::<Transition>("t")
    );
    let after = Value::Uuid(Some(after.map_or(Uuid::nil(), TransitionId::uuid)));
    let key = Value::Uuid(Some(key.uuid()));
    let values = vec![uuid_of(tenant), key, after, limit_and_one(limit)];
    Ok(page(
        database.rows(statement, values, Transition::read).await?,
        limit,
    ))
}

/// Overlaps, cryptoperiods and waiting times that have ended. Each third has its own partial
/// index; a version that is due twice is listed once.
pub(crate) async fn due(
    database: &Database,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DueVersion>, RegistryError> {
    let statement = sql!(
        "SELECT d.tenant_id, d.key_id, d.version FROM (\
         SELECT * FROM (SELECT tenant_id, key_id, version FROM key_versions \
         WHERE state = 'active' AND retire_at <= $1 ORDER BY retire_at LIMIT $2) a \
         UNION SELECT * FROM (SELECT tenant_id, key_id, version FROM key_versions \
         WHERE state = 'active' AND expires_at <= $1 ORDER BY expires_at LIMIT $2) b \
         UNION SELECT * FROM (SELECT tenant_id, key_id, version FROM key_versions \
         WHERE state = 'pending_destruction' AND destroy_at <= $1 ORDER BY destroy_at LIMIT $2) c\
         ) d LIMIT $2"
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    database
        .rows(statement, vec![Value::Time(Some(now)), limit], |cells| {
            cells.of("key_versions");
            Ok(DueVersion {
                tenant: cells.id("tenant_id")?,
                key: cells.id("key_id")?,
                version: cells.int("version")?,
            })
        })
        .await
}
