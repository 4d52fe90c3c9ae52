//! Rows that no change shows: read by what names them, written as they were read.

use keyward_core::port::snapshot::SnapshotError;
use keyward_core::snapshot::Coverage;
use keyward_core::time::Timestamp;

use super::{FollowError, on};
use crate::db::{Dialect, Transaction};
use crate::place::Beside;
use crate::snapshot::export::{push_columns, read};
use crate::snapshot::line;
use crate::snapshot::tables::{Table, covered};
use crate::sql::Statement;
use crate::value::Value;

/// A row as the registry has it, or that it has none.
pub(super) struct Image {
    table: &'static Table,
    key: Vec<Value>,
    row: Option<Vec<Value>>,
}

/// The tables whose rows may be written beside a change.
pub(super) const TABLES: [&str; 5] = [
    "key_usage",
    "usage_watermarks",
    "use_reservations",
    "idempotency",
    "changes",
];

/// A table by its name.
pub(super) fn table(name: &str) -> Option<&'static Table> {
    covered(Coverage::Whole).find(|table| table.name == name)
}

/// What names a row.
pub(super) fn named(table: &'static Table, row: &[Value]) -> Beside {
    let key: Vec<Value> = table
        .order
        .iter()
        .filter_map(|place| row.get(*place).cloned())
        .collect();
    Beside {
        table: table.name,
        key: line(&key),
    }
}

/// Reads one row.
pub(super) async fn image(
    reading: &mut Transaction,
    beside: &Beside,
) -> Result<Image, FollowError> {
    let (table, key) = key(beside).ok_or(UNKNOWN)?;
    let mut statement = Statement::new("SELECT ");
    push_columns(&mut statement, table);
    statement.push(" FROM ").push(table.name).push(" WHERE ");
    push_condition(&mut statement, table, &key);
    let (text, values) = statement.finish();
    let row = read(reading, table, text, values).await?.into_iter().next();
    Ok(Image { table, key, row })
}

/// What this program itself noted and cannot read back.
const UNKNOWN: FollowError = FollowError::Snapshot(SnapshotError::Malformed {
    line: 0,
    what: "a row that was noted is of no table",
});

fn key(beside: &Beside) -> Option<(&'static Table, Vec<Value>)> {
    let table = table(beside.table)?;
    let cells: Vec<serde_json::Value> = serde_json::from_str(&beside.key).ok()?;
    let columns = table.order.iter().map(|place| table.columns.get(*place));
    let key = columns
        .zip(&cells)
        .map(|(column, cell)| column?.kind.parse(cell));
    let key: Vec<Value> = key.collect::<Option<_>>()?;
    (key.len() == table.order.len() && cells.len() == key.len()).then_some((table, key))
}

fn push_condition(statement: &mut Statement, table: &'static Table, key: &[Value]) {
    let columns = table.order.iter().filter_map(|at| table.columns.get(*at));
    let mut between = "";
    for (column, value) in columns.zip(key) {
        statement.push(between).push(column.name);
        match value {
            Value::Uuid(None) => statement.push(" IS NULL"),
            value => statement.push(" = ").bind(value.clone()),
        };
        between = " AND ";
    }
}

/// Writes it. A row that is gone went with a row that a change removed, except for a request, which
/// may have been forgotten.
pub(super) async fn write(transaction: &mut Transaction, image: Image) -> Result<(), FollowError> {
    let Image { table, key, row } = image;
    match (table.name, row) {
        ("changes", Some(row)) => rewrite(transaction, table, &key, &row).await,
        ("idempotency", row) => {
            let mut statement = Statement::new("DELETE FROM idempotency WHERE ");
            push_condition(&mut statement, table, &key);
            let (text, values) = statement.finish();
            let deleted = transaction.execute(text, values).await;
            deleted.map_err(on(table.name))?;
            match row {
                Some(row) => insert(transaction, table, row, false).await,
                None => Ok(()),
            }
        }
        (_, Some(row)) => insert(transaction, table, row, true).await,
        (_, None) => Ok(()),
    }
}

/// Puts the rows of a change into the form that they have now: all that may differ.
async fn rewrite(
    transaction: &mut Transaction,
    table: &'static Table,
    key: &[Value],
    row: &[Value],
) -> Result<(), FollowError> {
    let writes = table.place("writes").and_then(|place| row.get(place));
    let Some(writes) = writes else {
        return Err(UNKNOWN);
    };
    let mut statement = Statement::new("UPDATE changes SET writes = ");
    statement.bind(writes.clone()).push(" WHERE ");
    push_condition(&mut statement, table, key);
    let (text, values) = statement.finish();
    let done = transaction.execute(text, values).await;
    done.map(drop).map_err(on(table.name))
}

async fn insert(
    transaction: &mut Transaction,
    table: &'static Table,
    row: Vec<Value>,
    or_update: bool,
) -> Result<(), FollowError> {
    let mut statement = Statement::new("INSERT INTO ");
    statement.push(table.name).push(" (");
    push_columns(&mut statement, table);
    statement.push(") VALUES (");
    let mut between = "";
    for value in row {
        statement.push(between).bind(value);
        between = ", ";
    }
    statement.push(")");
    if or_update {
        statement.push(" ON CONFLICT (");
        let is_key = |place: usize| table.order.contains(&place);
        let mut between = "";
        for place in &table.order {
            statement.push(between).push(table.columns[*place].name);
            between = ", ";
        }
        statement.push(") DO UPDATE SET ");
        let mut between = "";
        let columns = table.columns.iter().enumerate();
        for (_, column) in columns.filter(|(place, _)| !is_key(*place)) {
            statement.push(between).push(column.name);
            statement.push(" = excluded.").push(column.name);
            between = ", ";
        }
    }
    let (text, values) = statement.finish();
    let done = transaction.execute(text, values).await;
    done.map(drop).map_err(on(table.name))
}

/// Forgets the requests that the registry forgot.
pub(super) async fn forget(
    transaction: &mut Transaction,
    before: Timestamp,
) -> Result<(), FollowError> {
    let text = "DELETE FROM idempotency WHERE created_at < $1";
    let values = vec![Value::Time(Some(before))];
    let done = transaction.execute(text, values).await;
    done.map(drop).map_err(on("idempotency"))
}

/// Raises the side's clock to the registry's.
pub(super) async fn raise_clock(
    transaction: &mut Transaction,
    clock: Timestamp,
) -> Result<(), FollowError> {
    let text = match transaction.dialect() {
        Dialect::Sqlite => "UPDATE feed SET clock_high = MAX(clock_high, $1)",
        Dialect::Postgres => "UPDATE feed SET clock_high = GREATEST(clock_high, $1)",
    };
    let values = vec![Value::Time(Some(clock))];
    let done = transaction.execute(text, values).await;
    done.map(drop).map_err(on("feed"))
}
