//! Bringing a database forward by changes as the feed showed them: each row with the version it
//! was given, each change with its own revision, number and time.

use keyward_core::change::{Change, Commit};
use keyward_core::ids::TenantId;
use keyward_core::port::registry::RegistryError;
use keyward_core::port::snapshot::{Outbox, SelectedChange, SnapshotError};

use super::failed;
use crate::db::{Database, Dialect, Transaction};
use crate::value::Value;
use crate::write::{Replay, Trouble, open_scope, replay, write_change};

pub(super) async fn apply(database: &Database, changes: &[Change]) -> Result<i64, SnapshotError> {
    let all = changes.iter().map(|change| (change, Outbox::Kept));
    in_one_transaction(database, &all.collect::<Vec<_>>()).await
}

/// Of each change the rows that were selected.
pub(super) async fn apply_selected(
    database: &Database,
    changes: &[SelectedChange],
) -> Result<i64, SnapshotError> {
    let some = changes.iter().map(|it| (&it.change, it.outbox));
    in_one_transaction(database, &some.collect::<Vec<_>>()).await
}

async fn in_one_transaction(
    database: &Database,
    changes: &[(&Change, Outbox)],
) -> Result<i64, SnapshotError> {
    let mut transaction = database.begin().await.map_err(failed("feed"))?;
    match follow(&mut transaction, changes).await {
        Ok(reached) => {
            transaction.commit().await.map_err(failed("keys"))?;
            Ok(reached)
        }
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

pub(crate) async fn follow(
    transaction: &mut Transaction,
    changes: &[(&Change, Outbox)],
) -> Result<i64, SnapshotError> {
    let found = revision(transaction).await?;
    let mut reached = found;
    let mut replayed = Replay::default();
    for (change, outbox) in changes.iter().filter(|(it, _)| it.revision > found) {
        if change.revision != reached + 1 {
            return Err(SnapshotError::Gap {
                reached,
                found: change.revision,
            });
        }
        one(transaction, change, *outbox, &mut replayed)
            .await
            .map_err(|cause| SnapshotError::Unfit {
                revision: change.revision,
                cause,
            })?;
        reached = change.revision;
    }
    replayed
        .finish(transaction)
        .await
        .map_err(failed("key_text"))?;
    if let Some((last, _)) = changes.last().filter(|(last, _)| last.revision > found) {
        advance_feed(transaction, last).await?;
    }
    Ok(reached)
}

async fn revision(transaction: &mut Transaction) -> Result<i64, SnapshotError> {
    // The feed's row is every writer's last lock: taken first, nobody else writes.
    let found = transaction
        .rows(
            "UPDATE feed SET n = n WHERE one = 1 RETURNING n",
            vec![],
            |cells| cells.int("n"),
        )
        .await
        .map_err(failed("feed"))?;
    let damaged = RegistryError::Damaged {
        table: "feed",
        what: "one",
    };
    found
        .first()
        .copied()
        .ok_or(SnapshotError::Registry(damaged))
}

async fn one(
    transaction: &mut Transaction,
    change: &Change,
    outbox: Outbox,
    replayed: &mut Replay,
) -> Result<(), RegistryError> {
    let commit = Commit {
        tenant: change.tenant,
        writes: change.writes.clone(),
        event: change.event.clone(),
        idempotency: None,
        fence: None,
    };
    let on_table = |trouble: Trouble| trouble.fault.on(trouble.table);
    replay(transaction, &commit, change.committed_at, replayed)
        .await
        .map_err(on_table)?;
    if outbox == Outbox::PassedOver {
        return Ok(());
    }
    open_scope(transaction, change.tenant)
        .await
        .map_err(on_table)?;
    let scope = change.tenant.map_or(uuid::Uuid::nil(), TenantId::uuid);
    let numbered = transaction
        .execute(
            "UPDATE tenant_feed SET n = n + 1 WHERE scope = $1 AND n = $2 - 1",
            vec![Value::Uuid(Some(scope)), Value::Int(Some(change.change))],
        )
        .await
        .map_err(|fault| fault.on("tenant_feed"))?;
    if numbered != 1 {
        return Err(RegistryError::Conflict {
            table: "tenant_feed",
        });
    }
    if outbox == Outbox::Counted {
        return Ok(());
    }
    let written = write_change(transaction, change).await;
    written.map_err(|fault| fault.on("changes"))
}

async fn advance_feed(transaction: &mut Transaction, last: &Change) -> Result<(), SnapshotError> {
    let text = match transaction.dialect() {
        Dialect::Sqlite => {
            "UPDATE feed SET n = $1, committed_at = $2, clock_high = MAX(clock_high, $2)"
        }
        Dialect::Postgres => {
            "UPDATE feed SET n = $1, committed_at = $2, clock_high = GREATEST(clock_high, $2)"
        }
    };
    let values = vec![
        Value::Int(Some(last.revision)),
        Value::Time(Some(last.committed_at)),
    ];
    let done = transaction.execute(text, values).await;
    done.map(drop).map_err(failed("feed"))
}
