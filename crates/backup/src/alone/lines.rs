//! The lines of a snapshot with those rows that are brought along and no others: what is not passes
//! through memory and never reaches a disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_core::change::Write;
use keyward_core::ids::TenantId;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSink, SnapshotSource};
use keyward_core::snapshot::{Part, SnapshotReader, SnapshotWriter};
use serde_json::Value;
use uuid::Uuid;

use super::facets::{Kind, Table};
use super::selection::{Scope, Selection};

/// Columns that name a token.
const TOKENS: [&str; 3] = ["created_by", "rotated_by", "token_id"];

/// Lines on their way from the writer to whoever reads.
#[derive(Clone, Default)]
pub(crate) struct Belt(Arc<Mutex<VecDeque<String>>>);

impl Belt {
    fn take(&self) -> Option<String> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.pop_front()
    }
}

#[async_trait]
impl SnapshotSink for Belt {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(lines);
        Ok(())
    }
}

/// Reads a snapshot and gives another, of what is brought along.
pub(crate) struct SelectedLines<'a> {
    reader: SnapshotReader<'a>,
    /// None once the last line was written.
    writer: Option<SnapshotWriter<'a>>,
    belt: Belt,
    table: Option<Table>,
    selection: &'a Selection,
}

impl<'a> SelectedLines<'a> {
    /// `sink` is the belt once more: what the writer holds.
    pub(crate) async fn begin(
        lines: &'a mut dyn SnapshotSource,
        belt: &Belt,
        sink: &'a mut Belt,
        selection: &'a Selection,
    ) -> Result<Self, SnapshotError> {
        let reader = SnapshotReader::begin(lines).await?;
        let writer = SnapshotWriter::begin(sink, reader.header().clone()).await?;
        Ok(Self {
            reader,
            writer: Some(writer),
            belt: belt.clone(),
            table: None,
            selection,
        })
    }

    /// Passes on what stands next, if it is brought along.
    async fn go_on(&mut self) -> Result<(), SnapshotError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        match self.reader.next().await? {
            Part::Table { name, columns } => {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                writer.table(&name, &names).await?;
                let table = Table::new(name, columns);
                let unknown = || {
                    self.reader
                        .malformed("a table that this program does not know")
                };
                self.table = Some(table.ok_or_else(unknown)?);
            }
            Part::Row(line) => {
                let table = self.table.as_ref();
                let kept = table.and_then(|table| selected(self.selection, table, &line));
                let kept =
                    kept.ok_or_else(|| self.reader.malformed("a row that cannot be read"))?;
                if let Some(line) = kept {
                    writer.row(&line).await?;
                }
            }
            Part::TableEnd => writer.end_table().await?,
            Part::End(_) => {
                if let Some(writer) = self.writer.take() {
                    writer.finish().await?;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SnapshotSource for SelectedLines<'_> {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        loop {
            if let Some(lines) = self.belt.take() {
                return Ok(Some(lines));
            }
            if self.writer.is_none() {
                return Ok(None);
            }
            self.go_on().await?;
        }
    }
}

/// The row as it is brought along, or that it is not; none if it cannot be read.
#[allow(
    clippy::option_option,
    reason = "unreadable, left out, or brought along"
)]
fn selected(selection: &Selection, table: &Table, line: &str) -> Option<Option<String>> {
    let mut values: Vec<Value> = serde_json::from_str(line).ok()?;
    match table.name.as_str() {
        // The numbers of revisions and changes go on.
        "feed" => return Some(Some(line.to_owned())),
        "tenant_feed" => {
            let of = uuid(values.get(table.place("tenant_id")?)?)?;
            let is_kept = of.is_none_or(|of| TenantId::from_uuid(of) == selection.tenant);
            return Some(is_kept.then(|| line.to_owned()));
        }
        "changes" => return change(selection, table, values),
        _ => {}
    }
    let row = table.facets(&values)?;
    if !selection.keeps(&row) {
        return Some(None);
    }
    for column in TOKENS {
        forget(&mut values, table.place(column), |id| {
            selection.has_token(id)
        })?;
    }
    if table.kind == Kind::Transition {
        let place = table.place("principal_id");
        forget(&mut values, place, |id| selection.has_principal(id))?;
    }
    serde_json::to_string(&values).ok().map(Some)
}

/// A change of the outbox: a whole tenant brings its own along.
#[allow(
    clippy::option_option,
    reason = "unreadable, left out, or brought along"
)]
fn change(selection: &Selection, table: &Table, mut values: Vec<Value>) -> Option<Option<String>> {
    let of = uuid(values.get(table.place("tenant_id")?)?)?;
    let is_own = of.is_some_and(|of| TenantId::from_uuid(of) == selection.tenant);
    if !is_own || selection.scope != Scope::Whole {
        return Some(None);
    }
    let place = values.get_mut(table.place("writes")?)?;
    let writes: Vec<Write> = serde_json::from_value(place.take()).ok()?;
    *place = serde_json::to_value(selection.writes(writes)).ok()?;
    serde_json::to_string(&values).ok().map(Some)
}

/// Takes away an id that is not known.
fn forget(
    values: &mut [Value],
    place: Option<usize>,
    is_known: impl Fn(Uuid) -> bool,
) -> Option<()> {
    let Some(place) = place else {
        return Some(());
    };
    let value = values.get_mut(place)?;
    if uuid(value)?.is_some_and(|id| !is_known(id)) {
        *value = Value::Null;
    }
    Some(())
}

#[allow(clippy::option_option, reason = "unreadable, null, or an id")]
fn uuid(value: &Value) -> Option<Option<Uuid>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Uuid::parse_str(text).ok().map(Some),
        _ => None,
    }
}
