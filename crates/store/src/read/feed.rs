//! The change feed, the deployment, its clock, and requests seen before.

use std::sync::Arc;

use keyward_core::change::{Change, IdempotencyKey, IdempotencyRecord, Write};
use keyward_core::ids::TenantId;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::scoped;
use crate::db::{Database, Transaction};
use crate::fault::Fault;
use crate::mark::Mark;
use crate::noun::{json, text};
use crate::place::Place;
use crate::sql::sql;
use crate::value::Value;
use crate::write::read_change;

pub(crate) async fn changes_after(
    database: &Database,
    after: i64,
    limit: usize,
) -> Result<Vec<Change>, RegistryError> {
    let statement = sql!(
        "SELECT c.revision, c.tenant_id, c.change, c.committed_at, c.writes, c.event \
         FROM changes c WHERE c.revision > $1 ORDER BY c.revision LIMIT $2"
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    database
        .rows(statement, vec![Value::Int(Some(after)), limit], read_change)
        .await
}

/// Puts the rows of a change into another form. Its event, number and time cannot be changed.
pub(crate) async fn rewrite_change(
    database: &Database,
    revision: i64,
    writes: &[Write],
) -> Result<(), RegistryError> {
    let failed = |fault: Fault| fault.on("changes");
    let mut transaction = database.begin().await.map_err(failed)?;
    // Every writer's last lock, as for a commit: who holds it knows that nothing else is under way.
    let locked = transaction.command("UPDATE feed SET n = n WHERE one = 1");
    locked.await.map_err(failed)?;
    let touched = transaction
        .execute(
            "UPDATE changes SET writes = $1 WHERE revision = $2",
            vec![json(&writes), Value::Int(Some(revision))],
        )
        .await
        .map_err(failed)?;
    if touched != 1 {
        transaction.rollback().await;
        return Err(RegistryError::Conflict { table: "changes" });
    }
    transaction.commit().await.map_err(failed)
}

pub(crate) async fn revision(database: &Database) -> Result<i64, RegistryError> {
    database
        .row("SELECT n FROM feed WHERE one = 1", vec![], |cells| {
            cells.int("n")
        })
        .await?
        .ok_or(NO_FEED)
}

/// The same of the database that is the registry now, which refuses once a migration left it.
pub(crate) async fn settled_revision(place: &Arc<Place>) -> Result<i64, RegistryError> {
    match revision_if_leading(&place.present()).await {
        // Both sides are being exchanged, perhaps, and their marks after them.
        Err(RegistryError::Left) => {
            let settled = place.hold(vec![]).await;
            revision_if_leading(settled.database()).await
        }
        known => known,
    }
}

async fn revision_if_leading(database: &Database) -> Result<i64, RegistryError> {
    let text = "SELECT n, moved_to FROM feed WHERE one = 1";
    let found = database.row(text, vec![], |cells| {
        Ok((cells.int("n")?, cells.opt_text("moved_to")?))
    });
    let (revision, mark) = found.await?.ok_or(NO_FEED)?;
    if Mark::has_left(mark.as_deref()) {
        return Err(RegistryError::Left);
    }
    Ok(revision)
}

pub(crate) async fn deployment(database: &Database) -> Result<Uuid, RegistryError> {
    database
        .row(
            "SELECT deployment_id FROM feed WHERE one = 1",
            vec![],
            |cells| cells.uuid("deployment_id"),
        )
        .await?
        .ok_or(NO_FEED)
}

/// What a migration wrote on this database.
pub(crate) async fn mark(database: &Database) -> Result<Option<Mark>, RegistryError> {
    let written = database
        .row("SELECT moved_to FROM feed WHERE one = 1", vec![], |cells| {
            cells.opt_text("moved_to")
        })
        .await?
        .ok_or(NO_FEED)?;
    Ok(written.as_deref().map(Mark::parse))
}

/// Writes it.
pub(crate) async fn set_mark(
    database: &Database,
    mark: Option<&Mark>,
) -> Result<(), RegistryError> {
    let failed = |fault: Fault| fault.on("feed");
    let mut transaction = database.begin().await.map_err(failed)?;
    if !write_mark(&mut transaction, mark).await.map_err(failed)? {
        transaction.rollback().await;
        return Err(NO_FEED);
    }
    transaction.commit().await.map_err(failed)
}

/// The same in a transaction; whether there was a row to write it in.
pub(crate) async fn write_mark(
    transaction: &mut Transaction,
    mark: Option<&Mark>,
) -> Result<bool, Fault> {
    let values = vec![Value::Text(mark.map(Mark::written))];
    let text = "UPDATE feed SET moved_to = $1 WHERE one = 1";
    Ok(transaction.execute(text, values).await? == 1)
}

/// A registry without its counter.
pub(crate) const NO_FEED: RegistryError = RegistryError::Damaged {
    table: "feed",
    what: "one",
};

/// Raises the highest `now` ever used to this one, if it is later.
pub(crate) async fn advance_clock(
    database: &Database,
    now: Timestamp,
) -> Result<Timestamp, RegistryError> {
    let mut transaction = database.begin().await.map_err(|fault| fault.on("feed"))?;
    let highest = transaction
        .rows(
            "UPDATE feed SET clock_high = CASE WHEN clock_high > $1 THEN clock_high ELSE $1 END \
             WHERE one = 1 RETURNING clock_high",
            vec![Value::Time(Some(now))],
            |cells| cells.time("clock_high"),
        )
        .await
        .map_err(|fault| fault.on("feed"))?;
    transaction
        .commit()
        .await
        .map_err(|fault| fault.on("feed"))?;
    highest.first().copied().ok_or(NO_FEED)
}

pub(crate) async fn idempotency(
    database: &Database,
    key: &IdempotencyKey,
) -> Result<Option<IdempotencyRecord>, RegistryError> {
    let statement = scoped!(
        key.tenant,
        "SELECT t.digest, t.resource_id, t.created_at FROM idempotency t \
         WHERE t.principal_id = $2 AND t.route = $3 AND t.request_key = $4 AND",
        ""
    );
    let values = vec![
        Value::Uuid(key.tenant.map(TenantId::uuid)),
        Value::Uuid(Some(key.principal.uuid())),
        text(key.route),
        text(&key.key),
    ];
    database
        .row(statement, values, |cells| {
            cells.of("idempotency");
            Ok(IdempotencyRecord {
                digest: cells.digest("digest")?,
                resource: cells.uuid("resource_id")?,
                created_at: cells.time("created_at")?,
            })
        })
        .await
}

pub(crate) async fn forget_idempotency(
    database: &Database,
    before: Timestamp,
) -> Result<u64, RegistryError> {
    let failed = |fault: crate::fault::Fault| fault.on("idempotency");
    let mut transaction = database.begin().await.map_err(failed)?;
    let forgotten = transaction
        .execute(
            "DELETE FROM idempotency WHERE created_at < $1",
            vec![Value::Time(Some(before))],
        )
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(forgotten)
}
