//! Filling an empty database with a snapshot, in one transaction: all of it or nothing.

use std::fmt::Write as _;

use keyward_core::free_text::lookup;
use keyward_core::ids::TenantId;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSource};
use keyward_core::snapshot::{Part, SnapshotReader, SnapshotSummary};

use super::failed;
use super::tables::{self, Table};
use crate::db::{Database, Dialect, Transaction};
use crate::mark::Mark;
use crate::migrate::KNOWN;
use crate::noun::search_text_of;
use crate::read::feed::write_mark;
use crate::sql::{Chunk, RowsText, value_rows};
use crate::value::Value;
use crate::write::{INSERT_LABELS, INSERT_TAGS, INSERT_TEXT, search_tokens};

/// Rows written at once.
const TOGETHER: usize = 64;

pub(crate) async fn import(
    database: &Database,
    source: &mut dyn SnapshotSource,
    mark: Option<&Mark>,
) -> Result<SnapshotSummary, SnapshotError> {
    let mut reader = SnapshotReader::begin(source).await?;
    if reader.header().schema != KNOWN {
        return Err(SnapshotError::Schema {
            found: reader.header().schema,
            known: KNOWN,
        });
    }
    let mut transaction = database.begin().await.map_err(failed("feed"))?;
    let filled = match fill(&mut transaction, &mut reader).await {
        // With what it says of itself, or not at all.
        Ok(summary) => {
            let marked = write_mark(&mut transaction, mark).await;
            marked.map(|_| summary).map_err(failed("feed"))
        }
        Err(error) => Err(error),
    };
    match filled {
        Ok(summary) => {
            // What a deferred reference finds, it finds now.
            transaction.commit().await.map_err(failed("keys"))?;
            Ok(summary)
        }
        Err(error) => {
            transaction.rollback().await;
            Err(error)
        }
    }
}

/// Refuses a database that holds anything.
pub(crate) async fn look_whether_empty(database: &Database) -> Result<(), SnapshotError> {
    let mut transaction = database.begin().await.map_err(failed("feed"))?;
    let found = ensure_empty(&mut transaction).await;
    transaction.rollback().await;
    found
}

async fn fill(
    transaction: &mut Transaction,
    reader: &mut SnapshotReader<'_>,
) -> Result<SnapshotSummary, SnapshotError> {
    ensure_empty(transaction).await?;
    let coverage = reader.header().coverage;
    for table in tables::covered(coverage) {
        match reader.next().await? {
            Part::Table { name, columns } if name == table.name && columns == table.names() => {}
            _ => return Err(reader.malformed("another table or other columns than expected")),
        }
        let place = prepare(transaction, table).await?;
        fill_table(transaction, reader, table, place).await?;
        complete(transaction, table).await?;
    }
    match reader.next().await? {
        Part::End(summary) => Ok(summary),
        _ => Err(reader.malformed("more tables than expected")),
    }
}

/// A database just made holds the two rows of its counters and nothing else.
async fn ensure_empty(transaction: &mut Transaction) -> Result<(), SnapshotError> {
    for table in tables::covered(keyward_core::snapshot::Coverage::Whole) {
        let condition = match table.name {
            "feed" => " WHERE n > 0",
            "tenant_feed" => " WHERE n > 0 OR tenant_id IS NOT NULL",
            // A restore says first whose this database is to be.
            "histories" => " WHERE one < 1",
            _ => "",
        };
        let text = format!("SELECT 1 FROM {}{condition} LIMIT 1", table.name);
        let found = transaction
            .rows(text, vec![], |_| Ok(()))
            .await
            .map_err(failed(table.name))?;
        if !found.is_empty() {
            return Err(SnapshotError::NotEmpty { table: table.name });
        }
    }
    Ok(())
}

/// Makes room for a table's rows; where they go.
async fn prepare(
    transaction: &mut Transaction,
    table: &'static Table,
) -> Result<&'static str, SnapshotError> {
    let (command, place) = match (table.name, transaction.dialect()) {
        ("feed", _) => ("DELETE FROM feed", table.name),
        ("tenant_feed", _) => ("DELETE FROM tenant_feed", table.name),
        ("histories", _) => ("DELETE FROM histories", table.name),
        // Tokens name the token that made them, which may come later. SQLite can wait for the end
        // of the transaction; PostgreSQL looks at the end of each statement, so one has to do.
        ("tokens", Dialect::Sqlite) => ("PRAGMA defer_foreign_keys = ON", table.name),
        ("tokens", Dialect::Postgres) => (
            "CREATE TEMPORARY TABLE arriving_tokens (LIKE tokens) ON COMMIT DROP",
            "arriving_tokens",
        ),
        _ => return Ok(table.name),
    };
    transaction
        .command(command)
        .await
        .map_err(failed(table.name))?;
    Ok(place)
}

async fn fill_table(
    transaction: &mut Transaction,
    reader: &mut SnapshotReader<'_>,
    table: &'static Table,
    place: &'static str,
) -> Result<(), SnapshotError> {
    let mut rows = Vec::with_capacity(TOGETHER);
    loop {
        match reader.next().await? {
            Part::Row(line) => {
                let row = parse(table, &line)
                    .ok_or_else(|| reader.malformed("a value is not of its column's type"))?;
                rows.push(row);
                if rows.len() == TOGETHER {
                    insert(transaction, table, place, std::mem::take(&mut rows)).await?;
                }
            }
            Part::TableEnd => return insert(transaction, table, place, rows).await,
            _ => return Err(reader.malformed("a table without its end")),
        }
    }
}

