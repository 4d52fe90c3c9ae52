//! A row read from either database, column after column in the order in which a noun's codec
//! lists them. What cannot be read as what it should be is named, never guessed.

use keyward_core::noun::tenant::Digest;
use keyward_core::port::registry::RegistryError;
use keyward_core::time::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::value::{Instant, JsonText};

#[derive(Clone, Copy)]
enum Source<'r> {
    Lite(&'r SqliteRow),
    Pg(&'r PgRow),
}

/// The columns of a row, taken one after the other.
pub(crate) struct Cells<'r> {
    source: Source<'r>,
    next: usize,
    table: &'static str,
}

/// Decodes the next column from whichever database it came.
macro_rules! take {
    ($cells:expr, $column:expr, $kind:ty) => {{
        let index = $cells.next;
        $cells.next += 1;
        match $cells.source {
            Source::Lite(row) => row.try_get_unchecked::<Option<$kind>, _>(index),
            Source::Pg(row) => row.try_get_unchecked::<Option<$kind>, _>(index),
        }
        .map_err(|_| $cells.damaged($column))
    }};
}

impl<'r> Cells<'r> {
    pub(crate) const fn lite(row: &'r SqliteRow) -> Self {
        Self {
            source: Source::Lite(row),
            next: 0,
            table: "registry",
        }
    }

    pub(crate) const fn pg(row: &'r PgRow) -> Self {
        Self {
            source: Source::Pg(row),
            next: 0,
            table: "registry",
        }
    }

    /// Names the table that the next columns are of, for errors.
    pub(crate) const fn of(&mut self, table: &'static str) {
        self.table = table;
    }

    /// The error for a column that cannot be what it is.
    pub(crate) const fn damaged(&self, what: &'static str) -> RegistryError {
        RegistryError::Damaged {
            table: self.table,
            what,
        }
    }

    fn present<T>(&self, column: &'static str, value: Option<T>) -> Result<T, RegistryError> {
        value.ok_or_else(|| self.damaged(column))
    }

    pub(crate) fn opt_uuid(&mut self, column: &'static str) -> Result<Option<Uuid>, RegistryError> {
        take!(self, column, Uuid)
    }

    pub(crate) fn uuid(&mut self, column: &'static str) -> Result<Uuid, RegistryError> {
        let value = self.opt_uuid(column)?;
        self.present(column, value)
    }

    pub(crate) fn opt_text(
        &mut self,
        column: &'static str,
    ) -> Result<Option<String>, RegistryError> {
        take!(self, column, String)
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<String, RegistryError> {
        let value = self.opt_text(column)?;
        self.present(column, value)
    }

    pub(crate) fn opt_int(&mut self, column: &'static str) -> Result<Option<i64>, RegistryError> {
        take!(self, column, i64)
    }

    pub(crate) fn int(&mut self, column: &'static str) -> Result<i64, RegistryError> {
        let value = self.opt_int(column)?;
        self.present(column, value)
    }

    pub(crate) fn opt_int4(&mut self, column: &'static str) -> Result<Option<i32>, RegistryError> {
        take!(self, column, i32)
    }

    pub(crate) fn int4(&mut self, column: &'static str) -> Result<i32, RegistryError> {
        let value = self.opt_int4(column)?;
        self.present(column, value)
    }

    pub(crate) fn flag(&mut self, column: &'static str) -> Result<bool, RegistryError> {
        let value = take!(self, column, bool)?;
        self.present(column, value)
    }

    pub(crate) fn opt_time(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, RegistryError> {
        Ok(take!(self, column, Instant)?.map(|instant| instant.0))
    }

    pub(crate) fn time(&mut self, column: &'static str) -> Result<Timestamp, RegistryError> {
        let value = self.opt_time(column)?;
        self.present(column, value)
    }

    pub(crate) fn opt_bytes(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        take!(self, column, Vec<u8>)
    }

    pub(crate) fn opt_digest(
        &mut self,
        column: &'static str,
    ) -> Result<Option<Digest>, RegistryError> {
        let bytes = self.opt_bytes(column)?;
        bytes
            .map(|bytes| Digest::from_slice(&bytes).ok_or_else(|| self.damaged(column)))
            .transpose()
    }

    pub(crate) fn digest(&mut self, column: &'static str) -> Result<Digest, RegistryError> {
        let value = self.opt_digest(column)?;
        self.present(column, value)
    }

    /// A name, a state, an algorithm: anything that is read from its text.
    pub(crate) fn opt_parsed<T: std::str::FromStr>(
        &mut self,
        column: &'static str,
    ) -> Result<Option<T>, RegistryError> {
        let text = self.opt_text(column)?;
        text.map(|text| text.parse().map_err(|_| self.damaged(column)))
            .transpose()
    }

    pub(crate) fn parsed<T: std::str::FromStr>(
        &mut self,
        column: &'static str,
    ) -> Result<T, RegistryError> {
        let value = self.opt_parsed(column)?;
        self.present(column, value)
    }

    /// The text of a JSON column.
    pub(crate) fn opt_json_text(
        &mut self,
        column: &'static str,
    ) -> Result<Option<String>, RegistryError> {
        let index = self.next;
        self.next += 1;
        match self.source {
            Source::Lite(row) => row.try_get_unchecked::<Option<String>, _>(index),
            Source::Pg(row) => row
                .try_get_unchecked::<Option<JsonText>, _>(index)
                .map(|json| json.map(|json| json.0)),
        }
        .map_err(|_| self.damaged(column))
    }

    pub(crate) fn opt_json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
    ) -> Result<Option<T>, RegistryError> {
        let text = self.opt_json_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| self.damaged(column)))
            .transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
    ) -> Result<T, RegistryError> {
        let value = self.opt_json(column)?;
        self.present(column, value)
    }
}
