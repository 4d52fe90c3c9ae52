//! The fast path: commits that only insert, written together, a statement for each table instead
//! of one for each row. If any row is refused, the caller undoes all of it and writes the commits
//! one by one, so that the outcome never differs, only the speed.

use std::collections::BTreeMap;

use keyward_core::change::{Commit, Row, WriteKind};
use keyward_core::noun::key::Key;
use keyward_core::time::Timestamp;

use super::member::{Effects, REMEMBER, Trouble, idempotency_values, inserts_key_of};
use super::side;
use crate::db::{Bound, Dialect, Together, Transaction};
use crate::noun::{INSERT_ORDER, KeyImage, Noun as _, Table, image, table_of};
use crate::sql::Chunk;
use crate::value::Value;

/// A commit of more rows than any operation writes every day: its text is not kept prepared.
const ROWS_OF_A_USUAL_COMMIT: usize = 8;

/// Whether a commit only inserts, nothing that other rows follow from, and whoever has a role.
pub(super) fn only_inserts(commit: &Commit) -> bool {
    commit.fence.is_none()
        && commit.writes.iter().all(|write| {
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
    let keys: Vec<&Key> = commits.iter().flat_map(|commit| keys_of(commit)).collect();
    for key in &keys {
        effects.text.insert(key);
    }
    for (commits, together) in visits(transaction.dialect(), commits) {
        insert(transaction, &commits, together, now).await?;
    }
    side::insert_tags_and_labels(transaction, &keys).await?;
    Ok(effects)
}

fn keys_of(commit: &Commit) -> impl Iterator<Item = &Key> {
    commit.writes.iter().filter_map(|write| match &write.row {
        Row::Key(key) => Some(key.as_ref()),
        _ => None,
    })
}

/// How many rows a commit has for each table, in [`INSERT_ORDER`], and how many memories.
type Shape = [usize; INSERT_ORDER.len() + 1];

fn shape(commit: &Commit) -> Shape {
    let mut shape = [0; INSERT_ORDER.len() + 1];
    for write in &commit.writes {
        let name = table_of(&write.row).name;
        if let Some(place) = INSERT_ORDER.iter().position(|table| *table == name) {
            shape[place] += 1;
        }
    }
    shape[INSERT_ORDER.len()] = usize::from(commit.idempotency.is_some());
    shape
}

/// Which commits are inserted together. For SQLite, where each group is one text: commits of the
/// same shape, a power of two of them, so that few distinct texts are prepared. For PostgreSQL,
/// where each table is a statement of its own: all.
fn visits<'a>(dialect: Dialect, commits: &[&'a Commit]) -> Vec<(Vec<&'a Commit>, Together)> {
    if dialect == Dialect::Postgres {
        return vec![(commits.to_vec(), Together::Often)];
    }
    let mut shapes: BTreeMap<Shape, Vec<&Commit>> = BTreeMap::new();
    for commit in commits {
        shapes.entry(shape(commit)).or_default().push(commit);
    }
    let mut visits = Vec::new();
    for (shape, commits) in shapes {
        let together = if shape.iter().sum::<usize>() <= ROWS_OF_A_USUAL_COMMIT {
            Together::Often
        } else {
            Together::Seldom
        };
        let mut left = &commits[..];
        for chunk in Chunk::of(commits.len()) {
            let (now, later) = left.split_at(chunk.rows());
            visits.push((now.to_vec(), together));
            left = later;
        }
    }
    visits
}

async fn insert(
    transaction: &mut Transaction,
    commits: &[&Commit],
    together: Together,
    now: Timestamp,
) -> Result<(), Trouble> {
    let dialect = transaction.dialect();
    let mut rows: BTreeMap<&'static str, (&'static Table, Vec<Vec<Value>>)> = BTreeMap::new();
    for commit in commits {
        for write in &commit.writes {
            let (table, values) = match &write.row {
                Row::Key(key) => {
                    let values = KeyImage::new(key).insert_values(&commit.writes);
                    (Key::table(), values)
                }
                row => image(row),
            };
            let of_table = rows.entry(table.name).or_insert_with(|| (table, vec![]));
            of_table.1.push(values);
        }
    }
    let mut statements: Vec<Bound> = Vec::new();
    for name in INSERT_ORDER {
        if let Some((table, rows)) = rows.remove(name) {
            statements.extend(table.insert().over(dialect, rows));
        }
    }
    let remembered = commits
        .iter()
        .filter_map(|commit| commit.idempotency.as_ref())
        .map(|(key, resource)| idempotency_values(key, *resource, now));
    statements.extend(REMEMBER.over(dialect, remembered.collect()));
    // A refusal is looked into commit by commit; which table it was does not matter here.
    transaction
        .execute_all(statements, together)
        .await
        .map_err(Trouble::with("registry"))
}
