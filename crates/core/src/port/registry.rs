//! The registry: the SQL database of everything that is not secret. One way in for writes,
//! [`Registry::commit`]; reads return what is there or nothing.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use keyward_crypto::algorithm::Algorithm;

use crate::change::{Change, Commit, IdempotencyKey, IdempotencyRecord};
use crate::ids::{
    BindingId, ImportKeyId, KeyId, PolicyId, PrincipalId, RoleId, SecretId, SecretVersionId,
    TenantId, TokenId, VersionId,
};
use crate::names::{
    DataClass, KeyName, PolicyName, PrincipalName, RoleName, SecretName, TenantName,
};
use crate::noun::binding::DataBinding;
use crate::noun::class_pointer::ClassPointer;
use crate::noun::history::Transition;
use crate::noun::import_key::ImportKey;
use crate::noun::job::Job;
use crate::noun::key::{Key, ProviderKind, UseLimit};
use crate::noun::key_version::{KeyVersion, UsageTotals};
use crate::noun::policy::Policy;
use crate::noun::principal::Principal;
use crate::noun::role::{Role, RoleAssignment};
use crate::noun::secret::{Secret, SecretVersion};
use crate::noun::state::State;
use crate::noun::tenant::{Tenant, TenantKek};
use crate::noun::token::Token;
use crate::port::audit_rules::AuditRules;
use crate::port::lease::{LeaseRole, Leases};
use crate::port::rotations::Rotations;
use crate::port::storage::StorageError;
use crate::port::upkeep::Upkeep;
use crate::time::Timestamp;

/// What can go wrong with the registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A row changed since it was read, or is gone.
    #[error("the {table} row changed meanwhile")]
    Conflict {
        /// Which table.
        table: &'static str,
    },
    /// Another row has this name, or this id.
    #[error("a {table} row with this name exists already")]
    Duplicate {
        /// Which table.
        table: &'static str,
    },
    /// A constraint of the schema refused the row.
    #[error("the {table} row breaks a rule of the schema")]
    Constraint {
        /// Which table.
        table: &'static str,
    },
    /// A row cannot be read as what it should be.
    #[error("a stored {table} row is damaged: {what}")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Which field.
        what: &'static str,
    },
    /// A sealed text is not what was sealed in its place: it was altered, or comes from another row,
    /// column or tenant.
    #[error(
        "the sealed text in {column} of {table} {row} is not what was sealed there: it was altered, or \
         moved from another place; restore the row from a backup"
    )]
    TextRefused {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        row: uuid::Uuid,
    },
    /// The key under which a tenant's texts are sealed cannot be had.
    #[error("the tenant's texts are sealed, and their key cannot be had: {0}")]
    TextKey(StorageError),
    /// A migration left this database for another: nothing is written to it any more.
    #[error(
        "this database is not the registry any more: a migration left it; start the server with the \
         one that is"
    )]
    Left,
    /// The commit was to be made by the holder of a role alone, and another has taken the role since.
    /// Nothing was changed.
    #[error("the {role} lease was taken by another node meanwhile: nothing was changed")]
    Fenced {
        /// Which role.
        role: LeaseRole,
    },
    /// The database cannot be reached, read or written.
    #[error("the registry is unavailable: {cause}")]
    Unavailable {
        /// The kind of fault, without addresses or statements.
        cause: String,
    },
}

/// A page of rows in order, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether more follow.
    pub more: bool,
}

/// What keys are sorted by. Ties are broken by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KeySort {
    /// By name.
    #[default]
    Name,
    /// By when they were made, oldest first.
    CreatedAt,
}

/// Which keys a search wants. Every condition given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// The name begins with this.
    pub name_prefix: Option<String>,
    /// Name, description, purpose or owner contain this, whatever the case. At least 3 characters.
    pub text: Option<String>,
    /// The primary version is in this state.
    pub state: Option<State>,
    /// Of this class.
    pub data_class: Option<DataClass>,
    /// With this provider.
    pub provider: Option<ProviderKind>,
    /// Of this algorithm.
    pub algorithm: Option<Algorithm>,
    /// Of this owner.
    pub owner: Option<String>,
    /// With this tag; with no value, whatever the value.
    pub tag: Option<(String, Option<String>)>,
    /// Under this rule.
    pub compliance_tag: Option<String>,
    /// For this service.
    pub authorized_service: Option<String>,
    /// With this policy.
    pub rotation_policy: Option<PolicyId>,
    /// Made by this token.
    pub created_by: Option<TokenId>,
    /// Made at or after.
    pub created_from: Option<Timestamp>,
    /// Made before.
    pub created_before: Option<Timestamp>,
    /// The primary version expires before.
    pub expires_before: Option<Timestamp>,
    /// Only these keys (for callers who see some only).
    pub only: Option<BTreeSet<KeyId>>,
}

