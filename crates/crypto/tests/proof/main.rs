//! Proof against published vectors. Each test tallies one source's file: how many of its vectors
//! were run, how many passed, and why any is not applicable. `cargo xtask vectors` prints the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod agreement;
mod lattice;
mod published;
mod rsa;
mod signature;
mod symmetric;
mod tally;
