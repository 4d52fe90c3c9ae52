//! The API on a whole node: what is asked over HTTP, and what comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod alerts;
mod audit_detail;
mod audit_keeping;
mod creation;
mod desk;
mod input;
mod lifecycle;
mod listing;
mod log;
mod log_export;
mod log_search;
mod migration;
mod policies;
mod seal;
mod secret_value_streams;
mod secret_values;
mod secrets;
mod text_sealing;
mod use_key;
