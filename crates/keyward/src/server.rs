//! The server side: configuration, the data directory, and the parts put together.

pub mod clock;
pub mod config;
pub mod data_dir;
pub mod filesystem;
pub mod hardening;
pub mod logging;
pub mod tls;
