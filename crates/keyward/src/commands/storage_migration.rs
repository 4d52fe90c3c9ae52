//! `keyward storage migrate`: moving the vault from one backend to another. Offline: the server is stopped.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::commands::config::ConfigFlags;
use crate::commands::serve::{data_setting, run_server};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::output;
use crate::server::config::Config;
use crate::server::storage_migration::{self, Progress, Sides};

/// Move the vault to another backend; the server is stopped meanwhile
#[derive(Subcommand, Debug)]
pub enum MigrationCommand {
    /// Copy everything, verify it, prove that both sides hold the same, and cut over
    ///
    /// Can be interrupted at any moment and called again. The source stays as it is until
    /// `keyward storage commit`; until then `keyward storage roll-back` returns to it.
    Migrate {
        #[command(flatten)]
        sides: SideFlags,
    },
    /// Return to the source, with all that was written since the cut-over
    RollBack {
        #[command(flatten)]
        sides: SideFlags,
        /// Erase the target
        #[arg(long)]
        erase: bool,
    },
    /// Leave the source for good
    Commit {
        #[command(flatten)]
        sides: SideFlags,
        /// Erase the source
        #[arg(long)]
        erase: bool,
    },
}

/// Between which two, and how fast
#[derive(Args, Debug)]
pub struct SideFlags {
    /// A configuration file with the target's `[storage]` and the section of its service
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The same for the source [default: the server's configuration]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The data directory [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Look at no more objects in a second; 0: as many as it can
    #[arg(long, value_name = "OBJECTS", default_value_t = 0)]
    per_second: u64,
    #[command(flatten)]
    config: ConfigFlags,
}

/// What was done.
#[derive(Serialize)]
struct Done<'a> {
    from: &'a str,
    to: &'a str,
    standing: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<u64>,
}

impl MigrationCommand {
    /// Does it.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let (Self::Migrate { sides } | Self::RollBack { sides, .. } | Self::Commit { sides, .. }) =
            &self;
        let quiet = "log.level=warn".to_owned();
        let data = sides.data.as_deref().map(data_setting);
        let set: Vec<String> = [quiet].into_iter().chain(data).collect();
        let server = sides.config.load(environment, &set)?;
        let from = match &sides.from {
            Some(file) => side(file, &server)?,
            None => server.clone(),
        };
        let to = side(&sides.to, &server)?;
        let per_second = sides.per_second;
        let text = run_server(&server, |_| async move {
            let open = Sides::open(from, to).await?;
            let (from, to) = open.names();
            let mut done = Done {
                from,
                to,
                standing: "cut-over",
                objects: None,
                size_bytes: None,
                digest_from: None,
                digest_to: None,
                erased: None,
            };
            match self {
                Self::Migrate { .. } => {
                    let proof = open.migrate(per_second, tell).await?;
                    done.objects = Some(proof.to.objects);
                    done.size_bytes = Some(proof.to.size_bytes);
                    done.digest_from = Some(proof.from.digest.to_string());
                    done.digest_to = Some(proof.to.digest.to_string());
                    output::say(&next_lines(to));
                }
                Self::RollBack { erase, .. } => {
                    open.roll_back(per_second, tell).await?;
                    done.standing = "rolled-back";
                    done.erased = if erase {
                        Some(open.erase().await?)
                    } else {
                        None
                    };
                }
                Self::Commit { erase, .. } => {
                    open.commit().await?;
                    done.standing = "committed";
                    done.erased = if erase {
                        Some(open.erase().await?)
                    } else {
                        None
                    };
                }
            }
            Ok(serde_json::to_string_pretty(&done).unwrap_or_default())
        })?;
        output::line(&text)
    }
}

fn side(file: &Path, server: &Config) -> Result<Config, Failure> {
    storage_migration::side(file, server)
        .map_err(|error| Failure::usage(error).next("docs/configuration.md lists every setting"))
}

fn tell(progress: &Progress) {
    output::say(&format!(
        "pass {}: {} objects looked at, {} of them made equal\n",
        progress.pass, progress.examined, progress.differed
    ));
}

fn next_lines(to: &str) -> String {
    format!(
        "\nBoth sides hold the same. The vault is {to} now: write its [storage] sections into the \
         server's configuration\nand start it. `keyward storage commit` leaves the source for good \
         (--erase erases it); `keyward storage roll-back` returns to it.\n\n"
    )
}
