//! Which history of the deployment a registry is of: the first, or one that a restore began.

use keyward_core::port::snapshot::SnapshotError;
use uuid::Uuid;

use super::failed;
use crate::db::Database;
use crate::fault::Fault;
use crate::read::feed;
use crate::value::Value;

pub(crate) async fn present(database: &Database) -> Result<Uuid, SnapshotError> {
    let text = "SELECT id FROM histories WHERE one = 1";
    let begun = database.row(text, vec![], |cells| cells.uuid("id")).await;
    let registry = SnapshotError::Registry;
    match begun.map_err(registry)? {
        Some(id) => Ok(id),
        None => feed::deployment(database).await.map_err(registry),
    }
}

pub(super) async fn begin(database: &Database, id: Uuid) -> Result<(), SnapshotError> {
    let on_table = |fault: Fault| failed("histories")(fault);
    let mut transaction = database.begin().await.map_err(on_table)?;
    let text = "INSERT INTO histories (one, id) VALUES (1, $1) \
                ON CONFLICT (one) DO UPDATE SET id = excluded.id";
    let written = transaction.execute(text, vec![Value::Uuid(Some(id))]).await;
    match written {
        Ok(_) => transaction.commit().await.map_err(on_table),
        Err(fault) => {
            transaction.rollback().await;
            Err(on_table(fault))
        }
    }
}
