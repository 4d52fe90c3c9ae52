//! What a search asks of a block of entries, whether it is a file or still in memory.

use std::io::{self, ErrorKind};

use crate::index::field::Field;
use crate::index::rows::Rows;
use crate::reader::Place;

/// The rows that have a term.
pub(super) enum Posting {
    /// A list, ascending.
    Few(Vec<u16>),
    /// A set.
    Many(Rows),
}

impl Posting {
    /// As a set.
    pub(super) fn into_rows(self, size: u32) -> Rows {
        match self {
            Self::Few(list) => Rows::of(size, list),
            Self::Many(rows) => rows,
        }
    }

    /// Visits those that are in a set as well.
    pub(super) fn each_in(&self, rows: &Rows, mut visit: impl FnMut(u16)) {
        match self {
            Self::Few(list) => list
                .iter()
                .filter(|row| rows.has(**row))
                .for_each(|row| visit(*row)),
            Self::Many(many) => {
                let mut both = many.clone();
                both.keep(rows);
                both.iter().for_each(visit);
            }
        }
    }
}

/// Whether an error says that what was read is not what should be there. Any other, such as too many open
/// files, says nothing of it: the same may be read a moment later.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData
            | ErrorKind::UnexpectedEof
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory
    )
}

/// A block. An error means that it cannot be used now; if [`is_damage`], it is to be made again.
pub(super) trait Block {
    /// The number of sequence numbers that belong to it.
    fn size(&self) -> u32;

    /// The least and the greatest time in it, in microseconds.
    fn span(&self) -> (i64, i64);

    /// The rows that have a term.
    fn posting(&self, field: Field, term: &[u8]) -> io::Result<Posting>;

    /// Visits every term of a field.
    fn each(&self, field: Field, visit: &mut dyn FnMut(&[u8], &Posting)) -> io::Result<()>;

    /// The times of all rows, in microseconds; of those without an entry, any.
    fn times(&self) -> io::Result<Vec<i64>>;

    /// Where the entry of a row lies; none if there is none.
    fn place(&self, row: u16) -> io::Result<Option<Place>>;
}
