//! Where a world's backups are restored for trial: a directory beside everything else of it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_backup::{Ground, Instance, Opened};
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{RecordLedger, StorageBackend};
use keyward_core::time::Clock;
use keyward_crypto::random::SystemRandom;
use keyward_providers::{CacheLimits, NativeProvider};
use keyward_store::SqlRegistry;
use keyward_vault::{EmbeddedBackend, SealAccess, SealedCopies, Vault};
use zeroize::Zeroizing;

use super::{BACKUP_IDENTITY, patient};

pub(super) struct WorldGround {
    pub(super) directory: PathBuf,
    pub(super) access: SealAccess,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) live: Arc<Vault>,
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

#[async_trait]
impl Ground for WorldGround {
    async fn identity(&self) -> Result<Zeroizing<String>, String> {
        Ok(Zeroizing::new(BACKUP_IDENTITY.to_owned()))
    }

    async fn make(&self, _: u64) -> Result<Instance, String> {
        std::fs::create_dir(&self.directory).map_err(told)?;
        let directory = Removed(self.directory.clone());
        let url = format!("sqlite://{}", self.directory.join("registry.db").display());
        let registry = SqlRegistry::open(patient(&url), self.clock.clone()).await;
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
        let is_gone = !self.directory.exists();
        is_gone
            .then_some(())
            .ok_or_else(|| "something is left".to_owned())
    }
}
