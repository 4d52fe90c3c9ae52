//! The registry itself: core's port on an open database. Every read is one line that names where
//! the query lives; every write goes through the one writer.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use keyward_core::change::{Change, Commit, IdempotencyKey, IdempotencyRecord};
use keyward_core::ids::{
    BindingId, ImportKeyId, KeyId, PolicyId, PrincipalId, RoleId, SecretId, SecretVersionId,
    TenantId, TokenId, TransitionId, VersionId,
};
use keyward_core::names::{DataClass, PolicyName, PrincipalName, RoleName, SecretName, TenantName};
use keyward_core::noun::binding::DataBinding;
use keyward_core::noun::class_pointer::ClassPointer;
use keyward_core::noun::history::Transition;
use keyward_core::noun::import_key::ImportKey;
use keyward_core::noun::job::Job;
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::UsageTotals;
use keyward_core::noun::policy::Policy;
use keyward_core::noun::principal::Principal;
use keyward_core::noun::role::{Role, RoleAssignment};
use keyward_core::noun::secret::{Secret, SecretVersion};
use keyward_core::noun::tenant::{Tenant, TenantKek};
use keyward_core::noun::token::Token;
use keyward_core::port::registry::{
    ChangeObserver, DueVersion, KeyCursor, KeyFilter, KeyRef, KeySort, KeySummary, KeyWithVersions,
    Page, Registry, RegistryError, Reservation, UsageDelta,
};
use keyward_core::time::{Clock, Timestamp};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::config::{Config, OpenError};
use crate::db::Database;
use crate::mark::Mark;
use crate::migrate::{self, KNOWN, SchemaError};
use crate::place::{Beside, Place};
use crate::read::{access, feed, import_keys, keys, records, search, secrets, tenants, usage};
use crate::write::{FairQueue, Writer};

/// The registry on SQLite or PostgreSQL.
pub struct SqlRegistry {
    pub(crate) place: Arc<Place>,
    queue: Arc<FairQueue>,
    observer: Arc<OnceLock<Arc<dyn ChangeObserver>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqlRegistry {
    /// Opens a database, brings its schema up to date (unless told not to) and starts the writer.
    ///
    /// # Errors
    /// When the URL is not understood, the database does not answer, or its schema is newer than
    /// this program, was altered, or is older and may not be migrated.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let database = Database::open(&config).await?;
        if config.migrate {
            migrate::up(&database, clock.now()).await?;
        } else {
            let found = migrate::check(&database).await?;
            if found < KNOWN {
                return Err(SchemaError::Older {
                    found,
                    known: KNOWN,
                }
                .into());
            }
        }
        if !config.even_if_moved
            && let Some(mark) = feed::mark(&database).await?
        {
            return Err(mark.into());
        }
        Ok(Self::of(database, &config, clock))
    }

    /// A registry in a database that is open, with a writer of its own.
    fn of(database: Database, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let place = Place::new(database);
        let queue = Arc::new(FairQueue::new(config.waiting_max.max(1)));
        let observer = Arc::new(OnceLock::new());
        let writer = Writer::new(
            Arc::clone(&place),
            Arc::clone(&queue),
            clock,
            config.batch_max,
            Arc::clone(&observer),
        );
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        Self {
            place,
            queue,
            observer,
            writer,
        }
    }

    /// Takes a closed-for-use database's schema back to an earlier version; 0 leaves nothing.
    /// What only later versions hold is lost.
    pub async fn migrate_down(config: Config, to: i64) -> Result<(), OpenError> {
        let database = Database::open(&config).await?;
        let done = migrate::down(&database, to).await;
        database.close().await;
        Ok(done?)
    }

    /// What a migration of the registry wrote on this database, if it is not the registry.
    pub async fn mark(&self) -> Result<Option<Mark>, RegistryError> {
        feed::mark(&self.present()).await
    }

    /// Writes it, or that it is the registry again. [`SqlRegistry::open`] refuses a mark.
    pub async fn set_mark(&self, mark: Option<&Mark>) -> Result<(), RegistryError> {
        let hold = self.place.hold(vec![]).await;
        feed::set_mark(hold.database(), mark).await
    }

    /// Up to where it goes, whatever its mark says.
    pub async fn reached(&self) -> Result<i64, RegistryError> {
        feed::revision(&self.present()).await
    }

    /// The schema that the database has.
    pub async fn schema_version(&self) -> Result<i64, SchemaError> {
        migrate::version(&self.present()).await
    }

    /// Writes what waits, then closes every connection. Commits sent later are refused.
    pub async fn close(&self) {
        self.queue.close();
        if let Some(writer) = self.writer.lock().await.take() {
            // A writer that panicked has answered nobody; there is nothing more to wait for.
            writer.await.ok();
        }
        self.present().close().await;
    }

