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
pub(crate) const PAGE: usize = 500;

pub(super) async fn export(
    database: &Database,
    coverage: Coverage,
    sink: &mut dyn SnapshotSink,
) -> Result<SnapshotSummary, SnapshotError> {
    let pinned = Pinned::begin(database, coverage).await?;
    pinned.export(sink, |_| true).await
}

/// The registry as it is at one moment, whatever is written afterwards.
pub(crate) struct Pinned {
    reading: Transaction,
    header: SnapshotHeader,
}

impl Pinned {
    /// As it is now.
    pub(crate) async fn begin(
        database: &Database,
        coverage: Coverage,
    ) -> Result<Self, SnapshotError> {
        let mut reading = database.begin_reading().await.map_err(failed("feed"))?;
        // The transaction sees everything as it is at its first statement, which is this one.
        let header = header(&mut reading, coverage).await?;
        Ok(Self { reading, header })
    }

    /// Reads the tables that are wanted of those that it covers.
    pub(crate) async fn export(
        mut self,
        sink: &mut dyn SnapshotSink,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<SnapshotSummary, SnapshotError> {
        let coverage = self.header.coverage;
        let mut writer = SnapshotWriter::begin(sink, self.header).await?;
        for table in tables::covered(coverage).filter(|table| wanted(table.name)) {
            writer.table(table.name, &table.names()).await?;
            rows(&mut self.reading, table, &mut writer).await?;
            writer.end_table().await?;
        }
        self.reading.rollback().await;
        writer.finish().await
    }
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
        let (text, values) = page(table, after.as_deref(), None);
        let rows = read(reading, table, text, values).await?;
        let full = rows.len() == PAGE;
        after = rows.last().map(|row| place_of(table, row));
        for row in rows {
            writer.row(&cell::line(&row)).await?;
        }
        if !full {
            return Ok(());
        }
    }
}

/// The rows that a query of all of a table's columns finds.
pub(crate) async fn read(
    reading: &mut Transaction,
    table: &'static Table,
    text: String,
    values: Vec<Value>,
) -> Result<Vec<Vec<Value>>, SnapshotError> {
    let rows = reading.rows(text, values, |cells| {
        cells.of(table.name);
        let columns = table.columns.iter();
        columns
            .map(|column| column.kind.read(cells, column.name))
            .collect::<Result<Vec<Value>, _>>()
    });
    rows.await.map_err(failed(table.name))
}

/// A row's place in its table's order.
pub(crate) fn place_of(table: &Table, row: &[Value]) -> Vec<Value> {
    let cells = table.order.iter().filter_map(|place| row.get(*place));
    cells.cloned().map(of_nothing).collect()
}

/// A row without a tenant is ordered as if its tenant were the nil UUID.
fn of_nothing(value: Value) -> Value {
    match value {
        Value::Uuid(None) => Value::Uuid(Some(Uuid::nil())),
        value => value,
    }
}

/// The rows behind a place, in order: the next few, or all up to another place.
pub(crate) fn page(
    table: &'static Table,
    after: Option<&[Value]>,
    up_to: Option<&[Value]>,
) -> (String, Vec<Value>) {
    let mut statement = Statement::new("SELECT ");
    push_columns(&mut statement, table);
    statement.push(" FROM ").push(table.name);
    let bounds = [(after, ") > ("), (up_to, ") <= (")];
    let bounds = bounds.into_iter().filter_map(|(at, is)| Some((at?, is)));
    let mut joint = " WHERE (";
    for (at, is) in bounds {
        statement.push(joint);
        push_order(&mut statement, table);
        statement.push(is);
        let mut between = "";
        for value in at {
            statement.push(between).bind(value.clone());
            between = ", ";
        }
        statement.push(")");
        joint = " AND (";
    }
    statement.push(" ORDER BY ");
    push_order(&mut statement, table);
    if up_to.is_none() {
        let page = i64::try_from(PAGE).unwrap_or(i64::MAX);
        statement.push(" LIMIT ").bind(Value::Int(Some(page)));
    }
    statement.finish()
}

/// All of a table's columns.
pub(crate) fn push_columns(statement: &mut Statement, table: &'static Table) {
    let mut between = "";
    for column in &table.columns {
        statement.push(between).push(column.name);
        between = ", ";
    }
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
