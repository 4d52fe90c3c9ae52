//! Streams of the audit log from the real binary: killed, with receivers that are slow, gone and come
//! back. What was answered arrives, in order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod alerts;
mod collector;
mod files;
mod nats;
mod people;
mod stage;
mod syslog;
mod web;
