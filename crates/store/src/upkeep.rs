//! The registry's part that looks after the deployment: core's port on an open database.

use async_trait::async_trait;
use keyward_core::change::Write;
use keyward_core::ids::{ConditionId, ImportKeyId, RecordId, SecretVersionId, TenantId};
use keyward_core::noun::condition::Condition;
use keyward_core::noun::drill::Drill;
use keyward_core::noun::import_key::ImportKey;
use keyward_core::noun::job::{Job, JobKind};
use keyward_core::noun::secret::SecretVersion;
use keyward_core::noun::stray::StrayRecord;
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::port::storage::ObjectName;
use keyward_core::port::upkeep::{ConditionFilter, Upkeep};
use keyward_core::time::Timestamp;

use crate::db::Database;
use crate::place::Beside;
use crate::read::{conditions, drills, feed, ledger, records};
use crate::registry::SqlRegistry;

#[async_trait]
impl Upkeep for SqlRegistry {
    async fn conditions(
        &self,
        tenant: Option<TenantId>,
        filter: &ConditionFilter,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError> {
        conditions::conditions(&self.present(), tenant, filter, after, limit).await
    }

    async fn open_conditions(
        &self,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError> {
        conditions::open(&self.present(), after, limit).await
    }

    async fn outlived_conditions(
        &self,
        before: Timestamp,
        keep: usize,
        limit: usize,
    ) -> Result<Vec<Condition>, RegistryError> {
        conditions::outlived(&self.present(), before, keep, limit).await
    }

    async fn system_jobs_of(&self, kind: JobKind, limit: usize) -> Result<Vec<Job>, RegistryError> {
        records::system_jobs_of(&self.present(), kind, limit).await
    }

    async fn drills(&self, limit: usize) -> Result<Vec<Drill>, RegistryError> {
        drills::drills(&self.present(), limit).await
    }

    async fn all_secret_versions(
        &self,
        after: Option<SecretVersionId>,
        limit: usize,
    ) -> Result<Page<SecretVersion>, RegistryError> {
        ledger::secret_versions(&self.present(), after, limit).await
    }

    async fn all_import_keys(
        &self,
        after: Option<ImportKeyId>,
        limit: usize,
    ) -> Result<Page<ImportKey>, RegistryError> {
        ledger::import_keys(&self.present(), after, limit).await
    }

    async fn is_referenced(&self, record: RecordId) -> Result<bool, RegistryError> {
        ledger::is_referenced(&self.present(), record).await
    }

    async fn stray(&self, name: &ObjectName) -> Result<Option<StrayRecord>, RegistryError> {
        ledger::stray(&self.present(), name).await
    }

    async fn strays(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page<StrayRecord>, RegistryError> {
        ledger::strays(&self.present(), after, limit).await
    }

    async fn rewrite_change(&self, revision: i64, writes: &[Write]) -> Result<(), RegistryError> {
        let writes = writes.to_vec();
        let rewrite =
            move |at: Database| async move { feed::rewrite_change(&at, revision, &writes).await };
        self.place
            .write(vec![Beside::change(revision)], rewrite)
            .await
    }

    // Takes long and loses nothing, in whichever database it ends: an exchange does not wait for it.
    async fn compact(&self) -> Result<(), RegistryError> {
        self.present().compact().await
    }

    async fn empty_log(&self) -> Result<(), RegistryError> {
        self.present().empty_log().await
    }
}
