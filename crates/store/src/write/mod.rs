//! How commits are written: a fair queue, one writer that puts what waits into one transaction,
//! and what a single write does to its row and to the rows that follow from it.

mod bulk;
mod feed;
mod member;
mod queue;
mod settle;
mod side;
mod writer;

pub(crate) use feed::read_change;
pub(crate) use queue::FairQueue;
pub(crate) use side::{SHORTEST_TEXT, search_tokens};
pub(crate) use writer::Writer;
