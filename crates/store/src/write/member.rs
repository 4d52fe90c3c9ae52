//! One commit of a batch: its writes in order, each touching exactly one row, then the memory of
//! its request. Runs inside a savepoint; what is refused here is refused for this commit alone.

use keyward_core::change::{Commit, IdempotencyKey, Row, Write, WriteKind};
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::action::Action;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;

use super::lease;
use super::side::{self, TextChanges};
use crate::db::Transaction;
use crate::fault::Fault;
use crate::noun::{KeyImage, image, label, text};
use crate::sql::{Chunk, RowsText, value_rows};
use crate::value::Value;

/// A fault and the table it happened on.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) fault: Fault,
    pub(crate) table: &'static str,
}

impl Trouble {
    /// Names the table of a fault.
    pub(super) fn with(table: &'static str) -> impl Fn(Fault) -> Self {
        move |fault| Self { fault, table }
    }

    /// The member's own error, or the fault of the whole transaction.
    pub(super) fn of_member(self) -> Result<RegistryError, Self> {
        if self.fault.is_of_the_row() {
            Ok(self.fault.on(self.table))
        } else {
            Err(self)
        }
    }
}

/// What a member leaves for the end of the batch.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) text: TextChanges,
    pub(super) deleted: Vec<KeyId>,
}

/// Applies every write of a commit.
pub(super) async fn apply(
    transaction: &mut Transaction,
    commit: &Commit,
    now: Timestamp,
) -> Result<Effects, Trouble> {
    if let Some(fence) = &commit.fence {
        lease::ensure_held(transaction, fence).await?;
    }
    let mut effects = Effects::default();
    for write in &commit.writes {
        match write.kind {
            WriteKind::Insert => insert(transaction, write, commit, &mut effects).await?,
            WriteKind::Update => update(transaction, write, &mut effects).await?,
            WriteKind::Delete => delete(transaction, write, &mut effects).await?,
        }
    }
    if let Some((key, resource)) = &commit.idempotency {
        transaction
            .execute(
                REMEMBER.text(transaction.dialect(), Chunk::ONE),
                idempotency_values(key, *resource, now),
            )
            .await
            .map_err(Trouble::with("idempotency"))?;
    }
    Ok(effects)
}

/// Whether the commit inserts the key of this version itself, primary state and all.
pub(super) fn inserts_key_of(commit: &Commit, version: &KeyVersion) -> bool {
    commit.writes.iter().any(|write| match &write.row {
        Row::Key(key) => write.kind == WriteKind::Insert && key.id == version.key,
        _ => false,
    })
}

async fn insert(
    transaction: &mut Transaction,
    write: &Write,
    commit: &Commit,
    effects: &mut Effects,
) -> Result<(), Trouble> {
    let (table, values) = image(&write.row);
    let values = match &write.row {
        Row::Key(key) => KeyImage::new(key).insert_values(&commit.writes),
        _ => values,
    };
    transaction
        .execute(
            table.insert().text(transaction.dialect(), Chunk::ONE),
            values,
        )
        .await
        .map_err(Trouble::with(table.name))?;
    match &write.row {
        // Whoever deleted the row past the registry may have left behind what follows from it.
        Row::Key(key) if commit.event.action == Action::BackupRestorePart => {
            side::replace_tags_and_labels(transaction, key).await?;
            effects.text.replace(key);
        }
        Row::Key(key) => {
            side::insert_tags_and_labels(transaction, &[key]).await?;
            effects.text.insert(key);
        }
        Row::KeyVersion(version) if !inserts_key_of(commit, version) => {
            refresh_primary(transaction, version).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn update(
    transaction: &mut Transaction,
    write: &Write,
    effects: &mut Effects,
) -> Result<(), Trouble> {
    let (table, values) = image(&write.row);
    let (values, side_rows) = match &write.row {
        Row::Transition(_) => {
            return Err(Trouble {
                fault: Fault::Constraint,
                table: table.name,
            });
        }
        Row::Key(key) => {
            let differ = side::side_rows_differ(transaction, key).await?;
            (KeyImage::new(key).update_values(), differ)
        }
        _ => (values, false),
    };
    let touched = transaction
        .execute(table.update(), values)
        .await
        .map_err(Trouble::with(table.name))?;
    exactly_one(touched, table.name)?;
    match &write.row {
        Row::Key(key) if side_rows => {
            side::replace_tags_and_labels(transaction, key).await?;
            effects.text.replace(key);
        }
        Row::KeyVersion(version) => refresh_primary(transaction, version).await?,
        _ => {}
    }
    Ok(())
}

async fn delete(
    transaction: &mut Transaction,
    write: &Write,
    effects: &mut Effects,
) -> Result<(), Trouble> {
    let (table, values) = image(&write.row);
    match &write.row {
        Row::Transition(_) => {
            return Err(Trouble {
                fault: Fault::Constraint,
                table: table.name,
            });
        }
        Row::Key(key) => {
            side::delete_text(transaction, key.id)
                .await
                .map_err(Trouble::with("key_text"))?;
            effects.text.forget(key.id);
            effects.deleted.push(key.id);
        }
        _ => {}
    }
    let touched = transaction
        .execute(table.delete(), table.delete_values(values))
        .await
        .map_err(Trouble::with(table.name))?;
    exactly_one(touched, table.name)
}

const fn exactly_one(touched: u64, table: &'static str) -> Result<(), Trouble> {
    if touched == 1 {
        Ok(())
    } else {
        Err(Trouble {
            fault: Fault::Registry(RegistryError::Conflict { table }),
            table,
        })
    }
}

/// Keeps what searches know of the primary version in step with the version's row.
async fn refresh_primary(
    transaction: &mut Transaction,
    version: &KeyVersion,
) -> Result<(), Trouble> {
    transaction
        .execute(
            "UPDATE keys SET primary_state = $1, primary_expires_at = $2 \
             WHERE id = $3 AND primary_version = $4",
            vec![
                label("key_state", version.state.name()),
                Value::Time(version.expires_at),
                Value::Uuid(Some(version.key.uuid())),
                Value::Int(Some(version.version)),
            ],
        )
        .await
        .map(drop)
        .map_err(Trouble::with("keys"))
}

/// Remembers requests.
pub(super) static REMEMBER: RowsText = RowsText::new(|dialect, rows| {
    format!(
        "INSERT INTO idempotency (principal_id, route, request_key, tenant_id, \
         digest, resource_id, created_at) VALUES {}",
        value_rows(dialect, rows, 7)
    )
});

pub(super) fn idempotency_values(
    key: &IdempotencyKey,
    resource: uuid::Uuid,
    now: Timestamp,
) -> Vec<Value> {
    vec![
        Value::Uuid(Some(key.principal.uuid())),
        text(key.route),
        text(&key.key),
        Value::Uuid(key.tenant.map(TenantId::uuid)),
        Value::Bytes(Some(key.digest.0.to_vec())),
        Value::Uuid(Some(resource)),
        Value::Time(Some(now)),
    ]
}
