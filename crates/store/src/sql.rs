//! Statement text. Everything that reaches a database is either a `'static` text or was put
//! together by [`Statement`] from `'static` pieces; what users sent is only ever bound.

use std::sync::OnceLock;

use crate::db::{Bound, Dialect};
use crate::value::Value;

/// A statement text made once, of pieces known at compile time, and kept for the process's life.
macro_rules! sql {
    ($($piece:tt)+) => {{
        static TEXT: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| format!($($piece)+));
        TEXT.as_str()
    }};
}
pub(crate) use sql;

/// A statement whose shape depends on the request.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
        }
    }

    /// Appends a piece of text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a value as the next parameter.
    pub(crate) fn bind(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// The text and what to bind.
    pub(crate) fn finish(self) -> (String, Vec<Value>) {
        (self.text, self.values)
    }
}

/// So many rows are written in one statement: few distinct ones, so that few are prepared, and close
/// enough together that up to 64 rows take three statements at most. 64 rows of 40 columns stay far
/// below either database's limit of parameters.
const SIZES: [usize; 12] = [64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1];

/// The rows of one statement: a place in [`SIZES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk(usize);

impl Chunk {
    /// One row alone.
    pub(crate) const ONE: Self = Self(SIZES.len() - 1);

    /// The chunks that so many rows are written in, the largest first.
    pub(crate) fn of(rows: usize) -> impl Iterator<Item = Self> {
        let mut left = rows;
        std::iter::from_fn(move || {
            let place = SIZES.iter().position(|size| *size <= left)?;
            left -= SIZES[place];
            Some(Self(place))
        })
    }

    pub(crate) const fn rows(self) -> usize {
        SIZES[self.0]
    }
}

/// A statement over several rows of values. Its text is made once for each database and size.
pub(crate) struct RowsText {
    make: fn(Dialect, usize) -> String,
    lite: [OnceLock<String>; SIZES.len()],
    pg: [OnceLock<String>; SIZES.len()],
}

impl RowsText {
    /// `make` writes the text for so many rows.
    pub(crate) const fn new(make: fn(Dialect, usize) -> String) -> Self {
        Self {
            make,
            lite: [const { OnceLock::new() }; SIZES.len()],
            pg: [const { OnceLock::new() }; SIZES.len()],
        }
    }

    /// The statement over a chunk of rows.
    pub(crate) fn text(&'static self, dialect: Dialect, chunk: Chunk) -> &'static str {
        let texts = match dialect {
            Dialect::Sqlite => &self.lite,
            Dialect::Postgres => &self.pg,
        };
        texts[chunk.0].get_or_init(|| (self.make)(dialect, chunk.rows()))
    }

    /// The statements over these rows, with what each binds.
    pub(crate) fn over(
        &'static self,
        dialect: Dialect,
        rows: Vec<Vec<Value>>,
    ) -> impl Iterator<Item = Bound> {
        let chunks = Chunk::of(rows.len());
        let mut rows = rows.into_iter();
        chunks.map(move |chunk| {
            let values = rows.by_ref().take(chunk.rows()).flatten().collect();
            (self.text(dialect, chunk), values)
        })
    }
}

/// The parameters of `rows` rows of `columns` values, each used once and in order.
///
/// For `PostgreSQL` they are numbered: `($1, $2), ($3, $4)`. For `SQLite` they are plain: `(?, ?)`.
/// There `$1` and `?1` are names, kept in a list that is searched from its beginning for every
/// parameter, by the parser and by the driver at each execution: the cost of many is their square.
/// (`sqlite3VListNumToName` in `SQLite`'s `util.c`; <https://www.sqlite.org/c3ref/bind_parameter_name.html>:
/// "parameters of the form `?` without a following integer have no name".)
pub(crate) fn value_rows(dialect: Dialect, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            if column > 0 {
                text.push_str(", ");
            }
            match dialect {
                Dialect::Sqlite => text.push('?'),
                Dialect::Postgres => {
                    text.push('$');
                    text.push_str(&(row * columns + column + 1).to_string());
                }
            }
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_parameters_are_numbered_through_or_without_a_name() {
        assert_eq!(value_rows(Dialect::Postgres, 1, 2), "($1, $2)");
        let numbered = value_rows(Dialect::Postgres, 2, 3);
        assert_eq!(numbered, "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(value_rows(Dialect::Sqlite, 2, 3), "(?, ?, ?), (?, ?, ?)");
    }

    #[test]
    fn chunks_cover_every_row_with_few_sizes() {
        let sizes = |rows| Chunk::of(rows).map(Chunk::rows).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(150), [64, 64, 16, 6]);
        for rows in 0..300 {
            assert_eq!(sizes(rows).iter().sum::<usize>(), rows);
            assert!(sizes(rows).len() <= rows / 64 + 3);
        }
    }

    #[test]
    fn statements_over_rows_bind_every_row_once_and_are_made_once() {
        static TEXT: RowsText = RowsText::new(|dialect, rows| value_rows(dialect, rows, 1));
        let rows: Vec<Vec<Value>> = (0..7).map(|n| vec![Value::Int(Some(n))]).collect();
        let statements: Vec<_> = TEXT.over(Dialect::Sqlite, rows.clone()).collect();
        let texts: Vec<&str> = statements.iter().map(|(text, _)| *text).collect();
        assert_eq!(texts, ["(?), (?), (?), (?), (?), (?)", "(?)"]);
        let bound: Vec<Value> = statements.iter().flat_map(|(_, v)| v.clone()).collect();
        assert_eq!(bound, rows.concat());
        let again: Vec<_> = TEXT.over(Dialect::Sqlite, rows).collect();
        assert!(std::ptr::eq(statements[0].0, again[0].0));
    }

    #[test]
    fn a_statement_numbers_what_it_binds() {
        let mut statement = Statement::new("SELECT 1 WHERE a = ");
        statement
            .bind(Value::Int(Some(1)))
            .push(" AND b = ")
            .bind(Value::Flag(true));
        let (text, values) = statement.finish();
        assert_eq!(text, "SELECT 1 WHERE a = $1 AND b = $2");
        assert_eq!(values, [Value::Int(Some(1)), Value::Flag(true)]);
    }
}
