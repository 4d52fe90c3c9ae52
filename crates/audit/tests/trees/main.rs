//! Transparency logs that are made from a journal: what they hold, what a crash leaves of them, and
//! what they refuse to go on from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batches;
mod continuing;
mod crashes;
/// The disk of the journal's own tests.
#[path = "../journal/disk.rs"]
#[allow(dead_code)]
mod disk;
mod entry_signatures;
mod growing;
mod handovers;
mod heads;
mod letting_go;
mod mirrors;
mod numbers;
mod receipts;
mod signed;
mod sizes;
mod stage;
mod thinning;
mod whole;
mod witnessed;
