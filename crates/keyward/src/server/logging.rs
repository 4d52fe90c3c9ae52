//! The server's own log on standard error, for operators. Never secrets, never instead of the audit log.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::server::config::{Config, LogFormat};

/// Starts logging. A second start in one process changes nothing.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // Complaining of a log that cannot be written would write to standard error too, and a
        // full disk beneath it would turn that into a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let _ = match config.log.format {
        LogFormat::Json => log.json().try_init(),
        LogFormat::Text => log.with_target(false).try_init(),
    };
    // Where, and not with what words: those could carry a piece of what was being worked on.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
}