fn parse(table: &Table, line: &str) -> Option<Vec<Value>> {
    let values: Vec<serde_json::Value> = serde_json::from_str(line).ok()?;
    if values.len() != table.columns.len() {
        return None;
    }
    let columns = table.columns.iter().zip(&values);
    columns
        .map(|(column, value)| column.kind.parse(value))
        .collect()
}

async fn insert(
    transaction: &mut Transaction,
    table: &'static Table,
    place: &str,
    mut rows: Vec<Vec<Value>>,
) -> Result<(), SnapshotError> {
    let mut names = table.names();
    let mut side = SideRows::default();
    if table.name == "keys" {
        names.extend(["search_text", "primary_state"]);
        for row in &mut rows {
            let text = side.take(table, row).ok_or(KEY)?;
            row.push(Value::Text(Some(text)));
            // Until the versions are there.
            row.push(Value::Label("key_state", Some("pending".into())));
        }
    }
    if table.name == "feed" {
        names.push("clock_high");
        for row in &mut rows {
            let committed_at = table.place("committed_at").and_then(|place| row.get(place));
            let committed_at = committed_at.cloned().unwrap_or(Value::Time(None));
            row.push(committed_at);
        }
    }
    let mut rows = rows.into_iter();
    let dialect = transaction.dialect();
    for chunk in Chunk::of(rows.len()) {
        let parameters = value_rows(dialect, chunk.rows(), names.len());
        let text = format!(
            "INSERT INTO {place} ({}) VALUES {parameters}",
            names.join(", ")
        );
        let values = rows.by_ref().take(chunk.rows()).flatten().collect();
        let written = transaction.execute(text, values).await;
        written.map_err(failed(table.name))?;
    }
    side.insert(transaction).await
}

/// A key that is not what a key must be.
const KEY: SnapshotError =
    SnapshotError::Registry(keyward_core::port::registry::RegistryError::Damaged {
        table: "keys",
        what: "a value that others follow from",
    });

/// What follows from keys and makes them findable.
#[derive(Default)]
struct SideRows {
    tags: Vec<Vec<Value>>,
    labels: Vec<Vec<Value>>,
    text: Vec<Vec<Value>>,
}

impl SideRows {
    /// Notes what follows from a key's row; its searched text.
    fn take(&mut self, table: &Table, row: &[Value]) -> Option<String> {
        let cell = |column| table.place(column).and_then(|place| row.get(place));
        let text = |column| match cell(column) {
            Some(Value::Text(Some(text))) => Some(text.as_str()),
            _ => None,
        };
        let json = |column| match cell(column) {
            Some(Value::Json(Some(text))) => serde_json::from_str::<serde_json::Value>(text).ok(),
            _ => None,
        };
        let (Some(id @ Value::Uuid(Some(_))), Some(tenant @ Value::Uuid(Some(tenant_id)))) =
            (cell("id"), cell("tenant_id"))
        else {
            return None;
        };
        let name = cell("name")?;
        let head = || vec![id.clone(), tenant.clone(), name.clone()];
        let word = |text: &str| Value::Text(Some(text.to_owned()));
        for (tag, value) in json("tags")?.as_object()? {
            let mut row = head();
            row.extend([word(tag), word(lookup(value.as_str()?))]);
            self.tags.push(row);
        }
        for (column, kind) in [
            ("compliance_tags", "compliance"),
            ("authorized_services", "service"),
        ] {
            for value in json(column)?.as_array()? {
                let mut row = head();
                row.extend([
                    crate::noun::label("label_kind", kind),
                    word(value.as_str()?),
                ]);
                self.labels.push(row);
            }
        }
        let parts = [
            text("name")?,
            text("description")?,
            text("purpose")?,
            text("owner")?,
        ];
        let searched = search_text_of(parts);
        let tokens = search_tokens(TenantId::from_uuid(*tenant_id), &searched);
        self.text.push(vec![id.clone(), Value::Words(tokens)]);
        Some(searched)
    }

    async fn insert(self, transaction: &mut Transaction) -> Result<(), SnapshotError> {
        let all: [(&'static RowsText, &'static str, _); 3] = [
            (&INSERT_TAGS, "key_tags", self.tags),
            (&INSERT_LABELS, "key_labels", self.labels),
            (&INSERT_TEXT, "key_text", self.text),
        ];
        for (insert, table, rows) in all {
            for (text, values) in insert.over(transaction.dialect(), rows) {
                let written = transaction.execute(text, values).await;
                written.map_err(failed(table))?;
            }
        }
        Ok(())
    }
}

/// What can only be done when all of a table's rows are there.
async fn complete(
    transaction: &mut Transaction,
    table: &'static Table,
) -> Result<(), SnapshotError> {
    let text = match (table.name, transaction.dialect()) {
        ("tokens", Dialect::Postgres) => {
            "INSERT INTO tokens SELECT * FROM arriving_tokens".to_owned()
        }
        ("key_versions", _) => {
            let of_primary = "FROM key_versions v \
                              WHERE v.key_id = keys.id AND v.version = keys.primary_version";
            let mut text = String::from("UPDATE keys SET ");
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "primary_state = (SELECT v.state {of_primary}), \
                 primary_expires_at = (SELECT v.expires_at {of_primary})"
            );
            text
        }
        _ => return Ok(()),
    };
    let done = transaction.execute(text, vec![]).await;
    done.map(drop).map_err(failed(table.name))
}
