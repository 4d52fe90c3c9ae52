//! `keyward registry`: moving the registry from one database to another, with the server stopped, or
//! steered while it serves.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::commands::config::ConfigFlags;
use crate::commands::registry_steering::SteeringCommand;
use crate::commands::serve::{data_setting, run_server};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::output;
use crate::server::config::{self, Config};
use crate::server::error::StartError;
use crate::server::registry_migration::Databases;

/// Move the registry to another database
#[derive(Subcommand, Debug)]
pub enum RegistryCommand {
    #[command(subcommand)]
    Migration(SteeringCommand),
    #[command(flatten)]
    Move(MoveCommand),
}

/// Move the registry to another database; the server is stopped meanwhile
#[derive(Subcommand, Debug)]
pub enum MoveCommand {
    /// Carry everything over in one transaction, prove that both hold the same, and cut over
    ///
    /// Can be interrupted at any moment and called again. The source stays as it is;
    /// `keyward registry roll-back` returns to it until `keyward registry commit`.
    Migrate {
        #[command(flatten)]
        databases: DatabaseFlags,
        /// Carry over no more rows in a second; 0: as many as it can
        #[arg(long, value_name = "ROWS", default_value_t = 0)]
        per_second: u64,
    },
    /// Return to the source, with every change that was made since the cut-over
    RollBack {
        #[command(flatten)]
        databases: DatabaseFlags,
    },
    /// Leave the source for good
    Commit {
        #[command(flatten)]
        databases: DatabaseFlags,
    },
}

/// Between which two
#[derive(Args, Debug)]
pub struct DatabaseFlags {
    /// `sqlite` for `registry.db` in the data directory, or `postgres://user@host:port/database`
    #[arg(long, value_name = "DATABASE")]
    to: String,
    /// The file with the password of the target's user
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    /// The same for the source [default: the server's configuration]
    #[arg(long, value_name = "DATABASE")]
    from: Option<String>,
    /// The file with the password of the source's user
    #[arg(long, value_name = "FILE", requires = "from")]
    from_password_file: Option<PathBuf>,
    /// The data directory [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

/// One table on both sides.
#[derive(Serialize)]
struct TableProof {
    table: String,
    rows: u64,
    digest_from: String,
    digest_to: String,
}

impl MoveCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let (Self::Migrate { databases, .. }
        | Self::RollBack { databases }
        | Self::Commit { databases }) = &self;
        let quiet = "log.level=warn".to_owned();
        let data = databases.data.as_deref().map(data_setting);
        let set: Vec<String> = [quiet].into_iter().chain(data).collect();
        let server = databases.config.load(environment, &set)?;
        let from = match &databases.from {
            Some(from) => database(&server, from, databases.from_password_file.as_ref())?,
            None => server.clone(),
        };
        let to = database(&server, &databases.to, databases.to_password_file.as_ref())?;
        let proof = run_server(&server, |_| async move {
            let databases = Databases::hold(from, to)?;
            self.act(&databases).await
        })?;
        if let Some(tables) = proof {
            let rows = tables.iter().map(|it| {
                let same = if it.digest_from == it.digest_to {
                    "same"
                } else {
                    "DIFFERENT"
                };
                [
                    it.table.clone(),
                    it.rows.to_string(),
                    it.digest_to.clone(),
                    same.to_owned(),
                ]
            });
            output::rows(&["table", "rows", "digest", "both sides"], rows)?;
        }
        Ok(())
    }

    async fn act(&self, open: &Databases) -> Result<Option<Vec<TableProof>>, StartError> {
        match self {
            Self::Migrate {
                per_second,
                databases,
            } => {
                let told = |rows| output::say(&format!("{rows} rows carried over\n"));
                let (from, to) = open.migrate(*per_second, told).await?;
                let pairs = from.tables.into_iter().zip(to.tables);
                let proof = pairs.map(|(from, to)| TableProof {
                    table: from.table,
                    rows: to.rows,
                    digest_from: from.digest.to_string(),
                    digest_to: to.digest.to_string(),
                });
                output::say(&next_lines(&databases.to));
                Ok(Some(proof.collect()))
            }
            Self::RollBack { .. } => {
                open.roll_back().await?;
                output::say("the source is in force again; start the server with it\n");
                Ok(None)
            }
            Self::Commit { .. } => {
                open.commit().await?;
                output::say("the source is left for good; remove it when you like\n");
                Ok(None)
            }
        }
    }
}

/// The server's settings with another database.
fn database(
    server: &Config,
    place: &str,
    password_file: Option<&PathBuf>,
) -> Result<Config, Failure> {
    let mut config = server.clone();
    config.registry.url = (place != "sqlite").then(|| place.to_owned());
    config.registry.password_file = password_file.cloned();
    config::check(&config).map_err(Failure::usage)?;
    Ok(config)
}

fn next_lines(to: &str) -> String {
    let setting = if to == "sqlite" {
        "remove `url` and `password_file` from [registry]".to_owned()
    } else {
        format!("set `url = \"{to}\"` (and `password_file`) in [registry]")
    };
    format!(
        "\nBoth databases hold the same, and the target is in force: {setting} in the server's \
         configuration and start it.\n`keyward registry commit` leaves the source for good; \
         `keyward registry roll-back` returns to it.\n\n"
    )
}
