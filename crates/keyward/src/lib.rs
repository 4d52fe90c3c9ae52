//! What the `keyward` command does: builds a server from its parts, or asks one over the API.
//!
//! The only reader of environment, configuration files and flags. It knows how the parts fit
//! together and nothing of what keys are for: rules live in `keyward-core`, endpoints in
//! `keyward-http`.

mod cli;
mod commands;
mod context;
mod environment;
mod exit;
mod input;
mod output;
mod private_file;
mod profile;
mod server;

use std::process::ExitCode;

use clap::Parser;

pub use server::config::reference::config_reference;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    install_tls_provider();
    let environment = environment::Environment::of_process();
    // Wrong flags and --help end here: clap says why, with code 2 or 0.
    let cli = cli::Cli::parse();
    match cli.run(environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The command line as clap knows it, for its generated reference.
pub fn command() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// Every TLS connection of the process uses the same library; the first installation counts.
fn install_tls_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
