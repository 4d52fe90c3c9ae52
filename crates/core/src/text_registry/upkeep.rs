//! What looks after the deployment has no tenant's free text: it passes as it is.

use async_trait::async_trait;

use super::TextRegistry;
use crate::change::Write;
use crate::ids::{ConditionId, ImportKeyId, RecordId, SecretVersionId, TenantId};
use crate::noun::condition::Condition;
use crate::noun::drill::Drill;
use crate::noun::import_key::ImportKey;
use crate::noun::job::{Job, JobKind};
use crate::noun::secret::SecretVersion;
use crate::noun::stray::StrayRecord;
use crate::port::registry::{Page, RegistryError};
use crate::port::storage::ObjectName;
use crate::port::upkeep::{ConditionFilter, Upkeep};
use crate::time::Timestamp;

#[async_trait]
impl Upkeep for TextRegistry {
    async fn conditions(
        &self,
        tenant: Option<TenantId>,
        filter: &ConditionFilter,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError> {
        self.stored().conditions(tenant, filter, after, limit).await
    }

    async fn open_conditions(
        &self,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError> {
        self.stored().open_conditions(after, limit).await
    }

    async fn outlived_conditions(
        &self,
        before: Timestamp,
        keep: usize,
        limit: usize,
    ) -> Result<Vec<Condition>, RegistryError> {
        self.stored().outlived_conditions(before, keep, limit).await
    }

    async fn all_secret_versions(
        &self,
        after: Option<SecretVersionId>,
        limit: usize,
    ) -> Result<Page<SecretVersion>, RegistryError> {
        self.stored().all_secret_versions(after, limit).await
    }

    async fn all_import_keys(
        &self,
        after: Option<ImportKeyId>,
        limit: usize,
    ) -> Result<Page<ImportKey>, RegistryError> {
        self.stored().all_import_keys(after, limit).await
    }

    async fn system_jobs_of(&self, kind: JobKind, limit: usize) -> Result<Vec<Job>, RegistryError> {
        self.stored().system_jobs_of(kind, limit).await
    }

    async fn drills(&self, limit: usize) -> Result<Vec<Drill>, RegistryError> {
        self.stored().drills(limit).await
    }

    async fn is_referenced(&self, record: RecordId) -> Result<bool, RegistryError> {
        self.stored().is_referenced(record).await
    }

    async fn stray(&self, name: &ObjectName) -> Result<Option<StrayRecord>, RegistryError> {
        self.stored().stray(name).await
    }

    async fn strays(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page<StrayRecord>, RegistryError> {
        self.stored().strays(after, limit).await
    }

    async fn rewrite_change(&self, revision: i64, writes: &[Write]) -> Result<(), RegistryError> {
        self.stored().rewrite_change(revision, writes).await
    }

    async fn compact(&self) -> Result<(), RegistryError> {
        self.stored().compact().await
    }

    async fn empty_log(&self) -> Result<(), RegistryError> {
        self.stored().empty_log().await
    }
}
