//! Every backend against the one conformance suite, on real servers; what is particular to each;
//! and the vault whole on each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_line;
mod local;
mod migrating;
mod postgres;
mod stores;
mod vault;
