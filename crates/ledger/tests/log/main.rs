//! The formats of a transparency log: published vectors, other people's code, every size and every
//! mutation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checking;
mod go;
mod handovers;
mod notes;
mod proofs;
mod receipts;
mod stage;
mod submissions;
mod sumdb;
mod trees;
mod vectors;
