//! Counters: how often versions were used, how far a node's journal is counted, and uses set
//! aside for keys that may be used only so often.

use std::collections::BTreeMap;

use keyward_core::ids::{KeyId, TenantId, VersionId};
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::port::registry::{RegistryError, Reservation, UsageDelta};

use super::uuid_of;
use crate::db::{Database, Dialect, Transaction};
use crate::fault::Fault;
use crate::noun::text;
use crate::sql::{RowsText, sql, value_rows};
use crate::value::Value;

pub(crate) async fn of_key(
    database: &Database,
    tenant: TenantId,
    key: KeyId,
) -> Result<BTreeMap<i64, UsageTotals>, RegistryError> {
    let statement = sql!(
        "SELECT v.version, u.protects, u.processes, u.bytes_protected, u.last_used_at \
         FROM key_versions v JOIN key_usage u ON u.version_id = v.id \
         WHERE v.key_id = $2 AND v.tenant_id = $1"
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(key.uuid()))];
    let rows = database
        .rows(statement, values, |cells| {
            cells.of("key_usage");
            let version = cells.int("version")?;
            let totals = UsageTotals {
                protects: cells.int("protects")?,
                processes: cells.int("processes")?,
                bytes_protected: cells.int("bytes_protected")?,
                last_used_at: cells.opt_time("last_used_at")?,
            };
            Ok((version, totals))
        })
        .await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn watermark(database: &Database, node: &str) -> Result<u64, RegistryError> {
    let found = database
        .row(READ_WATERMARK, vec![text(node)], |cells| {
            cells.int("journaled_to")
        })
        .await?;
    Ok(found.unwrap_or(0) as u64)
}

const READ_WATERMARK: &str = "SELECT w.journaled_to FROM usage_watermarks w WHERE w.node = $1";