/// Where a page of keys begins: after this sort value and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCursor {
    /// The sort value of the last row before: a name, or microseconds as decimal text.
    pub sort_value: String,
    /// Its id.
    pub id: KeyId,
}

/// A key with its primary version, as searches list it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySummary {
    /// The key.
    pub key: Key,
    /// Its primary version.
    pub primary: KeyVersion,
}

/// A key with all its versions, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyWithVersions {
    /// The key.
    pub key: Key,
    /// Its versions.
    pub versions: Vec<KeyVersion>,
}

/// How the caller names a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyRef {
    /// By id, alone or in an ARN.
    Id(KeyId),
    /// By name.
    Name(KeyName),
    /// As the current key of a class of data.
    Class(DataClass),
}

/// Counters to be added to a version's usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageDelta {
    /// Which version.
    pub version: VersionId,
    /// What to add; `last_used_at` replaces an earlier one.
    pub add: UsageTotals,
}

/// Uses set aside for this node, durable before any of them is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// How many uses were given; none when the limit is reached.
    pub uses: i64,
    /// How many bytes were given.
    pub bytes: i64,
}

/// A version for which the clock has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueVersion {
    /// Whose.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// Which version.
    pub version: i64,
}

/// What is told of every commit of this node, in order of revision, exactly once, after it is
/// durable and before [`Registry::commit`] answers: so that a caller who goes away half-way
/// leaves neither memory nor the journal behind. Called from the writer; must not block.
pub trait ChangeObserver: Send + Sync {
    /// Changes that are durable now.
    fn committed(&self, changes: &[Change]);
}

/// The registry.
#[async_trait]
pub trait Registry: Upkeep + AuditRules + Leases + Rotations + Send + Sync {
    /// Names who is told of commits. Called once, before the first commit.
    fn observe(&self, observer: std::sync::Arc<dyn ChangeObserver>);

    /// Does all of a commit or nothing, durably, and returns it as the feed shows it.
    /// Concurrent commits share a transaction; each succeeds or fails on its own.
    async fn commit(&self, commit: Commit) -> Result<Change, RegistryError>;

    /// Changes with a revision above `after`, in order, without gaps.
    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError>;

    /// The highest revision; 0 when there is none.
    async fn revision(&self) -> Result<i64, RegistryError>;

    /// Whether the database answers.
    async fn health(&self) -> Result<(), RegistryError>;

    /// The deployment's id, made once.
    async fn deployment(&self) -> Result<uuid::Uuid, RegistryError>;

    /// The highest `now` ever used, raised to `now` if that is later.
    async fn advance_clock(&self, now: Timestamp) -> Result<Timestamp, RegistryError>;

    // Tenants.
    /// By id.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, RegistryError>;
    /// By name.
    async fn tenant_by_name(&self, name: &TenantName) -> Result<Option<Tenant>, RegistryError>;
    /// By name, after a name.
    async fn tenants(
        &self,
        after: Option<&TenantName>,
        limit: usize,
    ) -> Result<Page<Tenant>, RegistryError>;
    /// Its key-encryption keys that are not destroyed, newest first.
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, RegistryError>;

