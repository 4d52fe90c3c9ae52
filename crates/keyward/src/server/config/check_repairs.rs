//! What the settings of repairs mean together: the file that names a replica, and the one with an
//! identity that opens backups.

use std::path::{Path, PathBuf};

use keyward_backup::{Identities, SealingError};

use super::check::Findings;
use super::{Config, ConfigError, Sources, check_storage, load};
use crate::private_file;
use crate::server::vault_backend;

/// Nothing could be put back from what is configured.
#[derive(Debug, thiserror::Error)]
pub enum RepairsError {
    /// The replica is the vault itself.
    #[error("the replica is the vault itself ({place}): a copy must lie somewhere else")]
    SamePlace {
        /// Where.
        place: String,
    },
    /// The replica is not there.
    #[error("there is no replica at {}: copy the vault there first", path.display())]
    NoReplica {
        /// Where.
        path: PathBuf,
    },
    /// The file of the replica.
    #[error("{}: {source}", path.display())]
    ReplicaFile {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// The identity cannot be read.
    #[error("the identity cannot be read: {0}")]
    Unreadable(#[from] private_file::PrivateFileError),
    /// The identity file holds something else.
    #[error("{}: {source}", path.display())]
    Identity {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: SealingError,
    },
}

pub(super) fn check(config: &Config, found: &mut Findings) {
    if let Some(file) = &config.storage.replica_file
        && let Err(error) = replica(file, config)
    {
        found.add("storage.replica_file", error.to_string());
    }
    let Some(file) = &config.backup.repair_identity_file else {
        return;
    };
    if config.backup.directory.is_none() && config.backup.destination_file.is_none() {
        found.add(
            "backup.repair_identity_file",
            "is set, but neither a directory nor a destination_file",
        );
    }
    if let Err(error) = identities(file) {
        found.add("backup.repair_identity_file", error.to_string());
    }
}

/// The settings of the replica that a file names. Nothing is opened.
pub fn replica(file: &Path, config: &Config) -> Result<Config, RepairsError> {
    let refused = |source| RepairsError::ReplicaFile {
        path: file.to_owned(),
        source,
    };
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let read = load(&sources).map_err(refused)?;
    let mut found = Findings::default();
    let storage_only = Config {
        storage: read.storage.clone(),
        storage_postgres: read.storage_postgres.clone(),
        storage_s3: read.storage_s3.clone(),
        storage_azure: read.storage_azure.clone(),
        storage_gcs: read.storage_gcs.clone(),
        ..Config::default()
    };
    if read != storage_only {
        found.add("the file", "has other sections than those of storage");
    }
    if read.storage.replica_file.is_some() || read.storage.migrate_to.is_some() {
        found.add("storage", "a replica has no replica and moves nowhere");
    }
    let is_local = read.vault_path().is_some();
    if is_local && read.storage.path.is_none() {
        found.add("storage.path", "is needed: where the copy lies");
    }
    check_storage::check(&read, &mut found);
    found.into_result().map_err(refused)?;
    let place = vault_backend::name(&read);
    // However the paths are written.
    let real = |config: &Config| {
        config
            .vault_path()
            .and_then(|path| path.canonicalize().ok())
    };
    let is_same_path = real(&read).is_some_and(|path| Some(path) == real(config));
    if is_same_path || place == vault_backend::name(config) {
        return Err(RepairsError::SamePlace { place });
    }
    match read.vault_path() {
        Some(path) if !path.exists() => Err(RepairsError::NoReplica { path }),
        _ => Ok(read),
    }
}

/// The identities in a file.
pub fn identities(file: &Path) -> Result<Identities, RepairsError> {
    let text = private_file::read_text(file)?;
    Identities::parse(&text).map_err(|source| RepairsError::Identity {
        path: file.to_owned(),
        source,
    })
}
