//! Where a migration of the registry stands: in a file of the data directory, replaced whole and
//! synced. It says which database is in force; a start on the other one is refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keyward_core::port::storage_migration::MigrationPhase as Phase;
use keyward_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::server::config::Config;
use crate::server::database_url;
use crate::server::error::StartError;

/// What the file says. No secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The source, as people name it.
    pub from: String,
    /// The target.
    pub to: String,
    /// Where it stands.
    pub phase: Phase,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// Since when it is in its phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether somebody told it to stand still.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// How many rows somebody wants to be carried in a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Standing {
    /// One that is in no file yet.
    pub fn planned((from, to): (&str, &str)) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            phase: Phase::Planned,
            began_at: None,
            since: None,
            paused: false,
            per_second: None,
        }
    }

    /// The same in another phase.
    pub fn turned(&self, phase: Phase, now: Timestamp) -> Self {
        let begins = phase == Phase::Copying;
        Self {
            phase,
            began_at: if begins { Some(now) } else { self.began_at },
            since: Some(now),
            ..self.clone()
        }
    }

    /// Whether it is between these two.
    pub fn is_between(&self, names: (&str, &str)) -> bool {
        (self.from.as_str(), self.to.as_str()) == names
    }

    /// Whether it has not ended.
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Copying | Phase::CutOver)
    }

    /// The database that is the registry, and the other.
    pub fn in_force(&self) -> (&str, &str) {
        match self.phase {
            Phase::CutOver | Phase::Committed => (&self.to, &self.from),
            Phase::Planned | Phase::Copying | Phase::RolledBack => (&self.from, &self.to),
        }
    }
}

/// What people call a registry: which database it is, without users, parameters or anything secret.
pub fn name(config: &Config) -> String {
    match &config.registry.url {
        Some(url) => format!("postgres://{}", database_url::place(url)),
        None => format!("sqlite {}", config.registry_file().display()),
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("registry-migration.json")
}

/// What the file says, if it is there.
pub fn read(data_dir: &Path) -> Result<Option<Standing>, StartError> {
    let text = match std::fs::read(file(data_dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let standing = serde_json::from_slice(&text).map_err(io::Error::other)?;
    Ok(Some(standing))
}

/// Writes it, durably on return. An error says that the file is as it was.
pub fn write(data_dir: &Path, standing: &Standing) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(standing).map_err(io::Error::other)?;
    let directory = File::open(data_dir)?;
    let path = file(data_dir);
    let draft = path.with_extension("new");
    // What a process that was killed left of it is written over: the directory is held.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    // The file's new content survives a power cut when its directory does.
    if let Err(error) = directory.sync_all() {
        // Either may be what a crash leaves: to go on with one database is to lose what is written
        // meanwhile, if it is the other. A start reads which it is.
        tracing::error!(%error, "it is not known which phase of the registry's migration the disk has: this program ends");
        std::process::abort();
    }
    Ok(())
}

/// Refuses to start on the database that a migration left. `config`'s data directory is held.
pub fn ensure_in_force(config: &Config) -> Result<(), StartError> {
    let Some(standing) = read(&config.node.data_dir)? else {
        return Ok(());
    };
    let (kept, left) = standing.in_force();
    if name(config) == left && left != kept {
        return Err(StartError::RegistryElsewhere {
            name: kept.to_owned(),
        });
    }
    Ok(())
}