    /// The database to read from.
    pub(crate) fn present(&self) -> Database {
        self.place.present()
    }
}

impl Drop for SqlRegistry {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[async_trait]
impl Registry for SqlRegistry {
    fn observe(&self, observer: Arc<dyn ChangeObserver>) {
        if self.observer.set(observer).is_err() {
            tracing::error!("the registry has an observer already; the second one is ignored");
        }
    }

    async fn commit(&self, commit: Commit) -> Result<Change, RegistryError> {
        self.queue.submit(commit).await
    }

    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        feed::changes_after(&self.present(), after, limit).await
    }

    async fn revision(&self) -> Result<i64, RegistryError> {
        feed::settled_revision(&self.place).await
    }

    async fn health(&self) -> Result<(), RegistryError> {
        feed::revision(&self.present()).await.map(drop)
    }

    async fn deployment(&self) -> Result<uuid::Uuid, RegistryError> {
        feed::deployment(&self.present()).await
    }

    async fn advance_clock(&self, now: Timestamp) -> Result<Timestamp, RegistryError> {
        let advance = move |at: Database| async move { feed::advance_clock(&at, now).await };
        self.place.write(vec![], advance).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, RegistryError> {
        tenants::by_id(&self.present(), id).await
    }

    async fn tenant_by_name(&self, name: &TenantName) -> Result<Option<Tenant>, RegistryError> {
        tenants::by_name(&self.present(), name).await
    }

    async fn tenants(
        &self,
        after: Option<&TenantName>,
        limit: usize,
    ) -> Result<Page<Tenant>, RegistryError> {
        tenants::after_name(&self.present(), after, limit).await
    }

    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, RegistryError> {
        tenants::keks(&self.present(), tenant).await
    }

    async fn principal(&self, id: PrincipalId) -> Result<Option<Principal>, RegistryError> {
        access::principal(&self.present(), id).await
    }

    async fn principal_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &PrincipalName,
    ) -> Result<Option<Principal>, RegistryError> {
        access::principal_by_name(&self.present(), tenant, name).await
    }

