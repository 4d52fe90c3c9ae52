//! A world that puts back what its storage lost: from a replica, and from its own backups.

use std::sync::Arc;

use keyward_backup::{BackupCopies, Identities, Place};
use keyward_core::port::repair::Repairs;
use keyward_core::port::storage::StorageBackend;
use keyward_store::SqlRegistry;
use keyward_vault::{FileBackend, Replica, Vault};
use uuid::Uuid;

use super::{BACKUP_IDENTITY, Setup, World};
use crate::faulty::FaultyBackend;

impl Setup {
    pub(super) fn repairs(
        &self,
        vault: &Arc<Vault>,
        registry: &Arc<SqlRegistry>,
        deployment: Uuid,
    ) -> Option<Repairs> {
        let replica: Arc<dyn StorageBackend> = self.replica.clone()?;
        let backups = self.directory.path().join("backups");
        let backups = FileBackend::open(&backups).expect("a directory");
        let identities = Identities::parse(BACKUP_IDENTITY).expect("an identity");
        let place = Place::new(Arc::new(backups));
        let backups = BackupCopies::new(place, identities, registry.clone(), deployment);
        Some(Repairs {
            vault: vault.clone(),
            sources: vec![
                Arc::new(Replica::new(replica, deployment)),
                Arc::new(backups),
            ],
        })
    }
}

impl World {
    /// The same world after a restart, with a replica, in files and empty, and its backups to put
    /// records back from. The replica's faults are the test's to make.
    pub async fn repairing(mut self) -> (Self, Arc<FaultyBackend>) {
        let files = FileBackend::open(&self.directory().join("replica")).expect("a directory");
        let replica = Arc::new(FaultyBackend::new(Arc::new(files)));
        replica.init().await.expect("a replica");
        self.setup.replica = Some(replica.clone());
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
