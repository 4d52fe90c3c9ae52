//! The text of a registry snapshot: the same lines whichever database they come from. Written down
//! for others in `docs/formats/registry-snapshot.md`. Knows no SQL and no table by name.
//!
//! ```text
//! {"snapshot":1,"schema":…,"coverage":"backup","deployment":"…","revision":…,"committed_at":"…"}
//! {"table":"tenants","columns":["created_at","description",…]}
//! [1800000000000000,"Records of patients",…]
//! {"end":"tenants","rows":1,"digest":"…"}
//! …
//! {"end_of_snapshot":true,"tables":…,"rows":…,"digest":"…"}
//! ```

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use keyward_crypto::digest::Sha256;

use crate::noun::tenant::Digest;
use crate::port::snapshot::{SnapshotError, SnapshotSink, SnapshotSource};
use crate::text_enum;
use crate::time::Timestamp;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Lines are passed on when so many bytes have gathered.
const BATCH_BYTES: usize = 256 * 1024;

text_enum! {
    /// How much a snapshot holds.
    pub enum Coverage {
        /// What a restore brings back.
        Backup => "backup",
        /// That, and what only the same deployment going on elsewhere needs: counters of usage, how
        /// far journals were counted, requests seen before.
        Whole => "whole",
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotHeader {
    /// The format's version.
    pub snapshot: u32,
    /// The schema of the registry.
    pub schema: i64,
    /// How much it holds.
    pub coverage: Coverage,
    /// Of which deployment.
    pub deployment: Uuid,
    /// At which revision.
    pub revision: i64,
    /// The commit time of that revision.
    pub committed_at: Timestamp,
}

/// What one table came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDigest {
    /// The table.
    #[serde(rename = "end")]
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 of the lines of its rows, line feeds included.
    pub digest: Digest,
}

/// What a whole snapshot came to. Two databases hold the same when these are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotSummary {
    /// The first line.
    pub header: SnapshotHeader,
    /// Each table, in order.
    pub tables: Vec<TableDigest>,
    /// How many rows in all.
    pub rows: u64,
    /// SHA-256 of every line before the last.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableHead {
    table: String,
    columns: Vec<String>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    end_of_snapshot: bool,
    tables: u64,
    rows: u64,
    digest: Digest,
}

/// What both ends count while lines go by.
struct Tally {
    header: SnapshotHeader,
    tables: Vec<TableDigest>,
    whole: Sha256,
    table: Option<(String, u64, Sha256)>,
}

impl Tally {
    fn new(header: SnapshotHeader) -> Self {
        Self {
            header,
            tables: Vec::new(),
            whole: Sha256::new(),
            table: None,
        }
    }

    fn row(&mut self, line: &str) {
        if let Some((_, rows, digest)) = &mut self.table {
            *rows += 1;
            digest.update(line.as_bytes());
            digest.update(b"\n");
        }
    }

    fn line(&mut self, line: &str) {
        self.whole.update(line.as_bytes());
        self.whole.update(b"\n");
    }

    fn end_table(&mut self) -> Option<TableDigest> {
        let (table, rows, digest) = self.table.take()?;
        let digest = Digest(digest.finish());
        let end = TableDigest {
            table,
            rows,
            digest,
        };
        self.tables.push(end.clone());
        Some(end)
    }

    fn finish(self) -> SnapshotSummary {
        let rows = self.tables.iter().map(|table| table.rows).sum();
        SnapshotSummary {
            header: self.header,
            tables: self.tables,
            rows,
            digest: Digest(self.whole.finish()),
        }
    }
}

fn last_line(summary: &SnapshotSummary) -> LastLine {
    LastLine {
        end_of_snapshot: true,
        tables: summary.tables.len() as u64,
        rows: summary.rows,
        digest: summary.digest,
    }
}

/// Writes a snapshot, line by line.
pub struct SnapshotWriter<'a> {
    sink: &'a mut dyn SnapshotSink,
    batch: String,
    tally: Tally,
}

impl<'a> SnapshotWriter<'a> {
    /// Begins with the first line.
    pub async fn begin(
        sink: &'a mut dyn SnapshotSink,
        header: SnapshotHeader,
    ) -> Result<Self, SnapshotError> {
        let text = json(&header)?;
        let tally = Tally::new(header);
        let batch = String::with_capacity(BATCH_BYTES + 4096);
        let mut writer = Self { sink, batch, tally };
        writer.line(&text).await?;
        Ok(writer)
    }

    /// Begins a table.
    pub async fn table(&mut self, name: &str, columns: &[&str]) -> Result<(), SnapshotError> {
        let head = TableHead {
            table: name.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        };
        self.line(&json(&head)?).await?;
        self.tally.table = Some((name.to_owned(), 0, Sha256::new()));
        Ok(())
    }

    /// A row of the table: a JSON array without line feeds.
    pub async fn row(&mut self, line: &str) -> Result<(), SnapshotError> {
        self.tally.row(line);
        self.line(line).await
    }

    /// Ends the table.
    pub async fn end_table(&mut self) -> Result<(), SnapshotError> {
        if let Some(end) = self.tally.end_table() {
            self.line(&json(&end)?).await?;
        }
        Ok(())
    }

