//! The index by which the audit log is searched, made from the journal and beside it.
//!
//! The journal's sequence numbers are divided into blocks. Of each block that is complete a file says
//! which of its entries have which term of which field; the block at the journal's end is in memory. The
//! index says where to look and never what is there: what is shown was read from the journal, and
//! compared. What has no index, or a damaged one, is read in the journal itself. So it can be removed at
//! any time.
//!
//! ```text
//! journal ─► AuditIndex::grow ─► the open block ─► file ─► (removed, altered) ─► made again
//! search  ─► newest block first: terms ─► rows ─► entries from the journal ─► compared ─► page
//! counts  ─► what was counted when the file was made, or the rows ─► sums
//! ```

mod beginning;
mod block;
mod bytes;
mod chasms;
mod counting;
mod dictionary;
mod field;
mod file;
mod keeper;
mod open;
mod pages;
mod rollup;
mod rows;
mod search;
mod tally;

pub use keeper::{AuditIndex, BLOCK, IndexError};
pub use search::Search;
