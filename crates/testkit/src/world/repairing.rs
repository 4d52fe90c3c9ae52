//! A world that puts back what its storage lost: from a replica, and from its own backups.

use std::sync::Arc;

use keyward_backup::{BackupCopies, Identities, Place};
use keyward_core::port::registry::Registry as _;
use keyward_core::port::repair::Repairs;
use keyward_core::port::storage::StorageBackend;
use keyward_vault::{FileBackend, Replica, Vault};

use super::{BACKUP_IDENTITY, Setup, World};
use crate::faulty::FaultyBackend;

impl Setup {
    pub(super) fn repairs(&self, vault: &Arc<Vault>) -> Option<Repairs> {
        (!self.sources.is_empty()).then(|| Repairs {
            vault: vault.clone(),
            sources: self.sources.clone(),
        })
    }
}

impl World {
    /// The same world after a restart, with a replica, in files and empty, and its backups to put
    /// records back from. The replica's faults are the test's to make.
    pub async fn repairing(mut self) -> (Self, Arc<FaultyBackend>) {
        let deployment = self.registry.deployment().await.expect("it has an id");
        let files = FileBackend::open(&self.directory().join("replica")).expect("a directory");
        let replica = Arc::new(FaultyBackend::new(Arc::new(files)));
        replica.init().await.expect("a replica");
        let backups = FileBackend::open(&self.directory().join("backups")).expect("a directory");
        let identities = Identities::parse(BACKUP_IDENTITY).expect("an identity");
        let place = Place::new(Arc::new(backups));
        let registry = self.registry.clone();
        let backups = BackupCopies::new(place, identities, registry, deployment);
        self.setup.sources = vec![
            Arc::new(Replica::new(replica.clone(), deployment)),
            Arc::new(backups),
        ];
        (self.restart().await, replica)
    }

    /// Copies everything in the vault to another place, as something outside would.
    pub async fn copy_vault_to(&self, place: &dyn StorageBackend) {
        let names = self
            .backend
            .list("", None, 100_000)
            .await
            .expect("it lists");
        for name in names {
            let bytes = self.backend.read(&name).await.expect("it reads");
            let bytes = bytes.expect("it is there");
            place.write(&name, bytes).await.expect("it writes");
        }
    }
}
