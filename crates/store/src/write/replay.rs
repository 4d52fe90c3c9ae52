//! A change that was committed elsewhere, written again as it was: its rows through the same way as
//! any commit's, its outbox row with the numbers that it has.

use keyward_core::change::{Change, Commit};
use keyward_core::ids::TenantId;
use keyward_core::time::Timestamp;

use super::feed;
use super::member::{self, Trouble};
use super::side::TextChanges;
use crate::db::Transaction;
use crate::fault::Fault;
use crate::value::Value;

/// What changes leave for the end of the transaction.
#[derive(Default)]
pub(crate) struct Replay {
    text: TextChanges,
}

impl Replay {
    /// Writes the text index.
    pub(crate) async fn finish(self, transaction: &mut Transaction) -> Result<(), Fault> {
        self.text.delete_replaced(transaction).await?;
        for (text, values) in self.text.inserts(transaction.dialect()) {
            transaction.execute(text, values).await?;
        }
        Ok(())
    }
}

/// Writes a change's rows.
pub(crate) async fn replay(
    transaction: &mut Transaction,
    commit: &Commit,
    now: Timestamp,
    replay: &mut Replay,
) -> Result<(), Trouble> {
    let effects = member::apply(transaction, commit, now).await?;
    replay.text.absorb(effects.text, &effects.deleted);
    Ok(())
}

/// Writes its outbox row.
pub(crate) async fn write_change(
    transaction: &mut Transaction,
    change: &Change,
) -> Result<(), Fault> {
    let text = "INSERT INTO changes (revision, tenant_id, change, committed_at, writes, event) \
                VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        Value::Int(Some(change.revision)),
        Value::Uuid(change.tenant.map(TenantId::uuid)),
        Value::Int(Some(change.change)),
        Value::Time(Some(change.committed_at)),
        Value::Json(Some(feed::json(&change.writes)?)),
        Value::Json(Some(feed::json(&change.event)?)),
    ];
    transaction.execute(text, values).await.map(drop)
}