    async fn principals(
        &self,
        tenant: Option<TenantId>,
        after: Option<&PrincipalName>,
        limit: usize,
    ) -> Result<Page<Principal>, RegistryError> {
        access::principals(&self.present(), tenant, after, limit).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<Token>, RegistryError> {
        access::token(&self.present(), id).await
    }

    async fn tokens(
        &self,
        tenant: Option<TenantId>,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Page<Token>, RegistryError> {
        access::tokens(&self.present(), tenant, after, limit).await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Role>, RegistryError> {
        access::role(&self.present(), id).await
    }

    async fn role_by_name(
        &self,
        tenant: Option<TenantId>,
        name: &RoleName,
    ) -> Result<Option<Role>, RegistryError> {
        access::role_by_name(&self.present(), tenant, name).await
    }

    async fn roles(&self, tenant: Option<TenantId>) -> Result<Vec<Role>, RegistryError> {
        access::roles(&self.present(), tenant).await
    }

    async fn assignments(
        &self,
        tenant: Option<TenantId>,
    ) -> Result<Vec<RoleAssignment>, RegistryError> {
        access::assignments(&self.present(), tenant).await
    }

    async fn assignments_of(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<RoleAssignment>, RegistryError> {
        access::assignments_of(&self.present(), principal).await
    }

    async fn key(
        &self,
        tenant: TenantId,
        key: &KeyRef,
    ) -> Result<Option<KeyWithVersions>, RegistryError> {
        keys::by_ref(&self.present(), tenant, key).await
    }

    async fn search_keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        sort: KeySort,
        after: Option<&KeyCursor>,
        limit: usize,
    ) -> Result<Page<KeySummary>, RegistryError> {
        search::keys(&self.present(), tenant, filter, sort, after, limit).await
    }

    async fn history(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<TransitionId>,
        limit: usize,
    ) -> Result<Page<Transition>, RegistryError> {
        keys::history(&self.present(), tenant, key, after, limit).await
    }

    async fn all_keys(
        &self,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<KeyWithVersions>, RegistryError> {
        keys::all(&self.present(), after, limit).await
    }

    async fn due_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueVersion>, RegistryError> {
        keys::due(&self.present(), now, limit).await
    }

    async fn usage(
        &self,
        tenant: TenantId,
        key: KeyId,
    ) -> Result<BTreeMap<i64, UsageTotals>, RegistryError> {
        usage::of_key(&self.present(), tenant, key).await
    }

    async fn add_usage(
        &self,
        node: &str,
        journaled_to: u64,
        deltas: Vec<UsageDelta>,
    ) -> Result<(), RegistryError> {
        let versions = deltas.iter().map(|delta| Beside::usage(delta.version));
        let rows = versions.chain([Beside::watermark(node)]).collect();
        let node = node.to_owned();
        let add =
            move |at: Database| async move { usage::add(&at, &node, journaled_to, deltas).await };
        self.place.write(rows, add).await
    }

    async fn usage_watermark(&self, node: &str) -> Result<u64, RegistryError> {
        usage::watermark(&self.present(), node).await
    }

    async fn reserve_uses(
        &self,
        version: VersionId,
        limit: UseLimit,
        wanted: Reservation,
    ) -> Result<Reservation, RegistryError> {
        let rows = vec![Beside::reservation(version)];
        let reserve =
            move |at: Database| async move { usage::reserve(&at, version, limit, wanted).await };
        self.place.write(rows, reserve).await
    }

    async fn class_pointer(
        &self,
        tenant: TenantId,
        class: &DataClass,
    ) -> Result<Option<ClassPointer>, RegistryError> {
        records::class_pointer(&self.present(), tenant, class).await
    }

    async fn class_pointers(&self, tenant: TenantId) -> Result<Vec<ClassPointer>, RegistryError> {
        records::class_pointers(&self.present(), tenant).await
    }

    async fn all_class_pointers(&self) -> Result<Vec<ClassPointer>, RegistryError> {
        records::all_class_pointers(&self.present()).await
    }

    async fn binding(
        &self,
        tenant: TenantId,
        id: BindingId,
    ) -> Result<Option<DataBinding>, RegistryError> {
        records::binding(&self.present(), tenant, id).await
    }

    async fn bindings(
        &self,
        tenant: TenantId,
        key: KeyId,
        after: Option<BindingId>,
        limit: usize,
    ) -> Result<Page<DataBinding>, RegistryError> {
        records::bindings(&self.present(), tenant, key, after, limit).await
    }

    async fn live_bindings(&self, tenant: TenantId, key: KeyId) -> Result<i64, RegistryError> {
        records::live_bindings(&self.present(), tenant, key).await
    }

    async fn policy(
        &self,
        tenant: TenantId,
        id: PolicyId,
    ) -> Result<Option<Policy>, RegistryError> {
        records::policy(&self.present(), tenant, id).await
    }

    async fn policy_by_name(
        &self,
        tenant: TenantId,
        name: &PolicyName,
    ) -> Result<Option<Policy>, RegistryError> {
        records::policy_by_name(&self.present(), tenant, name).await
    }

    async fn policies(
        &self,
        tenant: TenantId,
        after: Option<&PolicyName>,
        limit: usize,
    ) -> Result<Page<Policy>, RegistryError> {
        records::policies(&self.present(), tenant, after, limit).await
    }

    async fn keys_with_policy(
        &self,
        tenant: TenantId,
        policy: PolicyId,
    ) -> Result<Vec<KeyId>, RegistryError> {
        records::keys_with_policy(&self.present(), tenant, policy).await
    }

    async fn jobs(
        &self,
        tenant: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<Job>, RegistryError> {
        records::jobs(&self.present(), tenant, limit).await
    }

    async fn due_jobs(&self, now: Timestamp, limit: usize) -> Result<Vec<Job>, RegistryError> {
        records::due_jobs(&self.present(), now, limit).await
    }

    async fn import_key(
        &self,
        tenant: TenantId,
        id: ImportKeyId,
    ) -> Result<Option<ImportKey>, RegistryError> {
        import_keys::import_key(&self.present(), tenant, id).await
    }

    async fn due_import_keys(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ImportKey>, RegistryError> {
        import_keys::due_import_keys(&self.present(), now, limit).await
    }

    async fn secret(
        &self,
        tenant: Option<TenantId>,
        name: &SecretName,
    ) -> Result<Option<Secret>, RegistryError> {
        secrets::secret(&self.present(), tenant, name).await
    }

    async fn secrets(
        &self,
        tenant: Option<TenantId>,
        prefix: &str,
        after: Option<&SecretName>,
        limit: usize,
    ) -> Result<Page<Secret>, RegistryError> {
        secrets::secrets(&self.present(), tenant, prefix, after, limit).await
    }

    async fn secret_versions(&self, secret: SecretId) -> Result<Vec<SecretVersion>, RegistryError> {
        secrets::versions(&self.present(), secret).await
    }

    async fn secret_version(
        &self,
        id: SecretVersionId,
    ) -> Result<Option<SecretVersion>, RegistryError> {
        secrets::version(&self.present(), id).await
    }

    async fn due_secret_versions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SecretVersion>, RegistryError> {
        secrets::due_versions(&self.present(), now, limit).await
    }

    async fn idempotency(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, RegistryError> {
        feed::idempotency(&self.present(), key).await
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<u64, RegistryError> {
        let hold = self.place.hold(vec![]).await.forgetting(before);
        let forget = move |at: Database| async move { feed::forget_idempotency(&at, before).await };
        hold.write(forget).await
    }
}