    /// Writes the last line.
    pub async fn finish(self) -> Result<SnapshotSummary, SnapshotError> {
        let Self {
            sink,
            mut batch,
            tally,
        } = self;
        let summary = tally.finish();
        batch.push_str(&json(&last_line(&summary))?);
        batch.push('\n');
        sink.put(batch).await?;
        Ok(summary)
    }

    async fn line(&mut self, line: &str) -> Result<(), SnapshotError> {
        self.tally.line(line);
        self.batch.push_str(line);
        self.batch.push('\n');
        if self.batch.len() < BATCH_BYTES {
            return Ok(());
        }
        let fresh = String::with_capacity(BATCH_BYTES + 4096);
        let full = std::mem::replace(&mut self.batch, fresh);
        self.sink.put(full).await
    }
}

/// What stands next in a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A table begins.
    Table {
        /// Its name.
        name: String,
        /// Its columns, in the order of the rows' values.
        columns: Vec<String>,
    },
    /// A row of it: a JSON array.
    Row(String),
    /// The table ends; its rows were what its last line says.
    TableEnd,
    /// The snapshot ends; everything was what its last line says.
    End(SnapshotSummary),
}

/// Reads a snapshot, line by line, and refuses what is not as it was written.
pub struct SnapshotReader<'a> {
    source: &'a mut dyn SnapshotSource,
    batch: String,
    at: usize,
    line: u64,
    tally: Tally,
}

impl<'a> SnapshotReader<'a> {
    /// Reads the first line.
    pub async fn begin(source: &'a mut dyn SnapshotSource) -> Result<Self, SnapshotError> {
        let empty = SnapshotHeader {
            snapshot: FORMAT,
            schema: 0,
            coverage: Coverage::Backup,
            deployment: Uuid::nil(),
            revision: 0,
            committed_at: Timestamp::from_micros(0),
        };
        let mut reader = Self {
            source,
            batch: String::new(),
            at: 0,
            line: 0,
            tally: Tally::new(empty),
        };
        let first = reader.next_line().await?;
        let header: SnapshotHeader = reader.parse(&first, "the first line is no header")?;
        if header.snapshot != FORMAT {
            return Err(reader.malformed("it is of a format that this program does not know"));
        }
        reader.tally.header = header;
        reader.tally.line(&first);
        Ok(reader)
    }

    /// The first line.
    pub const fn header(&self) -> &SnapshotHeader {
        &self.tally.header
    }

    /// What stands next.
    pub async fn next(&mut self) -> Result<Part, SnapshotError> {
        let line = self.next_line().await?;
        if self.tally.table.is_some() {
            if line.starts_with('[') {
                self.tally.row(&line);
                self.tally.line(&line);
                return Ok(Part::Row(line));
            }
            let end: TableDigest = self.parse(&line, "neither a row nor the end of a table")?;
            if self.tally.end_table().as_ref() != Some(&end) {
                return Err(self.malformed("the table's rows are not those that were written"));
            }
            self.tally.line(&line);
            return Ok(Part::TableEnd);
        }
        if let Ok(last) = serde_json::from_str::<LastLine>(&line) {
            return self.end(&last).await;
        }
        let head: TableHead = self.parse(&line, "neither a table nor the end")?;
        self.tally.line(&line);
        self.tally.table = Some((head.table.clone(), 0, Sha256::new()));
        Ok(Part::Table {
            name: head.table,
            columns: head.columns,
        })
    }

    /// The last line, behind which nothing stands.
    async fn end(&mut self, last: &LastLine) -> Result<Part, SnapshotError> {
        let header = self.tally.header.clone();
        let summary = std::mem::replace(&mut self.tally, Tally::new(header)).finish();
        if *last != last_line(&summary) {
            return Err(self.malformed("the snapshot is not the one that was written"));
        }
        if self.more().await? {
            return Err(self.malformed("something follows the end"));
        }
        Ok(Part::End(summary))
    }

    /// An error that names the present line.
    pub const fn malformed(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Malformed {
            line: self.line,
            what,
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(
        &self,
        line: &str,
        what: &'static str,
    ) -> Result<T, SnapshotError> {
        serde_json::from_str(line).map_err(|_| self.malformed(what))
    }

    /// Whether there is another line; asks the source for it if need be.
    async fn more(&mut self) -> Result<bool, SnapshotError> {
        while self.at >= self.batch.len() {
            let Some(batch) = self.source.next().await? else {
                return Ok(false);
            };
            (self.batch, self.at) = (batch, 0);
        }
        Ok(true)
    }

    async fn next_line(&mut self) -> Result<String, SnapshotError> {
        if !self.more().await? {
            self.line += 1;
            return Err(self.malformed("it ends before its end"));
        }
        self.line += 1;
        let rest = &self.batch[self.at..];
        let Some((line, _)) = rest.split_once('\n') else {
            return Err(self.malformed("a line is cut"));
        };
        let line = line.to_owned();
        self.at += line.len() + 1;
        Ok(line)
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, SnapshotError> {
    serde_json::to_string(value).map_err(|_| SnapshotError::Passage {
        cause: "a line could not be written".to_owned(),
    })
}
