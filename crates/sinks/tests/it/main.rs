//! Sinks over a real journal, and receivers that do everything that receivers do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

mod cursors;
mod files;
mod nats;
mod receiver;
mod stage;
mod syslog;
mod web;
