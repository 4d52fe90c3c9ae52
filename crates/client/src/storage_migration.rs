//! The migration of the storage to another backend, steered while the server serves.

use keyward_api::storage_migration::{StorageMigration, StorageMigrationRate};
use keyward_api::tenant::Reason;

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// Where the migration of the storage stands.
    pub async fn storage_migration(&self) -> Result<StorageMigration, ClientError> {
        self.get(&["v1", "storage", "migration"]).send().await
    }

    /// Lets the passes stand still.
    pub async fn pause_storage_migration(
        &self,
        why: &Reason,
    ) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("pause", why).await
    }

    /// Lets the passes go on.
    pub async fn resume_storage_migration(
        &self,
        why: &Reason,
    ) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("resume", why).await
    }

    /// Sets how many objects are looked at in a second, at most.
    pub async fn set_storage_migration_rate(
        &self,
        rate: &StorageMigrationRate,
    ) -> Result<StorageMigration, ClientError> {
        let at = ["v1", "storage", "migration", "rate"];
        self.post(&at).json(rate).send().await
    }

    /// Has every object of both sides compared once more.
    pub async fn verify_storage_migration(
        &self,
        why: &Reason,
    ) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("verify", why).await
    }

    /// Lets the target lead.
    pub async fn cut_over_storage(&self, why: &Reason) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("cut-over", why).await
    }

    /// Goes back to the source, with all that was written since the cut-over.
    pub async fn roll_back_storage(&self, why: &Reason) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("roll-back", why).await
    }

    /// Leaves the source for good.
    pub async fn commit_storage(&self, why: &Reason) -> Result<StorageMigration, ClientError> {
        self.turn_storage_migration("commit", why).await
    }

    async fn turn_storage_migration(
        &self,
        turn: &str,
        why: &Reason,
    ) -> Result<StorageMigration, ClientError> {
        let at = ["v1", "storage", "migration", turn];
        self.post(&at).json(why).send().await
    }
}
