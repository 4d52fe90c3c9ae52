//! Opening what a deployment consists of: data directory, clock, registry, storage backend. Nothing
//! is unsealed here and nothing served.

use std::path::Path;
use std::sync::Arc;

use keyward_core::port::registry::Registry;
use keyward_core::port::registry_migration::RegistryMigration;
use keyward_core::port::storage_migration::StorageMigration;
use keyward_core::time::Clock;
use keyward_store::SqlRegistry;
use keyward_vault::MeasuredBackend;
use uuid::Uuid;

use crate::private_file;
use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::data_dir::DataDir;
use crate::server::error::StartError;
use crate::server::{registry_online, restore, storage_migration, vault_backend};

/// An open deployment. The data directory is held until this is dropped.
pub struct Deployment {
    /// How it is configured; paths in it are absolute now.
    pub config: Config,
    /// The directory, and the lock on it.
    pub data_dir: DataDir,
    /// The present.
    pub clock: Arc<SystemClock>,
    /// Everything that is not secret.
    pub registry: Arc<SqlRegistry>,
    /// Where sealed bytes are kept.
    pub backend: Arc<MeasuredBackend>,
    /// The vault on its way to another backend, or how it came where it is.
    pub migration: Option<Arc<dyn StorageMigration>>,
    /// The registry on its way to another database, or how it came where it is.
    pub registry_migration: Option<Arc<dyn RegistryMigration>>,
    /// The deployment's id.
    pub id: Uuid,
}

impl Deployment {
    /// Takes hold of the data directory and opens everything in it.
    pub async fn open(config: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::hold(&config.node.data_dir)?;
        restore::ensure_finished(data_dir.path())?;
        Self::open_in(data_dir, config).await
    }

    /// The same, for what makes no deployment.
    pub async fn open_existing(config: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::hold_existing(&config.node.data_dir)?;
        restore::ensure_finished(data_dir.path())?;
        Self::open_in(data_dir, config).await
    }

    /// The same in a data directory that is held already.
    pub async fn open_in(data_dir: DataDir, mut config: Config) -> Result<Self, StartError> {
        config.node.data_dir = data_dir.path().to_owned();
        let clock = Arc::new(SystemClock::default());
        let (registry, registry_migration) =
            Box::pin(registry_online::for_server(&config, clock.clone())).await?;
        // The clock of a machine may have been set back since the last start.
        clock.raise(registry.advance_clock(clock.now()).await?);
        let (backend, migration) = storage_migration::for_server(&config, clock.clone()).await?;
        let backend = vault_backend::watched(&config, backend, clock.clone());
        let id = registry.deployment().await?;
        Ok(Self {
            config,
            data_dir,
            clock,
            registry,
            backend,
            migration,
            registry_migration,
            id,
        })
    }
}

/// The registry's URL with the password of its file in it.
pub(crate) fn registry_url(config: &Config) -> Result<String, StartError> {
    let Some(url) = &config.registry.url else {
        return Ok(file_url(&config.registry_file()));
    };
    with_password(url, config.registry.password_file.as_deref())
}

/// The URL of a registry in a file.
pub(crate) fn file_url(file: &Path) -> String {
    format!("sqlite://{}", escaped(&file.to_string_lossy(), "/"))
}

/// A database's URL with the password of a file in it.
pub(crate) fn with_password(url: &str, file: Option<&Path>) -> Result<String, StartError> {
    let Some(file) = file else {
        return Ok(url.to_owned());
    };
    let password = private_file::read_text(file)?;
    Ok(match url.split_once('@') {
        Some((user, rest)) => format!("{user}:{}@{rest}", escaped(&password, "")),
        None => url.to_owned(),
    })
}

/// Percent-encodes what could be taken for syntax (RFC 3986, section 2).
fn escaped(text: &str, also_plain: &str) -> String {
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || b"-._~".contains(byte)
            || also_plain.as_bytes().contains(byte)
    };
    text.bytes()
        .map(|byte| {
            if plain(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_password_from_a_file_cannot_change_the_rest_of_the_url() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        private_file::write(&file, b"p@ss/w:rd?%\n").unwrap();
        let mut config = Config::default();
        config.registry.url = Some("postgres://keyward@db:5432/keyward".to_owned());
        config.registry.password_file = Some(file);
        assert_eq!(
            registry_url(&config).unwrap(),
            "postgres://keyward:p%40ss%2Fw%3Ard%3F%25@db:5432/keyward"
        );
    }

    #[test]
    fn a_data_directory_may_have_any_name() {
        let mut config = Config::default();
        config.node.data_dir = "/srv/key ward?#".into();
        assert_eq!(
            registry_url(&config).unwrap(),
            "sqlite:///srv/key%20ward%3F%23/registry.db"
        );
    }
}