/// Adds counters up to a place in the node's journal. What is already counted up to there is not
/// counted again, so that a caller who did not hear the answer may simply repeat the call.
pub(crate) async fn add(
    database: &Database,
    node: &str,
    journaled_to: u64,
    deltas: Vec<UsageDelta>,
) -> Result<(), RegistryError> {
    let failed = |fault: Fault| fault.on("key_usage");
    let mut transaction = database.begin().await.map_err(failed)?;
    let journaled_to = i64::try_from(journaled_to).unwrap_or(i64::MAX);
    if raise_watermark(&mut transaction, node, journaled_to)
        .await
        .map_err(failed)?
    {
        add_totals(&mut transaction, merged(deltas))
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Whether the journal was not counted that far yet. The row stays locked until the end.
async fn raise_watermark(
    transaction: &mut Transaction,
    node: &str,
    journaled_to: i64,
) -> Result<bool, Fault> {
    let raised = transaction
        .execute(
            "INSERT INTO usage_watermarks (node, journaled_to) VALUES ($1, $2) \
             ON CONFLICT (node) DO UPDATE SET journaled_to = excluded.journaled_to \
             WHERE usage_watermarks.journaled_to < excluded.journaled_to",
            vec![text(node), Value::Int(Some(journaled_to))],
        )
        .await?;
    Ok(raised == 1)
}

/// One row for each version, in one order on every node, so that two nodes cannot deadlock.
fn merged(deltas: Vec<UsageDelta>) -> BTreeMap<VersionId, UsageTotals> {
    let mut totals: BTreeMap<VersionId, UsageTotals> = BTreeMap::new();
    for UsageDelta { version, add } in deltas {
        let total = totals.entry(version).or_default();
        total.protects = total.protects.saturating_add(add.protects);
        total.processes = total.processes.saturating_add(add.processes);
        total.bytes_protected = total.bytes_protected.saturating_add(add.bytes_protected);
        total.last_used_at = total.last_used_at.max(add.last_used_at);
    }
    totals
}

async fn add_totals(
    transaction: &mut Transaction,
    totals: BTreeMap<VersionId, UsageTotals>,
) -> Result<(), Fault> {
    let rows = totals.into_iter().map(|(version, add)| {
        vec![
            Value::Uuid(Some(version.uuid())),
            Value::Int(Some(add.protects)),
            Value::Int(Some(add.processes)),
            Value::Int(Some(add.bytes_protected)),
            Value::Time(add.last_used_at),
        ]
    });
    for (statement, values) in ADD.over(transaction.dialect(), rows.collect()) {
        transaction.execute(statement, values).await?;
    }
    Ok(())
}

static ADD: RowsText = RowsText::new(add_statement);

/// The journal may name versions that are purged by now: they are passed over.
fn add_statement(dialect: Dialect, rows: usize) -> String {
    format!(
        "WITH d (version_id, protects, processes, bytes_protected, last_used_at) AS (VALUES {}) \
         INSERT INTO key_usage (version_id, protects, processes, bytes_protected, last_used_at) \
         SELECT d.version_id, d.protects, d.processes, d.bytes_protected, d.last_used_at \
         FROM d JOIN key_versions v ON v.id = d.version_id WHERE d.protects >= 0 \
         ON CONFLICT (version_id) DO UPDATE SET \
         protects = key_usage.protects + excluded.protects, \
         processes = key_usage.processes + excluded.processes, \
         bytes_protected = key_usage.bytes_protected + excluded.bytes_protected, \
         last_used_at = CASE WHEN key_usage.last_used_at > excluded.last_used_at \
         OR excluded.last_used_at IS NULL \
         THEN key_usage.last_used_at ELSE excluded.last_used_at END",
        value_rows(dialect, rows, 5)
    )
}

/// Sets uses and bytes aside, as many of each as are left, in one transaction that locks the
/// version's counter. When either has run out, nothing is given.
pub(crate) async fn reserve(
    database: &Database,
    version: VersionId,
    limit: UseLimit,
    wanted: Reservation,
) -> Result<Reservation, RegistryError> {
    let failed = |fault: Fault| fault.on("use_reservations");
    let id = Value::Uuid(Some(version.uuid()));
    let mut transaction = database.begin().await.map_err(failed)?;
    // The update that changes nothing locks the row and returns it, in either database.
    let reserved = transaction
        .rows(
            "INSERT INTO use_reservations (version_id, uses, bytes) VALUES ($1, 0, 0) \
             ON CONFLICT (version_id) DO UPDATE SET uses = use_reservations.uses \
             RETURNING uses, bytes",
            vec![id.clone()],
            |cells| {
                cells.of("use_reservations");
                Ok(Reservation {
                    uses: cells.int("uses")?,
                    bytes: cells.int("bytes")?,
                })
            },
        )
        .await
        .map_err(failed)?;
    let reserved = reserved
        .first()
        .copied()
        .unwrap_or(Reservation { uses: 0, bytes: 0 });
    let given = within(limit, reserved, wanted);
    if given.uses > 0 || given.bytes > 0 {
        let set_aside = transaction
            .execute(
                "UPDATE use_reservations SET uses = uses + $2, bytes = bytes + $3 \
                 WHERE version_id = $1 AND EXISTS (SELECT 1 FROM feed WHERE one = 1 \
                 AND (moved_to IS NULL OR moved_to LIKE 'filling since %'))",
                vec![
                    id,
                    Value::Int(Some(given.uses)),
                    Value::Int(Some(given.bytes)),
                ],
            )
            .await
            .map_err(failed)?;
        if set_aside == 0 {
            // They would be given a second time by the registry's present database.
            transaction.rollback().await;
            return Err(RegistryError::Left);
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(given)
}

fn within(limit: UseLimit, reserved: Reservation, wanted: Reservation) -> Reservation {
    let part = |wanted: i64, limit: i64, reserved: i64| {
        wanted.max(0).min(limit.saturating_sub(reserved).max(0))
    };
    let given = Reservation {
        uses: part(wanted.uses, limit.uses, reserved.uses),
        bytes: part(wanted.bytes, limit.bytes, reserved.bytes),
    };
    let exhausted = (wanted.uses > 0 && given.uses == 0) || (wanted.bytes > 0 && given.bytes == 0);
    if exhausted {
        Reservation { uses: 0, bytes: 0 }
    } else {
        given
    }
}
