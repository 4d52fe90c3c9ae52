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
use super::side::TextChanges;
use crate::db::{Bound, Dialect, Together, Transaction};
use crate::fault::Fault;
use crate::mark::Mark;
use crate::sql::{RowsText, value_rows};
use crate::value::Value;

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
pub(crate) async fn open_scope(
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

/// Numbers these commits, in order, and writes their outbox rows, and the text index beside them.
/// The feed's own counter comes last of all locks, so that transactions of several nodes queue up
/// there and nowhere else. SQLite has one writer: there the text goes along with the outbox rows.
pub(super) async fn publish(
    transaction: &mut Transaction,
    commits: &[&Commit],
    text: TextChanges,
    now: Timestamp,
) -> Result<Vec<Stamp>, Fault> {
    text.delete_replaced(transaction).await?;
    let mut texts = text.inserts(transaction.dialect());
    if transaction.dialect() == Dialect::Postgres {
        for (statement, values) in texts.by_ref() {
            transaction.execute(statement, values).await?;
        }
    }
    let mut scopes: BTreeMap<Uuid, i64> = BTreeMap::new();
    for commit in commits {
        *scopes.entry(scope(commit.tenant)).or_default() += 1;
    }
    let (last, committed_at) = take_numbers(transaction, &mut scopes, commits.len(), now).await?;
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
    let mut changes = INSERT_CHANGES.over(transaction.dialect(), rows(commits, &stamps)?);
    loop {
        let statements: Vec<Bound> = changes.next().into_iter().chain(texts.next()).collect();
        if statements.is_empty() {
            return Ok(stamps);
        }
        transaction.execute_all(statements, Together::Often).await?;
    }
}

/// Takes as many change numbers of each scope as it has commits, and turns the count into the
/// number before the first of them; then the revisions, of which the last is returned. None where the
/// registry is in another database now: a program that is still connected to this one is kept out by it.
async fn take_numbers(
    transaction: &mut Transaction,
    scopes: &mut BTreeMap<Uuid, i64>,
    commits: usize,
    now: Timestamp,
) -> Result<(i64, Timestamp), Fault> {
    let (take_changes, take_revisions) = match transaction.dialect() {
        Dialect::Sqlite => (
            "UPDATE tenant_feed SET n = n + ? WHERE scope = ? RETURNING n, NULL",
            "UPDATE feed SET n = n + ?, committed_at = MAX(committed_at, ?) \
             WHERE one = 1 AND (moved_to IS NULL OR moved_to LIKE 'filling since %') \
             RETURNING n, committed_at",
        ),
        Dialect::Postgres => (
            "UPDATE tenant_feed SET n = n + $1 WHERE scope = $2 RETURNING n, NULL::timestamptz",
            "UPDATE feed SET n = n + $1, committed_at = GREATEST(committed_at, $2) \
             WHERE one = 1 AND (moved_to IS NULL OR moved_to LIKE 'filling since %') \
             RETURNING n, committed_at",
        ),
    };
    let of_scope = |(scope, count): (&Uuid, &i64)| {
        let values = vec![Value::Int(Some(*count)), Value::Uuid(Some(*scope))];
        (take_changes, values)
    };
    let mut statements: Vec<Bound> = scopes.iter().map(of_scope).collect();
    let revisions = vec![Value::Int(Some(commits as i64)), Value::Time(Some(now))];
    statements.push((take_revisions, revisions));
    let together = if scopes.len() == 1 {
        Together::Often
    } else {
        Together::Seldom
    };
    let mut taken = transaction
        .all(statements, together, |cells| {
            cells.of("feed");
            Ok((cells.int("n")?, cells.opt_time("committed_at")?))
        })
        .await?;
    let Some((last, Some(committed_at))) = taken.pop() else {
        return Err(without_feed(transaction).await);
    };
    if taken.len() != scopes.len() {
        return Err(missing("tenant_feed"));
    }
    for (count, (last, _)) in scopes.values_mut().zip(taken) {
        *count = last - *count;
    }
    Ok((last, committed_at))
}

/// Why no revision was given.
async fn without_feed(transaction: &mut Transaction) -> Fault {
    let mark = transaction.rows("SELECT moved_to FROM feed WHERE one = 1", vec![], |cells| {
        cells.opt_text("moved_to")
    });
    match mark.await {
        Ok(found)
            if found
                .first()
                .is_some_and(|mark| Mark::has_left(mark.as_deref())) =>
        {
            Fault::Registry(RegistryError::Left)
        }
        Ok(_) => missing("feed"),
        Err(fault) => fault,
    }
}

static INSERT_CHANGES: RowsText = RowsText::new(|dialect, rows| {
    format!(
        "INSERT INTO changes (revision, tenant_id, change, committed_at, writes, event) VALUES {}",
        value_rows(dialect, rows, 6)
    )
});

/// The outbox rows.
fn rows(commits: &[&Commit], stamps: &[Stamp]) -> Result<Vec<Vec<Value>>, Fault> {
    let row = |(commit, stamp): (&&Commit, &Stamp)| {
        Ok(vec![
            Value::Int(Some(stamp.revision)),
            Value::Uuid(commit.tenant.map(TenantId::uuid)),
            Value::Int(Some(stamp.change)),
            Value::Time(Some(stamp.committed_at)),
            Value::Json(Some(json(&commit.writes)?)),
            Value::Json(Some(json(&stamp.event)?)),
        ])
    };
    commits.iter().zip(stamps).map(row).collect()
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
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
