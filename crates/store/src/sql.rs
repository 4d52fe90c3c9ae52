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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_parameters_are_numbered_through() {
        assert_eq!(value_rows(1, 2), "($1, $2)");
        assert_eq!(value_rows(2, 3), "($1, $2, $3), ($4, $5, $6)");
    }

    #[test]
    fn chunks_cover_every_row_with_few_sizes() {
        assert_eq!(chunk_sizes(0, 64), Vec::<usize>::new());
        assert_eq!(chunk_sizes(1, 64), [1]);
        assert_eq!(chunk_sizes(150, 64), [64, 64, 16, 4, 2]);
        for rows in 0..300 {
            let sizes = chunk_sizes(rows, 64);
            assert_eq!(sizes.iter().sum::<usize>(), rows);
            assert!(sizes.iter().all(|size| size.is_power_of_two()));
        }
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
