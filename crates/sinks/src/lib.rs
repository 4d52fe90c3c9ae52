//! The audit log as streams: each sink follows this node's journal at its own pace, with its own
//! filter and form, and knows where it is after any crash.
//!
//! ```text
//! journal ─► page ─► filter, form ─► batch ─► sink ─► cursor
//!    ▲                                 │ no
//!    └───── back-off, smaller batch ◄──┘
//! ```
//!
//! The promise: every entry that a sink wants reaches it at least once and in order. A cursor is
//! written after a sink has acknowledged what it points behind, never before. Nothing is skipped: what
//! a sink does not take stops that sink, and no other, and no operation. A sink holds one batch in
//! memory and nothing else.
//!
//! Witnesses are sent the log's checkpoints in the same way, and send their signatures back
//! ([`witness`]).
//!
//! This room knows entries as core has them, and public keys; it knows no others, no registry and no
//! HTTP server.

mod backoff;
mod batch;
mod credential;
mod cursor;
mod filter;
mod follower;
mod settings;
mod sink;
mod whole_file;
pub mod witness;

pub use credential::{Credential, Unreadable};
pub use cursor::{CursorError, kept_to};
pub use filter::{ActionPattern, Filter, TenantChoice, UnknownPattern};
pub use follower::{Follower, Ports, Tell};
pub use settings::{
    FileSettings, HttpSettings, NatsSettings, Pace, SinkSettings, SplunkSettings, Start,
    SyslogSettings, Target, TlsFiles,
};
