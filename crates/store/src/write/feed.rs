//! The change feed: which number a commit gets, when it counts as committed, and the outbox row
//! that says what it did. Numbers come from counters that the transaction itself locks, never from
//! sequences, which are not commit-ordered.

use std::collections::BTreeMap;

use keyward_core::audit::AuditEvent;
use keyward_core::change::{Commit, Write};
use keyward_core::ids::TenantId;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::member::Trouble;
use crate::db::Transaction;
use crate::fault::Fault;
use crate::sql::{chunk_sizes, value_rows};
use crate::value::Value;

/// At most so many outbox rows in one statement.
const ROWS_AT_ONCE: usize = 64;

/// Whose change log: a tenant's id, or the nil id for the system's own.
pub(super) fn scope(tenant: Option<TenantId>) -> Uuid {
    tenant.map_or(Uuid::nil(), TenantId::uuid)
}

/// What the feed adds to a commit.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pub(super) revision: i64,
    pub(super) change: i64,
    pub(super) committed_at: Timestamp,
    pub(super) event: AuditEvent,
}

/// Makes sure that a scope has a counter. A tenant that does not exist is refused here.
pub(super) async fn open_scope(
    transaction: &mut Transaction,
    tenant: Option<TenantId>,
) -> Result<(), Trouble> {
    transaction
        .execute(
            "INSERT INTO tenant_feed (scope, tenant_id, n) VALUES ($1, $2, 0) \
             ON CONFLICT (scope) DO NOTHING",
            vec![
                Value::Uuid(Some(scope(tenant))),
                Value::Uuid(tenant.map(TenantId::uuid)),
            ],
        )
        .await
        .map(drop)
        .map_err(Trouble::with("tenants"))
}

/// Numbers these commits, in order, and writes their outbox rows. The feed's own counter comes
/// last of all locks, so that transactions of several nodes queue up there and nowhere else.
pub(super) async fn publish(
    transaction: &mut Transaction,
    commits: &[&Commit],
    now: Timestamp,
) -> Result<Vec<Stamp>, Fault> {
    let mut scopes: BTreeMap<Uuid, i64> = BTreeMap::new();
    for commit in commits {
        *scopes.entry(scope(commit.tenant)).or_default() += 1;
    }
    for (scope, count) in &mut scopes {
        let values = vec![Value::Uuid(Some(*scope)), Value::Int(Some(*count))];
        let last = transaction
            .rows(
                "UPDATE tenant_feed SET n = n + $2 WHERE scope = $1 RETURNING n",
                values,
                |cells| {
                    cells.of("tenant_feed");
                    cells.int("n")
                },
            )
            .await?;
        let last = last.first().ok_or(missing("tenant_feed"))?;
        *count = last - *count;
    }
    let (last, committed_at) = take_revisions(transaction, commits.len() as i64, now).await?;
    let mut revision = last - commits.len() as i64;
    let mut stamps = Vec::with_capacity(commits.len());
    for commit in commits {
        revision += 1;
        let change = scopes.entry(scope(commit.tenant)).or_default();
        *change += 1;
        let mut event = commit.event.clone();
        event.revision = Some(revision);
        event.change = Some(*change);
        stamps.push(Stamp {
            revision,
            change: *change,
            committed_at,
            event,
        });
    }
    insert_changes(transaction, commits, &stamps).await?;
    Ok(stamps)
}

async fn take_revisions(
    transaction: &mut Transaction,
    count: i64,
    now: Timestamp,
) -> Result<(i64, Timestamp), Fault> {
    let taken = transaction
        .rows(
            "UPDATE feed SET n = n + $1, \
             committed_at = CASE WHEN committed_at > $2 THEN committed_at ELSE $2 END \
             WHERE one = 1 RETURNING n, committed_at",
            vec![Value::Int(Some(count)), Value::Time(Some(now))],
            |cells| {
                cells.of("feed");
                Ok((cells.int("n")?, cells.time("committed_at")?))
            },
        )
        .await?;
    taken.first().copied().ok_or(missing("feed"))
}

async fn insert_changes(
    transaction: &mut Transaction,
    commits: &[&Commit],
    stamps: &[Stamp],
) -> Result<(), Fault> {
    let mut rows = commits.iter().zip(stamps);
    for size in chunk_sizes(commits.len(), ROWS_AT_ONCE) {
        let mut values = Vec::with_capacity(6 * size);
        for (commit, stamp) in rows.by_ref().take(size) {
            values.push(Value::Int(Some(stamp.revision)));
            values.push(Value::Uuid(commit.tenant.map(TenantId::uuid)));
            values.push(Value::Int(Some(stamp.change)));
            values.push(Value::Time(Some(stamp.committed_at)));
            values.push(Value::Json(Some(json(&commit.writes)?)));
            values.push(Value::Json(Some(json(&stamp.event)?)));
        }
        let statement = format!(
            "INSERT INTO changes (revision, tenant_id, change, committed_at, writes, event) \
             VALUES {}",
            value_rows(size, 6)
        );
        transaction.execute(statement, values).await?;
    }
    Ok(())
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|_| Fault::Constraint)
}

/// A counter's row is made by the migration; without it nothing can be numbered.
const fn missing(table: &'static str) -> Fault {
    Fault::Registry(RegistryError::Damaged { table, what: "n" })
}

/// Reads an outbox row: revision, tenant, change, commit time, writes, event.
pub(crate) fn read_change(
    cells: &mut crate::row::Cells<'_>,
) -> Result<keyward_core::change::Change, RegistryError> {
    cells.of("changes");
    Ok(keyward_core::change::Change {
        revision: cells.int("revision")?,
        tenant: cells.opt_id("tenant_id")?,
        change: cells.int("change")?,
        committed_at: cells.time("committed_at")?,
        writes: cells.json::<Vec<Write>>("writes")?,
        event: cells.json("event")?,
    })
}
