//! The log as a table in Apache Parquet, for those who ask it questions with their own tools. Written here, from
//! lines of JSON; compressed with Zstandard.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_core::time::Timestamp;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::Deserialize;
use serde_json::Value;

use crate::exit::Failure;
use crate::private_file::{NewFile, PrivateFileError};

/// The form's name, beside those that the server gives.
pub const PARQUET: &str = "parquet";
/// The largest part of a table that is held in memory, by entries and by bytes of their lines.
const GROUP_ROWS: usize = 50_000;
const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// What compresses well enough and fast.
const LEVEL: i32 = 3;

/// The columns, in the order in which they are written.
const COLUMNS: &str = "message entry {
    required int64 sequence;
    required int64 time (TIMESTAMP(MICROS, true));
    required binary node (STRING);
    optional binary tenant (STRING);
    optional binary principal (STRING);
    optional binary token (STRING);
    optional binary address (STRING);
    required binary authentication (STRING);
    required binary action (STRING);
    required binary resource_kind (STRING);
    optional binary resource_id (STRING);
    optional binary resource_name (STRING);
    optional int64 resource_version;
    required binary outcome (STRING);
    optional binary reason (STRING);
    required binary correlation_id (STRING);
    optional int64 revision;
    optional int64 change;
    optional binary details (STRING);
    optional binary used (STRING);
    optional binary signature (STRING);
    optional binary as_logged (STRING);
}";

/// A line of JSON, as the server exports it. Names are not judged: a later server knows more of them.
#[derive(Deserialize)]
struct Row {
    sequence: u64,
    time: Timestamp,
    node: String,
    tenant: Option<String>,
    actor: Actor,
    action: String,
    resource: Resource,
    outcome: String,
    reason: Option<String>,
    correlation_id: String,
    revision: Option<i64>,
    change: Option<i64>,
    details: Option<Value>,
    used: Option<Value>,
    signature: Option<String>,
    as_logged: Option<Value>,
}

#[derive(Deserialize)]
struct Actor {
    principal: Option<String>,
    token: Option<String>,
    address: Option<String>,
    authentication: String,
}

#[derive(Deserialize)]
struct Resource {
    kind: String,
    id: Option<String>,
    name: Option<String>,
    version: Option<i64>,
}

/// The table, under no name before it is whole.
pub struct Table {
    path: PathBuf,
    writer: SerializedFileWriter<Out>,
    rows: Vec<Row>,
    bytes: usize,
}

/// What the table's bytes go through.
struct Out(NewFile);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Table {
    /// Begins a table where nothing is yet.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let told = |error: ParquetError| Failure::local(error).about(path.display());
        let file = NewFile::begin(path).map_err(local)?;
        let columns = Arc::new(parse_message_type(COLUMNS).map_err(told)?);
        let level = ZstdLevel::try_new(LEVEL).map_err(told)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(format!("keyward {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = SerializedFileWriter::new(Out(file), columns, Arc::new(properties));
        Ok(Self {
            path: path.to_owned(),
            writer: writer.map_err(told)?,
            rows: Vec::new(),
            bytes: 0,
        })
    }

    /// One entry more.
    pub fn add(&mut self, line: &str) -> Result<(), Failure> {
        let row = serde_json::from_str(line);
        let row = row.map_err(|error| Failure::local(error).about("an entry from the server"))?;
        self.rows.push(row);
        self.bytes += line.len();
        if self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.group()?;
        }
        Ok(())
    }

    /// Writes what is held in memory.
    fn group(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let written = self.writer.next_row_group().and_then(|mut group| {
            put_all(&mut group, &rows)?;
            group.close()
        });
        written.map_err(|error| Failure::local(error).about(self.path.display()))?;
        Ok(())
    }

    /// Gives it its name, when it is whole and durable.
    pub fn finish(mut self) -> Result<(), Failure> {
        if !self.rows.is_empty() {
            self.group()?;
        }
        let path = self.path.display();
        let written = self.writer.into_inner();
        let Out(file) = written.map_err(|error| Failure::local(error).about(path))?;
        file.finish().map_err(local)
    }
}

fn local(error: PrivateFileError) -> Failure {
    Failure::local(error)
}

