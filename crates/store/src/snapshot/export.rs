//! Reading the registry at one revision: one reading transaction, table by table, page by page.

use keyward_core::port::snapshot::{SnapshotError, SnapshotSink};
use keyward_core::snapshot::{Coverage, FORMAT, SnapshotHeader, SnapshotSummary, SnapshotWriter};
use uuid::Uuid;

use super::cell;
use super::failed;
use super::tables::{self, Table};
use crate::db::{Database, Transaction};
use crate::migrate::KNOWN;
use crate::sql::Statement;
use crate::value::Value;

/// Rows read at once. An outbox row may be large; a thousand of them still fit anywhere.
const PAGE: i64 = 500;

pub(super) async fn export(
    database: &Database,
    coverage: Coverage,
    sink: &mut dyn SnapshotSink,
) -> Result<SnapshotSummary, SnapshotError> {
    let mut reading = database.begin_reading().await.map_err(failed("feed"))?;
    let header = header(&mut reading, coverage).await?;
    let mut writer = SnapshotWriter::begin(sink, header).await?;
    for table in tables::covered(coverage) {
        writer.table(table.name, &table.names()).await?;
        rows(&mut reading, table, &mut writer).await?;
        writer.end_table().await?;
    }
    reading.rollback().await;
    writer.finish().await
}

async fn header(
    reading: &mut Transaction,
    coverage: Coverage,
) -> Result<SnapshotHeader, SnapshotError> {
    let found = reading
        .rows(
            "SELECT n, committed_at, deployment_id FROM feed WHERE one = 1",
            vec![],
            |cells| {
                cells.of("feed");
                Ok(SnapshotHeader {
                    snapshot: FORMAT,
                    schema: KNOWN,
                    coverage,
                    revision: cells.int("n")?,
                    committed_at: cells.time("committed_at")?,
                    deployment: cells.uuid("deployment_id")?,
                })
            },
        )
        .await
        .map_err(failed("feed"))?;
    found.into_iter().next().ok_or_else(|| {
        failed("feed")(crate::fault::Fault::Registry(
            keyward_core::port::registry::RegistryError::Damaged {
                table: "feed",
                what: "one",
            },
        ))
    })
}

async fn rows(
    reading: &mut Transaction,
    table: &'static Table,
    writer: &mut SnapshotWriter<'_>,
) -> Result<(), SnapshotError> {
    let mut after: Option<Vec<Value>> = None;
    loop {
        let (text, values) = page(table, after.take());
        let rows = reading
            .rows(text, values, |cells| {
                cells.of(table.name);
                let columns = table.columns.iter();
                columns
                    .map(|column| column.kind.read(cells, column.name))
                    .collect::<Result<Vec<Value>, _>>()
            })
            .await
            .map_err(failed(table.name))?;
        let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE);
        after = rows.last().map(|row| {
            let key = table
                .order
                .iter()
                .map(|place| of_nothing(row[*place].clone()));
            key.collect()
        });
        for row in rows {
            writer.row(&cell::line(&row)).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// A row without a tenant is ordered as if its tenant were the nil UUID.
fn of_nothing(value: Value) -> Value {
    match value {
        Value::Uuid(None) => Value::Uuid(Some(Uuid::nil())),
        value => value,
    }
}

/// The rows behind a key, in order.
fn page(table: &'static Table, after: Option<Vec<Value>>) -> (String, Vec<Value>) {
    let mut statement = Statement::new("SELECT ");
    let mut between = "";
    for column in &table.columns {
        statement.push(between).push(column.name);
        between = ", ";
    }
    statement.push(" FROM ").push(table.name);
    if let Some(after) = after {
        statement.push(" WHERE (");
        push_order(&mut statement, table);
        statement.push(") > (");
        let mut between = "";
        for value in after {
            statement.push(between).bind(value);
            between = ", ";
        }
        statement.push(")");
    }
    statement.push(" ORDER BY ");
    push_order(&mut statement, table);
    statement.push(" LIMIT ").bind(Value::Int(Some(PAGE)));
    statement.finish()
}

fn push_order(statement: &mut Statement, table: &'static Table) {
    let mut between = "";
    for place in &table.order {
        let column = table.columns[*place].name;
        statement.push(between);
        if (table.name, column) == ("idempotency", "tenant_id") {
            statement.push("COALESCE(tenant_id, ");
            statement.bind(Value::Uuid(Some(Uuid::nil()))).push(")");
        } else {
            statement.push(column);
        }
        between = ", ";
    }
}
