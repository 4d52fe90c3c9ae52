//! The fast path: commits that only insert, written together, a statement for each table instead
//! of one for each row. If any row is refused, the caller undoes all of it and writes the commits
//! one by one, so that the outcome never differs, only the speed.

use std::collections::BTreeMap;

use keyward_core::change::{Commit, Row, WriteKind};
use keyward_core::noun::key::Key;
use keyward_core::time::Timestamp;

use super::member::{Effects, REMEMBER_HEAD, Trouble, idempotency_values, inserts_key_of};
use super::side;
use crate::db::Transaction;
use crate::noun::{INSERT_ORDER, KeyImage, Table, image};
use crate::sql::{chunk_sizes, value_rows};
use crate::value::Value;

/// At most so many rows in one statement: 64 rows of 34 columns stay far below either database's
/// limit of parameters.
const ROWS_AT_ONCE: usize = 64;

/// Whether a commit only inserts, and nothing that other rows follow from.
pub(super) fn only_inserts(commit: &Commit) -> bool {
    commit.writes.iter().all(|write| {
        write.kind == WriteKind::Insert
            && match &write.row {
                Row::KeyVersion(version) => inserts_key_of(commit, version),
                _ => true,
            }
    })
}

/// Inserts everything that these commits insert.
pub(super) async fn apply(
    transaction: &mut Transaction,
    commits: &[&Commit],
    now: Timestamp,
) -> Result<Effects, Trouble> {
    let mut effects = Effects::default();
    let mut rows: BTreeMap<&'static str, (&'static Table, Vec<Vec<Value>>)> = BTreeMap::new();
    let mut keys: Vec<&Key> = Vec::new();
    for commit in commits {
        for write in &commit.writes {
            let (table, values) = image(&write.row);
            let values = match &write.row {
                Row::Key(key) => {
                    keys.push(key);
                    effects.text.insert(key);
                    KeyImage::new(key).insert_values(&commit.writes)
                }
                _ => values,
            };
            rows.entry(table.name)
                .or_insert_with(|| (table, Vec::new()))
                .1
                .push(values);
        }
    }
    for name in INSERT_ORDER {
        if let Some((table, rows)) = rows.remove(name) {
            insert(
                transaction,
                &table.insert_head(),
                table.insert_width(),
                name,
                rows,
            )
            .await?;
        }
    }
    side::insert_tags_and_labels(transaction, &keys).await?;
    let remembered = commits
        .iter()
        .filter_map(|commit| commit.idempotency.as_ref());
    let remembered: Vec<Vec<Value>> = remembered
        .map(|(key, resource)| idempotency_values(key, *resource, now))
        .collect();
    insert(transaction, REMEMBER_HEAD, 7, "idempotency", remembered).await?;
    Ok(effects)
}

async fn insert(
    transaction: &mut Transaction,
    head: &str,
    width: usize,
    table: &'static str,
    rows: Vec<Vec<Value>>,
) -> Result<(), Trouble> {
    let mut rows = rows.into_iter();
    for size in chunk_sizes(rows.len(), ROWS_AT_ONCE) {
        let values: Vec<Value> = rows.by_ref().take(size).flatten().collect();
        let statement = format!("{head}{}", value_rows(size, width));
        transaction
            .execute(statement, values)
            .await
            .map_err(Trouble::with(table))?;
    }
    Ok(())
}
