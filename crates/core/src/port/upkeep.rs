//! What the registry knows for those who look after the deployment: conditions, what the ledger
//! says is stored, and what is stored without being in the ledger. A part of the registry, written
//! like all of it through `Registry::commit`.

use async_trait::async_trait;

use crate::change::Write;
use crate::ids::{ConditionId, ImportKeyId, RecordId, SecretVersionId, TenantId};
use crate::noun::condition::{Condition, ConditionKind, Severity};
use crate::noun::drill::Drill;
use crate::noun::import_key::ImportKey;
use crate::noun::job::{Job, JobKind};
use crate::noun::secret::SecretVersion;
use crate::noun::stray::StrayRecord;
use crate::port::registry::{Page, RegistryError};
use crate::port::storage::ObjectName;
use crate::time::Timestamp;

/// Which conditions are wanted. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConditionFilter {
    /// Open ones, or those that are over.
    pub open: Option<bool>,
    /// Of this kind.
    pub kind: Option<ConditionKind>,
    /// Of this severity.
    pub severity: Option<Severity>,
}

/// The part of the registry that looks after the deployment.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// A tenant's conditions (with none, the deployment's own), newest first, after an id.
    async fn conditions(
        &self,
        tenant: Option<TenantId>,
        filter: &ConditionFilter,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError>;

    /// Every open condition, in order of id, after an id: what a node loads at start.
    async fn open_conditions(
        &self,
        after: Option<ConditionId>,
        limit: usize,
    ) -> Result<Page<Condition>, RegistryError>;

    /// Conditions that were over before an instant, oldest first; if there is none, those beyond
    /// the `keep` that were over last.
    async fn outlived_conditions(
        &self,
        before: Timestamp,
        keep: usize,
        limit: usize,
    ) -> Result<Vec<Condition>, RegistryError>;

    /// The system's own jobs of a kind, newest first, however many there are of other kinds.
    async fn system_jobs_of(&self, kind: JobKind, limit: usize) -> Result<Vec<Job>, RegistryError>;

    /// Every stored version of every secret, in order of id, after an id.
    async fn all_secret_versions(
        &self,
        after: Option<SecretVersionId>,
        limit: usize,
    ) -> Result<Page<SecretVersion>, RegistryError>;

    /// Every wrapping key whose private half is stored, in order of id, after an id.
    async fn all_import_keys(
        &self,
        after: Option<ImportKeyId>,
        limit: usize,
    ) -> Result<Page<ImportKey>, RegistryError>;

    /// Drills, newest first.
    async fn drills(&self, limit: usize) -> Result<Vec<Drill>, RegistryError>;

    /// Whether a row says that this record is stored: as material, as a key-encryption key, as a
    /// wrapping key's private half or as a secret's value.
    async fn is_referenced(&self, record: RecordId) -> Result<bool, RegistryError>;

    /// By name.
    async fn stray(&self, name: &ObjectName) -> Result<Option<StrayRecord>, RegistryError>;

    /// Writes the rows of a change in the feed as they are to be kept: the same rows, their texts
    /// sealed, or without what they said of a person who was erased. What the log says of the change stays,
    /// and so does everything else of it.
    async fn rewrite_change(&self, revision: i64, writes: &[Write]) -> Result<(), RegistryError>;

    /// Gives up what deleted and replaced rows left in the database's files, as far as the database can
    /// be told to.
    async fn compact(&self) -> Result<(), RegistryError>;

    /// Has what rows said before go from the database's log of writes as well, where it keeps one that it
    /// can be told to empty. Short; refused while somebody reads from there.
    async fn empty_log(&self) -> Result<(), RegistryError>;

    /// Every stray, in order of name, after a name.
    async fn strays(
        &self,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Page<StrayRecord>, RegistryError>;
}