type Group<'a> = SerializedRowGroupWriter<'a, Out>;

/// The columns of a group, in the order of [`COLUMNS`].
fn put_all(group: &mut Group<'_>, rows: &[Row]) -> Result<(), ParquetError> {
    required::<Int64Type>(group, rows.iter().map(|it| it.sequence as i64))?;
    required::<Int64Type>(group, rows.iter().map(|it| it.time.as_micros()))?;
    texts(group, rows, |it| &it.node)?;
    optional_texts(group, rows, |it| it.tenant.as_ref())?;
    optional_texts(group, rows, |it| it.actor.principal.as_ref())?;
    optional_texts(group, rows, |it| it.actor.token.as_ref())?;
    optional_texts(group, rows, |it| it.actor.address.as_ref())?;
    texts(group, rows, |it| &it.actor.authentication)?;
    texts(group, rows, |it| &it.action)?;
    texts(group, rows, |it| &it.resource.kind)?;
    optional_texts(group, rows, |it| it.resource.id.as_ref())?;
    optional_texts(group, rows, |it| it.resource.name.as_ref())?;
    optional::<Int64Type>(group, rows.iter().map(|it| it.resource.version))?;
    texts(group, rows, |it| &it.outcome)?;
    optional_texts(group, rows, |it| it.reason.as_ref())?;
    texts(group, rows, |it| &it.correlation_id)?;
    optional::<Int64Type>(group, rows.iter().map(|it| it.revision))?;
    optional::<Int64Type>(group, rows.iter().map(|it| it.change))?;
    optional::<ByteArrayType>(group, rows.iter().map(|it| json(it.details.as_ref())))?;
    optional::<ByteArrayType>(group, rows.iter().map(|it| json(it.used.as_ref())))?;
    optional_texts(group, rows, |it| it.signature.as_ref())?;
    optional::<ByteArrayType>(group, rows.iter().map(|it| json(it.as_logged.as_ref())))
}

fn json(value: Option<&Value>) -> Option<ByteArray> {
    value.map(|value| ByteArray::from(value.to_string().into_bytes()))
}

fn texts(
    group: &mut Group<'_>,
    rows: &[Row],
    of: impl Fn(&Row) -> &String,
) -> Result<(), ParquetError> {
    required::<ByteArrayType>(group, rows.iter().map(|it| of(it).as_str().into()))
}

fn optional_texts(
    group: &mut Group<'_>,
    rows: &[Row],
    of: impl Fn(&Row) -> Option<&String>,
) -> Result<(), ParquetError> {
    let values = rows
        .iter()
        .map(|it| of(it).map(|text| text.as_str().into()));
    optional::<ByteArrayType>(group, values)
}

fn required<T: DataType>(
    group: &mut Group<'_>,
    values: impl Iterator<Item = T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = values.collect();
    put::<T>(group, &values, None)
}

/// What is not there has no value, and is told by its level.
fn optional<T: DataType>(
    group: &mut Group<'_>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    put::<T>(group, &present, Some(&levels))
}

fn put<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("a column too many".to_owned()));
    };
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    fn line(sequence: usize) -> String {
        format!(
            r#"{{"sequence":{sequence},"time":"2026-11-18T11:06:40.000000Z","node":"n","actor":{{"authentication":"system"}},"action":"key.encrypt","resource":{{"kind":"key"}},"outcome":"ok","correlation_id":"c"}}"#
        )
    }

    #[test]
    fn a_table_is_written_in_bounded_groups_and_has_no_name_before_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log.parquet");
        let mut table = Table::create(&path).unwrap();
        for sequence in 1..=GROUP_ROWS + 1 {
            table.add(&line(sequence)).unwrap();
            assert!(table.rows.len() < GROUP_ROWS);
        }
        assert!(!path.exists());
        table.finish().unwrap();
        let read = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let groups = read.metadata().row_groups();
        let rows: Vec<i64> = groups.iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(rows, [GROUP_ROWS as i64, 1]);
        // What was not finished leaves nothing.
        let other = place.path().join("other.parquet");
        let mut table = Table::create(&other).unwrap();
        table.add(&line(1)).unwrap();
        assert!(table.add("no entry").is_err());
        drop(table);
        let left = std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(left, 1);
    }
}
