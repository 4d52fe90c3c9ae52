//! `keyward config`: what can be configured, and what is wrong with a configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::environment::Environment;
use crate::exit::Failure;
use crate::output;
use crate::server::config::reference::config_reference;
use crate::server::config::{self, Config, Sources};

/// Where a server's settings come from
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFlags {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "KEYWARD_CONFIG")]
    config: Option<PathBuf>,
    /// Override a setting; again for more
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigFlags {
    /// Reads the settings: file, then environment, then what other flags stand for, then `--set`.
    pub fn load(&self, environment: &Environment, more: &[String]) -> Result<Config, Failure> {
        let sources = Sources {
            file: self.config.clone(),
            environment: environment.variables().clone(),
            flags: more.iter().chain(&self.set).cloned().collect(),
        };
        config::load(&sources).map_err(|error| {
            Failure::usage(error).next("docs/configuration.md lists every setting")
        })
    }
}

/// The server's configuration
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Say everything that is wrong with a configuration, or that nothing is
    Check {
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Print every setting as Markdown
    Reference,
}

impl ConfigCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        match self {
            Self::Check { flags } => {
                let config = flags.load(environment, &[])?;
                config::check(&config).map_err(Failure::usage)?;
                output::line(&format!(
                    "the configuration is good: node {} would listen on {}",
                    config.node.name, config.listen.address
                ))
            }
            Self::Reference => output::write(config_reference().as_bytes()),
        }
    }
}
