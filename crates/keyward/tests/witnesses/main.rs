//! The real binary and its witnesses: those that others wrote, another Keyward, those that are gone and
//! those that say something else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // other programs tell nobody when they are done

mod asked;
mod continued;
mod each_other;
mod rolled_back;
mod serving;
mod stage;
#[path = "../../../ledger/tests/log/sumdb.rs"]
mod sumdb;
