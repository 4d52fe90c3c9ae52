//! Where backups are restored for trial: a directory of its own below the data directory, with a registry
//! and a vault that nothing else knows of. Everything goes when the drill is over, or with the next start.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use keyward_backup::{Backups, Drills, Ground, Instance, Opened};
use keyward_core::names::SecretName;
use keyward_core::port::drill::Rehearsal;
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{RecordLedger, StorageBackend};
use keyward_crypto::random::SystemRandom;
use keyward_providers::{CacheLimits, NativeProvider};
use keyward_store::{Config as RegistryConfig, SqlRegistry};
use keyward_vault::{EmbeddedBackend, SealAccess, SealedCopies, Vault};
use zeroize::Zeroizing;

use crate::private_file;
use crate::server::backups::SOFTWARE;
use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::config::secret_source::SecretSource;
use crate::server::deployment::{self, Deployment};
use crate::server::error::StartError;
use crate::server::seals;

/// The directory's name in the data directory.
const DIRECTORY: &str = "drill";

/// In which secret of the system the identity is, if it is in one.
pub fn secret(config: &Config) -> Option<SecretName> {
    match &config.backup.drill_identity {
        Some(SecretSource::Vault(name)) => Some(name.clone()),
        Some(SecretSource::File(_)) | None => None,
    }
}

/// What makes drills; none if that is not configured. Removes what a crash left of one.
pub fn open(
    deployment: &Deployment,
    backups: Option<&Backups>,
    vault: &Arc<Vault>,
) -> Result<Option<Arc<dyn Rehearsal>>, StartError> {
    let config = &deployment.config;
    let directory = deployment.data_dir.path().join(DIRECTORY);
    remove(&directory)?;
    let (Some(backups), Some(identity)) = (backups, &config.backup.drill_identity) else {
        return Ok(None);
    };
    let identity = match identity {
        SecretSource::File(file) => Some(file.clone()),
        SecretSource::Vault(_) => None,
    };
    let ground = DataDirGround {
        directory,
        identity,
        access: seals::access(config),
        space_low_bytes: config.storage.space_low_mib.saturating_mul(1 << 20),
        clock: deployment.clock.clone(),
        live: vault.clone(),
    };
    Ok(Some(Arc::new(Drills {
        place: backups.place.clone(),
        live: backups.registry.clone(),
        ground: Arc::new(ground),
        clock: deployment.clock.clone(),
        software: SOFTWARE.to_owned(),
    })))
}

fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct DataDirGround {
    directory: PathBuf,
    /// None: in the vault, and not ours to read.
    identity: Option<PathBuf>,
    access: SealAccess,
    space_low_bytes: u64,
    clock: Arc<SystemClock>,
    live: Arc<Vault>,
}

/// What an instance is made of, and what removes it.
struct Held {
    registry: Arc<SqlRegistry>,
    _directory: Removed,
}

/// A directory that goes with whoever holds it.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl DataDirGround {
    /// A drill must not take the room that the live server needs.
    async fn ensure_room(&self, bytes: u64) -> Result<(), String> {
        // Of the disk that it is made on, wherever the vault is.
        let on = self
            .directory
            .parent()
            .unwrap_or(&self.directory)
            .to_owned();
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&on));
        let space = asked.await.map_err(told)?.map_err(told)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let needed = bytes.saturating_add(self.space_low_bytes);
        if free >= needed {
            return Ok(());
        }
        Err(format!(
            "a drill needs {needed} free bytes beside the data directory, and there are {free}"
        ))
    }
}

#[async_trait]
impl Ground for DataDirGround {
    async fn identity(&self) -> Result<Zeroizing<String>, String> {
        let file = self.identity.as_ref().ok_or("no identity is configured")?;
        private_file::read_text(file).map_err(told)
    }

    async fn make(&self, bytes: u64) -> Result<Instance, String> {
        self.ensure_room(bytes).await?;
        remove(&self.directory).map_err(told)?;
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).create(&self.directory).map_err(told)?;
        let directory = Removed(self.directory.clone());
        let url = deployment::file_url(&self.directory.join("registry.db"));
        let registry = SqlRegistry::open(RegistryConfig::new(url), self.clock.clone()).await;
        let registry = Arc::new(registry.map_err(told)?);
        let vault = EmbeddedBackend::open(&self.directory.join("vault.db")).map_err(told)?;
        vault.init().await.map_err(told)?;
        Ok(Instance {
            snapshot: registry.clone(),
            registry: registry.clone(),
            vault: Arc::new(vault),
            held: Box::new(Held {
                registry,
                _directory: directory,
            }),
        })
    }

    async fn open(&self, instance: &Instance) -> Result<Opened, String> {
        let held = instance.held.downcast_ref::<Held>();
        let ledger: Arc<dyn RecordLedger> = held.ok_or("no instance of ours")?.registry.clone();
        let random = Arc::new(SystemRandom);
        let vault = Vault::open(instance.vault.clone(), ledger, random.clone()).await;
        let vault = vault.map_err(told)?.with_access(self.access.clone());
        vault.unseal_automatically().await.map_err(told)?;
        let by = if vault.is_sealed() {
            vault.unseal_like(&self.live).map_err(told)?;
            "root key in memory"
        } else {
            "seal"
        };
        let vault = Arc::new(vault);
        let limits = CacheLimits::default();
        let native = NativeProvider::new(vault.clone(), random, self.clock.clone(), limits);
        Ok(Opened {
            hierarchy: vault.clone(),
            provider: Arc::new(native),
            secrets: vault,
            copies: Arc::new(SealedCopies::new(instance.vault.clone())),
            by,
        })
    }

    fn is_sealed(&self) -> bool {
        self.live.is_sealed()
    }

    async fn wipe(&self, instance: Instance, opened: Option<Opened>) -> Result<(), String> {
        drop(opened);
        if let Some(held) = instance.held.downcast_ref::<Held>() {
            held.registry.close().await;
        }
        drop(instance);
        remove(&self.directory).map_err(told)
    }
}