    // Principals, tokens, roles. `tenant` none means the system's own.
    /// By id.
    async fn principal(&self, id: PrincipalId) -> Result<Option<Principal>, RegistryError>;
    /// By name.
    async fn principal_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &PrincipalName,
    ) -> Result<Option<Principal>, RegistryError>;
    /// In order of name.
    async fn principals(
        &self,
        tenant: Option<TenantId>,
        after: Option<&PrincipalName>,
        limit: usize,
    ) -> Result<Page<Principal>, RegistryError>;
    /// By id.
    async fn token(&self, id: TokenId) -> Result<Option<Token>, RegistryError>;
    /// In order of id.
    async fn tokens(
        &self,
        tenant: Option<TenantId>,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Page<Token>, RegistryError>;
    /// By id.
    async fn role(&self, id: RoleId) -> Result<Option<Role>, RegistryError>;
    /// By name: a tenant's own, or a built-in one.
    async fn role_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &RoleName,
    ) -> Result<Option<Role>, RegistryError>;
    /// The built-in roles and the tenant's own, in order of name.
    async fn roles(&self, tenant: Option<TenantId>) -> Result<Vec<Role>, RegistryError>;
    /// Who holds what in a tenant (or, with none, in the whole deployment).
    async fn assignments(
        &self,
        tenant: Option<TenantId>,
    ) -> Result<Vec<RoleAssignment>, RegistryError>;
    /// Everything a principal holds.
    async fn assignments_of(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<RoleAssignment>, RegistryError>;

    // Keys.
    /// With all versions, read in one snapshot.
    async fn key(
        &self,
        tenant: TenantId,
        key: &KeyRef,
    ) -> Result<Option<KeyWithVersions>, RegistryError>;
    /// A page of keys.
    async fn search_keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        sort: KeySort,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<Page<KeySummary>, RegistryError>;
    /// A key's transitions, oldest first, after an id.
    async fn history(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<crate::ids::TransitionId>,
        limit: usize,
    ) -> Result<Page<Transition>, RegistryError>;
    /// Every key of every tenant with its versions, in order of key id, after an id: what a node
    /// loads at start.
    async fn all_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<KeyWithVersions>, RegistryError>;
    /// Versions whose overlap, cryptoperiod or waiting time ended at or before `now`.
    async fn due_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueVersion>, RegistryError>;

    // Usage.
    /// Usage of each version of a key, as far as it was flushed.
    async fn usage(
        &self,
        tenant: TenantId,
        key: KeyId,
    ) -> Result<BTreeMap<i64, UsageTotals>, RegistryError>;
    /// Adds counters and remembers how far this node's journal is counted, in one transaction.
    async fn add_usage(
        &self,
        node: &str,
        journaled_to: u64,
        deltas: Vec<UsageDelta>,
    ) -> Result<(), RegistryError>;
    /// How far this node's journal is counted; 0 at first.
    async fn usage_watermark(&self, node: &str) -> Result<u64, RegistryError>;
    /// Sets uses aside, in one statement, never beyond the limit. All nodes together stay under it.
    async fn reserve_uses(
        &self,
        version: VersionId,
        limit: UseLimit,
        wanted: Reservation,
    ) -> Result<Reservation, RegistryError>;

    // Classes, bindings, policies, jobs.
    /// The pointer of a class.
    async fn class_pointer(
        &self,
        tenant: TenantId,
        class: &DataClass,
    ) -> Result<Option<ClassPointer>, RegistryError>;
    /// Every pointer of a tenant.
    async fn class_pointers(&self, tenant: TenantId) -> Result<Vec<ClassPointer>, RegistryError>;
    /// Every pointer of every tenant: what a node loads at start.
    async fn all_class_pointers(&self) -> Result<Vec<ClassPointer>, RegistryError>;
    /// By id.
    async fn binding(
        &self,
        tenant: TenantId,
        id: BindingId,
    ) -> Result<Option<DataBinding>, RegistryError>;
    /// Of a key, in order of id.
    async fn bindings(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<BindingId>,
        limit: usize,
    ) -> Result<Page<DataBinding>, RegistryError>;
    /// How many of a key's bindings are live.
    async fn live_bindings(&self, tenant: TenantId, key: KeyId) -> Result<i64, RegistryError>;
    /// By id.
    async fn policy(&self, tenant: TenantId, id: PolicyId)
    -> Result<Option<Policy>, RegistryError>;
    /// By name.
    async fn policy_by_name(
        &self,
        tenant: TenantId,
        name: &PolicyName,
    ) -> Result<Option<Policy>, RegistryError>;
    /// In order of name.
    async fn policies(
        &self,
        tenant: TenantId,
        after: Option<&PolicyName>,
        limit: usize,
    ) -> Result<Page<Policy>, RegistryError>;
    /// Keys that a policy rotates.
    async fn keys_with_policy(
        &self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<KeyId>, RegistryError>;
    /// Jobs of a tenant (with none, of the system), newest first.
    async fn jobs(&self, tenant: Option<TenantId>, limit: usize)
    -> Result<Vec<Job>, RegistryError>;
    /// Jobs that are queued or were left running, due at or before `now`.
    async fn due_jobs(&self, now: Timestamp, limit: usize) -> Result<Vec<Job>, RegistryError>;

    // Wrapping keys for imports.
    /// By id.
    async fn import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
    ) -> Result<Option<ImportKey>, RegistryError>;
    /// Those whose private half is to be deleted at or before `now`.
    async fn due_import_keys(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ImportKey>, RegistryError>;

    // Secrets. `tenant` none means the system's own.
    /// By name, deleted or not.
    async fn secret(
        &self,
        tenant: Option<TenantId>,
        name: &SecretName,
    ) -> Result<Option<Secret>, RegistryError>;
    /// Those that are not deleted and whose names begin with `prefix`, in order of name.
    async fn secrets(
        &self,
        tenant: Option<TenantId>,
        prefix: &str,
        after: Option<&SecretName>,
        limit: usize,
    ) -> Result<Page<Secret>, RegistryError>;
    /// The versions of a secret that are stored or being destroyed, oldest first.
    async fn secret_versions(&self, secret: SecretId) -> Result<Vec<SecretVersion>, RegistryError>;
    /// By id.
    async fn secret_version(
        &self,
        id: SecretVersionId,
    ) -> Result<Option<SecretVersion>, RegistryError>;
    /// Versions whose values were to be destroyed at or before `now`.
    async fn due_secret_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SecretVersion>, RegistryError>;

    // Requests seen before.
    /// What the first request with this key made.
    async fn idempotency(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, RegistryError>;
    /// Forgets requests older than `before`; how many.
    async fn forget_idempotency(&self, before: Timestamp) -> Result<u64, RegistryError>;
}
