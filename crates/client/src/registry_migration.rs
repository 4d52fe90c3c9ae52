//! The migration of the registry to another database, steered while the server serves.

use keyward_api::registry_migration::{RegistryMigration, RegistryMigrationRate};
use keyward_api::tenant::Reason;

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// Where the migration of the registry stands.
    pub async fn registry_migration(&self) -> Result<RegistryMigration, ClientError> {
        self.get(&["v1", "registry", "migration"]).send().await
    }

    /// Leaves the side that follows alone.
    pub async fn pause_registry_migration(
        &self,
        why: &Reason,
    ) -> Result<RegistryMigration, ClientError> {
        self.turn_registry_migration("pause", why).await
    }

    /// Goes on.
    pub async fn resume_registry_migration(
        &self,
        why: &Reason,
    ) -> Result<RegistryMigration, ClientError> {
        self.turn_registry_migration("resume", why).await
    }

    /// Sets how many rows are carried over in a second, at most.
    pub async fn set_registry_migration_rate(
        &self,
        rate: &RegistryMigrationRate,
    ) -> Result<RegistryMigration, ClientError> {
        let at = ["v1", "registry", "migration", "rate"];
        self.post(&at).json(rate).send().await
    }

    /// Lets the target lead.
    pub async fn cut_over_registry(&self, why: &Reason) -> Result<RegistryMigration, ClientError> {
        self.turn_registry_migration("cut-over", why).await
    }

    /// Goes back to the source, with all that was written since the cut-over.
    pub async fn roll_back_registry(&self, why: &Reason) -> Result<RegistryMigration, ClientError> {
        self.turn_registry_migration("roll-back", why).await
    }

    /// Leaves the source for good.
    pub async fn commit_registry(&self, why: &Reason) -> Result<RegistryMigration, ClientError> {
        self.turn_registry_migration("commit", why).await
    }

    async fn turn_registry_migration(
        &self,
        turn: &str,
        why: &Reason,
    ) -> Result<RegistryMigration, ClientError> {
        let at = ["v1", "registry", "migration", turn];
        self.post(&at).json(why).send().await
    }
}
