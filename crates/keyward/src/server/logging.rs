//! The server's own log on standard error, for operators. Never secrets, never instead of the audit log.

use tracing_subscriber::EnvFilter;

use crate::server::config::{Config, LogFormat};

/// Starts logging. A second start in one process changes nothing.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match config.log.format {
        LogFormat::Json => log.json().try_init(),
        LogFormat::Text => log.with_target(false).try_init(),
    };
}
