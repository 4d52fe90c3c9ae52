//! The command as people use it: the real binary, real processes, real files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod answering;
mod asking;
mod audit_detail;
mod audit_keeping;
mod auditing;
mod backing_up;
mod clock;
mod disasters;
mod entry_signatures;
mod evidence;
mod exchanging;
mod exporting;
mod keeping;
mod keks;
mod large_values;
mod log_key;
mod mending;
mod migrating;
mod mistakes;
mod moving_registry;
mod offline;
mod profiles;
mod retaining;
mod sealed_addresses;
mod sealing;
mod seals;
mod searching;
mod stage;
mod storing;
/// Other people's verifier.
#[path = "../../../ledger/tests/log/sumdb.rs"]
mod sumdb;
mod tampering;
mod text_sealing;
mod tour;
mod transparency;
mod verbs;
mod watching;
