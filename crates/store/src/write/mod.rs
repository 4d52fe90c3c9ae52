//! How commits are written: a fair queue, one writer that puts what waits into one transaction,
//! and what a single write does to its row and to the rows that follow from it.

mod bulk;
mod feed;
pub(crate) mod lease;
mod member;
mod queue;
mod replay;
mod settle;
mod side;
mod writer;

pub(crate) use feed::{open_scope, read_change};
pub(crate) use member::Trouble;
pub(crate) use queue::FairQueue;
pub(crate) use replay::{Replay, replay, write_change};
pub(crate) use side::{INSERT_LABELS, INSERT_TAGS, INSERT_TEXT, SHORTEST_TEXT, search_tokens};
pub(crate) use writer::Writer;
