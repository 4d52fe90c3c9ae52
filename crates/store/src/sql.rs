//! Statement text. Everything that reaches a database is either a `'static` text or was put
//! together by [`Statement`] from `'static` pieces; what users sent is only ever bound.

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
        Self { text: text.to_owned(), values: Vec::new() }
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

/// `($1, $2), ($3, $4)`: the parameters of `rows` rows of `columns` values.
pub(crate) fn value_rows(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            if column > 0 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&(row * columns + column + 1).to_string());
        }
        text.push(')');
    }
    text
}

/// Splits rows into powers of two, so that few distinct statements are prepared.
pub(crate) fn chunk_sizes(rows: usize, largest: usize) -> Vec<usize> {
    let mut sizes = vec![largest; rows / largest];
    let mut left = rows % largest;
    let mut size = largest / 2;
    while left > 0 {
        if left >= size {
            sizes.push(size);
            left -= size;
        }
        size /= 2;
    }
    sizes
}
