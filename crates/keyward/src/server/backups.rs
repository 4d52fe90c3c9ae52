//! From the settings of backups to where they lie and who can open them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_backup::{Backups, Place, Recipients, SealingError, Tip};
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_core::retention::RetentionRules;
use keyward_vault::{FileBackend, SealedCopies};

use crate::server::config::{self, Config};
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::vault_backend;

/// The program that makes backups, as their manifests name it.
pub const SOFTWARE: &str = concat!("keyward ", env!("CARGO_PKG_VERSION"));

/// The file of recipients is not one.
#[derive(Debug, thiserror::Error)]
pub enum RecipientsError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: SealingError,
    },
}

/// Reads the recipients: one a line, comments after `#`.
pub fn recipients(path: &Path) -> Result<Recipients, RecipientsError> {
    let text = std::fs::read_to_string(path).map_err(|source| RecipientsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().map(str::trim);
    let named: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    Recipients::parse(&named).map_err(|source| RecipientsError::Malformed {
        path: path.to_owned(),
        source,
    })
}

/// Which backups are kept; none: all of them.
pub fn retention(config: &Config) -> Option<RetentionRules> {
    let rules = &config.backup_retention;
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let hours = i64::try_from(rules.window_hours).unwrap_or(i64::MAX);
    let kept = RetentionRules {
        hourly: number(rules.hourly),
        daily: number(rules.daily),
        weekly: number(rules.weekly),
        monthly: number(rules.monthly),
        window_seconds: hours.saturating_mul(3600),
    };
    let is_counted = [kept.hourly, kept.daily, kept.weekly, kept.monthly];
    let is_counted = is_counted.into_iter().any(|number| number > 0);
    is_counted.then_some(kept)
}

/// Where backups are made; none if that is not configured.
pub fn open(deployment: &Deployment) -> Result<Option<Backups>, StartError> {
    let config = &deployment.config;
    let Some(file) = &config.backup.recipients_file else {
        return Ok(None);
    };
    let destination: Arc<dyn StorageBackend> =
        match (&config.backup.directory, &config.backup.destination_file) {
            (Some(directory), _) => {
                make_directory(directory)?;
                Arc::new(FileBackend::open(directory).map_err(StartError::BackupPlace)?)
            }
            (None, Some(file)) => remote(file)?,
            (None, None) => return Ok(None),
        };
    Ok(Some(Backups {
        registry: deployment.registry.clone(),
        feed: deployment.registry.clone(),
        vault: Arc::new(SealedCopies::new(deployment.backend.clone())),
        place: Place::new(destination),
        recipients: recipients(file).map_err(StartError::Recipients)?,
        clock: deployment.clock.clone(),
        software: SOFTWARE.to_owned(),
        tip: Tip::default(),
    }))
}

/// Where backups lie, to be read: what is named, or else what is configured.
pub fn to_read(
    config: &Config,
    directory: Option<&Path>,
    destination_file: Option<&Path>,
) -> Result<Option<Place>, StartError> {
    let backup = &config.backup;
    let is_named = directory.is_some() || destination_file.is_some();
    let (directory, file) = if is_named {
        (directory, destination_file)
    } else {
        (
            backup.directory.as_deref(),
            backup.destination_file.as_deref(),
        )
    };
    Ok(match (directory, file) {
        (Some(directory), _) => {
            let backend =
                FileBackend::open_beside(directory).map_err(|error| absent(directory, error))?;
            Some(Place::new(Arc::new(backend)))
        }
        (None, Some(file)) => Some(Place::new(remote(file)?)),
        (None, None) => None,
    })
}

fn absent(directory: &Path, error: StorageError) -> StartError {
    StartError::NoBackups {
        path: directory.to_owned(),
        source: error,
    }
}

fn remote(file: &Path) -> Result<Arc<dyn StorageBackend>, StartError> {
    let config = config::destination(file)?;
    vault_backend::unprepared(&config)
}

fn make_directory(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path).map_err(|source| StartError::Directory {
        path: path.to_owned(),
        source,
    })
}
