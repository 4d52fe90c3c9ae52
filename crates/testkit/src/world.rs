//! A whole node on real parts in a temporary directory, with a clock that tests drive: registry on
//! SQLite or PostgreSQL, embedded or file vault, journal on disk. Stories go through its few doors.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a world that cannot be built ends its test

mod another;
mod ground;
pub mod moving;
mod repairing;
pub mod restored;
mod silent;
mod waiting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use keyward_access::RoleDecider;
use keyward_audit::index::{AuditIndex, Search};
use keyward_audit::{Journal, JournalConfig};
use keyward_backup::{Backups, Drills, Place, Recipients, Tip};
use keyward_core::audit::Journaled;
use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::names::{CorrelationId, PrincipalName, RoleName, TenantName};
use keyward_core::node::{Node, Ports, Settings, UsageBook};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::role::Restriction;
use keyward_core::ops;
use keyward_core::ops::backup::Continuous;
use keyward_core::ops::initialize::BuiltinRole;
use keyward_core::port::audit_keeping::AuditKeeping;
use keyward_core::port::audit_log::{AuditLog, TailQuery};
use keyward_core::port::key_provider::KeyProvider;
use keyward_core::port::registry::Registry;
use keyward_core::port::storage::{RecordLedger, SecureStorage, StorageBackend};
use keyward_core::retention::RetentionRules;
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::random::{Random, SystemRandom};
use keyward_providers::{CacheLimits, NativeProvider};
use keyward_store::{Config, SqlRegistry};
use keyward_vault::{
    EmbeddedBackend, FileBackend, MeasuredBackend, PostgresBackend, PostgresSettings, SealAccess,
    SealSetup, SealedCopies, Vault,
};
use tempfile::TempDir;

use crate::faulty::FaultyBackend;
use crate::postgres::TestDatabase;
use crate::stores::{self, Store};

use self::ground::WorldGround;
pub use self::moving::Moving;
pub use self::restored::{Blank, PartError, WantedPart};
pub use self::silent::Silent;

/// A registry that is waited for however busy the machine is.
fn patient(url: &str) -> Config {
    Config {
        patience: Duration::from_mins(1),
        ..Config::new(url)
    }
}

/// A clock that stands still until a test moves it.
pub struct DrivenClock {
    micros: AtomicI64,
    moved: tokio::sync::Notify,
}

impl DrivenClock {
    /// A clock at some day of 2027.
    pub fn new() -> Self {
        Self {
            micros: AtomicI64::new(1_800_000_000_000_000),
            moved: tokio::sync::Notify::new(),
        }
    }

    /// Moves on.
    pub fn advance_seconds(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

impl Default for DrivenClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for DrivenClock {
    fn now(&self) -> Timestamp {
        // Each look is a microsecond later than the one before: times in tests are in order.
        Timestamp::from_micros(self.micros.fetch_add(1, Ordering::SeqCst))
    }

    fn after_seconds(&self, seconds: u32) -> BoxFuture<'_, ()> {
        let until = self.now().plus_seconds(seconds.into());
        Box::pin(async move {
            loop {
                // Told of every move from here on, also of one before it is looked at the time.
                let moved = self.moved.notified();
                if self.now() >= until {
                    return;
                }
                moved.await;
            }
        })
    }
}

/// To whom a world's backups are sealed.
pub const BACKUP_RECIPIENT: &str = "age1zgq3qa8640vhnggw8aqj2zgx89kqqx3nkg75j78x8f0fdzf5c5kqcegm4s";
/// What opens them. It protects nothing but tests.
pub const BACKUP_IDENTITY: &str =
    "AGE-SECRET-KEY-1JFTN932X702XG2PRLR4YNQ3H0XWZAVR2NLG974A43WJR2CET9PRSS34UQ5";

/// Which registry a world runs on.
#[derive(Clone, Debug)]
pub enum RegistryKind {
    /// A file in the world's directory.
    Sqlite,
    /// A database of its own on the test server.
    Postgres,
}

/// Which vault backend a world runs on.
#[derive(Clone, Copy, Debug)]
pub enum VaultKind {
    /// `vault.db`.
    Embedded,
    /// A file per record.
    Files,
    /// A schema of its own in a database of its own.
    Postgres,
    /// A part of a bucket of SeaweedFS.
    S3,
    /// A part of a container of Azurite.
    Azure,
    /// A part of a bucket of fake-gcs-server.
    Gcs,
}

impl VaultKind {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Files => "file",
            Self::Postgres => "postgres",
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Gcs => "gcs",
        }
    }

    /// Every backend.
    pub const ALL: [Self; 6] = [
        Self::Embedded,
        Self::Files,
        Self::Postgres,
        Self::S3,
        Self::Azure,
        Self::Gcs,
    ];
}

/// A node and what it stands on.
pub struct World {
    /// The node.
    pub node: Arc<Node>,
    /// Its clock.
    pub clock: Arc<DrivenClock>,
    /// Its registry.
    pub registry: Arc<SqlRegistry>,
    /// Its journal.
    pub journal: Arc<Journal>,
    /// Keeps entries from the journal, for measurements.
    pub silent: Arc<Silent>,
    /// By which the journal is searched; it grows when a test says so.
    pub index: Arc<AuditIndex>,
    /// Its vault.
    pub vault: Arc<Vault>,
    /// What the vault stands on.
    pub backend: Arc<dyn StorageBackend>,
    /// The same, with what it measures.
    pub watched: Arc<MeasuredBackend>,
    /// Makes changes of the vault's storage fail; sound until told otherwise.
    pub storage_faults: Arc<FaultyBackend>,
    /// Where its backups lie.
    pub backups: Place,
    /// Makes changes of what lies there fail; sound until told otherwise.
    pub backup_faults: Arc<FaultyBackend>,
    /// The vault on its way to another backend, if this world's is.
    pub moving: Option<Moving>,
    root: Option<Caller>,
    setup: Setup,
    pump: tokio::task::JoinHandle<()>,
}

struct Setup {
    directory: TempDir,
    url: String,
    backend: VaultKind,
    /// What keeps this world's objects apart from others' on a shared server.
    prefix: String,
    vault_database: Option<TestDatabase>,
    database: Option<TestDatabase>,
    bootstrap: Option<String>,
    retention: Option<RetentionRules>,
    /// What lets go of the log's beginning, if anything does.
    keeping: Option<Arc<dyn AuditKeeping>>,
    continuous: Option<Continuous>,
    /// From where, besides the backups, damaged and missing records are put back.
    replica: Option<Arc<FaultyBackend>>,
    /// Whether the vault moves; and by itself, as soon as it can.
    moves: Option<bool>,
    /// Whether addresses are kept that come while the node is sealed.
    keeps_addresses: bool,
}

impl Setup {
    fn new(registry: RegistryKind, backend: VaultKind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (url, database) = match registry {
            RegistryKind::Sqlite => {
                let path = directory.path().join("registry.db");
                (format!("sqlite://{}", path.display()), None)
            }
            RegistryKind::Postgres => {
                let database = own_database();
                (database.url.clone(), Some(database))
            }
        };
        let vault_database = matches!(backend, VaultKind::Postgres).then(own_database);
        Self {
            directory,
            url,
            backend,
            prefix: stores::fresh_prefix(),
            vault_database,
            database,
            bootstrap: None,
            retention: None,
            keeping: None,
            continuous: None,
            replica: None,
            moves: None,
            keeps_addresses: false,
        }
    }
}

impl World {
    /// A new deployment on SQLite and the embedded vault, unsealed by a key file.
    pub async fn new() -> Self {
        Self::on(RegistryKind::Sqlite, VaultKind::Embedded).await
    }

    /// A new deployment that keeps only some of its backups.
    pub async fn under_retention(rules: RetentionRules) -> Self {
        Self::under_retention_on(VaultKind::Embedded, rules).await
    }

    /// The same with its vault on another backend.
    pub async fn under_retention_on(backend: VaultKind, rules: RetentionRules) -> Self {
        let mut setup = Setup::new(RegistryKind::Sqlite, backend);
        setup.retention = Some(rules);
        Self::begin(setup).await
    }

    /// A new deployment that may let go of its log's beginning, through what it is given.
    pub async fn letting_go(registry: RegistryKind, keeping: Arc<dyn AuditKeeping>) -> Self {
        let mut setup = Setup::new(registry, VaultKind::Embedded);
        setup.keeping = Some(keeping);
        Self::begin(setup).await
    }

    /// A new deployment whose changes are answered when a segment holds them.
    pub async fn continuous(registry: RegistryKind, how: Continuous) -> Self {
        let mut setup = Setup::new(registry, VaultKind::Embedded);
        setup.continuous = Some(how);
        Self::begin(setup).await
    }

    /// A new deployment.
    pub async fn on(registry: RegistryKind, backend: VaultKind) -> Self {
        Self::begin(Setup::new(registry, backend)).await
    }

    async fn begin(setup: Setup) -> Self {
        let clock = Arc::new(DrivenClock::new());
        let mut world = Self::open(setup, clock, true).await;
        let token = world
            .setup
            .bootstrap
            .clone()
            .expect("a new deployment shows its first token");
        world.root = Some(world.authenticated(&token).await);
        world
    }

    /// Both registries, for stories that must hold on each.
    pub async fn on_each_registry() -> Vec<Self> {
        vec![
            Self::on(RegistryKind::Sqlite, VaultKind::Embedded).await,
            Self::on(RegistryKind::Postgres, VaultKind::Files).await,
        ]
    }

    async fn open(mut setup: Setup, clock: Arc<DrivenClock>, first: bool) -> Self {
        let data = setup.directory.path().to_owned();
        let as_clock: Arc<dyn Clock> = clock.clone();
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let registry = SqlRegistry::open(patient(&setup.url), as_clock.clone())
            .await
            .expect("the registry opens");
        let registry = Arc::new(registry);
        let deployment = registry.deployment().await.expect("a deployment has an id");
        let (stored, moving) = moving::or_at_rest(&setup, &as_clock).await;
        let storage_faults = Arc::new(FaultyBackend::new(stored));
        let name = setup.backend.name();
        let watched = MeasuredBackend::new(storage_faults.clone(), name, as_clock.clone());
        let watched = Arc::new(watched.on_disk(&data));
        let backend: Arc<dyn StorageBackend> = watched.clone();
        backend.init().await.expect("the backend does what it must");
        let key_file = data.join("seal.key");
        if first {
            let seal = SealSetup::KeyFile(key_file.clone());
            Vault::initialize(&*backend, deployment, &seal, &*random)
                .await
                .expect("initialises");
        }
        let ledger: Arc<dyn RecordLedger> = registry.clone();
        let vault = Vault::open(backend.clone(), ledger, random.clone())
            .await
            .expect("the vault opens");
        let vault = Arc::new(vault.with_access(SealAccess {
            key_files: vec![key_file.clone()],
            services: Vec::new(),
        }));
        vault
            .unseal_with_key_file(&key_file)
            .expect("the key file unseals");

        let name: Arc<str> = "node-1".into();
        let sequence = registry.usage_watermark(&name).await.expect("a watermark");
        let changes = ops::start::changes_watermark_name(&name);
        let logged_to = registry
            .usage_watermark(&changes)
            .await
            .expect("a watermark");
        let logged_to = i64::try_from(logged_to).expect("small");
        let counts = ops::start::counts_watermark_name(&name);
        let counts = registry.usage_watermark(&counts).await;
        let book = UsageBook::new(sequence, logged_to);
        let usage = Arc::new(book.with_counts_after(counts.expect("a watermark")));
        let journal = Journal::open(
            &data.join("audit"),
            JournalConfig::default(),
            name.clone(),
            deployment,
            as_clock.clone(),
            usage.clone(),
        )
        .expect("the journal opens");
        let journal = Arc::new(journal);
        let silent = Arc::new(Silent::over(journal.clone()));
        let index = AuditIndex::new(journal.clone(), &data.join("audit/index"));
        let index = Arc::new(index);
        let as_storage: Arc<dyn SecureStorage> = vault.clone();
        let native: Arc<dyn KeyProvider> = Arc::new(NativeProvider::new(
            as_storage,
            random.clone(),
            as_clock.clone(),
            CacheLimits::default(),
        ));
        let backup_files = FileBackend::open(&data.join("backups")).expect("a directory");
        let backup_files = Arc::new(FaultyBackend::new(Arc::new(backup_files)));
        let backups = Arc::new(Backups {
            registry: registry.clone(),
            feed: registry.clone(),
            vault: Arc::new(SealedCopies::new(backend.clone())),
            place: Place::new(backup_files.clone()),
            recipients: Recipients::parse(&[BACKUP_RECIPIENT]).expect("a recipient"),
            clock: as_clock.clone(),
            software: "a test".to_owned(),
            tip: Tip::default(),
        });
        let place = Place::new(backup_files.clone());
        let drills = Drills {
            place: place.clone(),
            live: registry.clone(),
            ground: Arc::new(WorldGround {
                directory: data.join("drill"),
                access: SealAccess {
                    key_files: vec![key_file.clone()],
                    services: Vec::new(),
                },
                clock: as_clock.clone(),
                live: vault.clone(),
            }),
            clock: as_clock.clone(),
            software: "a test".to_owned(),
        };
        let ports = Ports {
            registry: registry.clone(),
            audit: silent.clone(),
            transparency: None,
            keeping: setup.keeping.clone(),
            search: Some(Arc::new(Search::new(index.clone()))),
            witness: None,
            waiting: setup.waiting(),
            usage,
            hierarchy: vault.clone(),
            secrets: vault.clone(),
            storage: watched.clone(),
            migration: moving.as_ref().map(|it| it.migration.conducted()),
            registry_migration: None,
            seal: vault.clone(),
            backups: Some(backups.clone()),
            rehearsal: Some(Arc::new(drills)),
            providers: BTreeMap::from([(ProviderKind::Native, native)]),
            repairs: setup.repairs(&vault, &registry, deployment),
            decide: Arc::new(RoleDecider),
            clock: as_clock,
            random,
        };
        let mut settings = Settings::new(&name, deployment);
        settings.retention = setup.retention;
        if setup.keeping.is_some() {
            settings.audit_let_go = true;
            // Stories of retention take years.
            settings.bootstrap_token_seconds = 20 * 366 * 24 * 3600;
        }
        settings.continuous = setup.continuous;
        settings.migration_cuts_over = setup.moves.unwrap_or_default();
        let node = Arc::new(Node::new(ports, settings));
        let pump = tokio::spawn(node.pump());
        if first {
            let issued = ops::initialize::initialize(&node, &builtin_roles())
                .await
                .expect("initialises");
            setup.bootstrap = Some(issued.text.to_string());
        }
        ops::start::load(&node).await.expect("the node loads");
        ops::builtin_roles::bring_up_to_date(&node, &builtin_roles())
            .await
            .expect("the roles are brought up to date");
        Self {
            node,
            clock,
            registry,
            journal,
            silent,
            index,
            vault,
            backend,
            watched,
            storage_faults,
            backups: place,
            backup_faults: backup_files,
            moving,
            root: None,
            setup,
            pump,
        }
    }

    /// Stops everything as a power switch would for the process (nothing is flushed) and starts
    /// again on the same directory.
    pub async fn restart(self) -> Self {
        let Self {
            node,
            clock,
            registry,
            journal,
            silent,
            vault,
            backend,
            watched,
            storage_faults,
            moving,
            setup,
            pump,
            ..
        } = self;
        pump.abort();
        let _ = pump.await;
        drop(node);
        journal.close().await;
        registry.close().await;
        drop((silent, journal, vault, backend, watched));
        drop((storage_faults, moving));
        drop(registry);
        let token = setup.bootstrap.clone().unwrap_or_default();
        let mut world = Self::open(setup, clock, false).await;
        world.root = Some(world.authenticated(&token).await);
        world
    }

    /// Stops carrying changes to the journal, as if the process died between the two.
    pub fn stop_pump(&self) {
        self.pump.abort();
    }

    /// How many objects the vault keeps.
    pub async fn stored_objects(&self) -> usize {
        let listed = self.backend.list("", None, 100_000).await;
        listed.expect("the backend lists").len()
    }

    /// Where the world keeps its files.
    pub fn directory(&self) -> PathBuf {
        self.setup.directory.path().to_owned()
    }

    /// Another process's way to the same registry.
    pub async fn another_registry(&self) -> SqlRegistry {
        SqlRegistry::open(patient(&self.setup.url), self.clock.clone())
            .await
            .expect("the registry opens")
    }

    /// Another node's vault on the same storage, open. It keeps no root key before for other nodes.
    pub async fn another_vault(&self) -> Vault {
        let ledger: Arc<dyn RecordLedger> = self.registry.clone();
        let vault = Vault::open(self.backend.clone(), ledger, Arc::new(SystemRandom)).await;
        let vault = vault.expect("the vault opens").keeping_previous_root(0);
        let key_file = self.directory().join("seal.key");
        vault
            .unseal_with_key_file(&key_file)
            .expect("the key file unseals");
        vault.with_access(SealAccess {
            key_files: vec![key_file],
            services: Vec::new(),
        })
    }

    /// Runs statements on the registry's database past the registry.
    pub fn sql(&self, statements: &str) {
        if let Some(database) = &self.setup.database {
            let server = crate::postgres::server().unwrap_or_else(|error| panic!("{error}"));
            let run = server.run_sql(&database.name, statements);
            run.unwrap_or_else(|error| panic!("{error}"));
            return;
        }
        let path = self.setup.directory.path().join("registry.db");
        let connection = rusqlite::Connection::open(path).expect("the registry's file");
        connection
            .execute_batch(statements)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// The database's address, without a secret in tests.
    pub fn registry_url(&self) -> &str {
        &self.setup.url
    }

    /// Whether the registry is PostgreSQL.
    pub const fn is_postgres(&self) -> bool {
        self.setup.database.is_some()
    }

    /// The first principal: a system administrator.
    pub fn root(&self) -> &Caller {
        self.root.as_ref().expect("the world is complete")
    }

    /// The first token's text.
    pub fn root_token(&self) -> &str {
        self.setup
            .bootstrap
            .as_deref()
            .expect("the world is complete")
    }

    /// Who a token stands for.
    pub async fn authenticated(&self, token: &str) -> Caller {
        ops::authenticate::authenticate(&self.node, Some(token), origin("login"))
            .await
            .expect("the token is valid")
    }

    /// Makes a tenant with one principal for each tenant role.
    pub async fn tenant(&self, name: &str) -> Tenancy {
        let new = ops::tenant::NewTenant {
            name: TenantName::new(name).expect("a name"),
            description: String::new(),
            seal_text: false,
        };
        let tenant = ops::tenant::create(&self.node, self.root(), new, None)
            .await
            .expect("the tenant is made")
            .value;
        let place = TenantRef::Id(tenant.id);
        let root = self.root().clone();
        let admin = self
            .member(&root, &place, "admin", "tenant-admin", None)
            .await;
        Tenancy {
            id: tenant.id,
            operator: self
                .member(&admin, &place, "operator", "operator", None)
                .await,
            user: self
                .member(&admin, &place, "user", "crypto-user", None)
                .await,
            auditor: self
                .member(&admin, &place, "auditor", "auditor", None)
                .await,
            custodian: self
                .member(&admin, &place, "custodian", "custodian", None)
                .await,
            admin,
            place,
        }
    }

    /// Makes a principal with a role and a token, and logs it in.
    pub async fn member(
        &self,
        by: &Caller,
        place: &TenantRef,
        name: &str,
        role: &str,
        restriction: Option<Restriction>,
    ) -> Caller {
        self.authenticated(&self.member_token(by, place, name, role, restriction).await)
            .await
    }

    /// The same, for its token.
    pub async fn member_token(
        &self,
        by: &Caller,
        place: &TenantRef,
        name: &str,
        role: &str,
        restriction: Option<Restriction>,
    ) -> String {
        let new = ops::principal::NewPrincipal {
            name: PrincipalName::new(name).expect("a name"),
            kind: PrincipalKind::Service,
        };
        let principal = ops::principal::create(&self.node, by, place, new, None)
            .await
            .expect("the principal is made")
            .value;
        let principal = ops::token::PrincipalRef::Id(principal.id);
        let assignment = ops::role::NewAssignment {
            principal: principal.clone(),
            role: RoleName::new(role).expect("a name"),
            restriction,
        };
        ops::role::assign(&self.node, by, place, assignment)
            .await
            .expect("the role is given");
        let token = ops::token::NewToken {
            principal,
            label: name.to_owned(),
            expires_at: None,
        };
        let issued = ops::token::create(&self.node, by, place, token, None)
            .await
            .expect("the token is made");
        issued.value.text.to_string()
    }

    /// The whole journal.
    pub async fn entries(&self) -> Vec<Journaled> {
        let mut all = Vec::new();
        loop {
            let after = Some(all.last().map_or(0, |entry: &Journaled| entry.sequence));
            let query = TailQuery {
                tenant: None,
                after,
                limit: 1000,
            };
            let page = self.journal.tail(query).await.expect("the journal reads");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// The last entry.
    pub async fn last_entry(&self) -> Journaled {
        let query = TailQuery {
            tenant: None,
            after: None,
            limit: 1,
        };
        let page = self.journal.tail(query).await.expect("the journal reads");
        page.into_iter().next_back().expect("something happened")
    }
}

fn builtin_roles() -> Vec<BuiltinRole> {
    keyward_access::builtin::roles()
        .into_iter()
        .map(|role| BuiltinRole {
            id: role.id,
            name: role.name,
            description: role.description,
            permissions: role.permissions,
            delegable: role.delegable,
        })
        .collect()
}

/// A registry's settings under which a machine that stands still for a while fails nobody.
fn own_database() -> TestDatabase {
    let server = crate::postgres::server().unwrap_or_else(|error| panic!("{error}"));
    server.database().expect("a database of one's own")
}

fn storage(setup: &Setup) -> Arc<dyn StorageBackend> {
    let data = setup.directory.path();
    let in_bucket = |store: &dyn Store| -> Arc<dyn StorageBackend> {
        stores::backend(&store.service(), &setup.prefix)
    };
    match setup.backend {
        VaultKind::Embedded => {
            Arc::new(EmbeddedBackend::open(&data.join("vault.db")).expect("the vault's file"))
        }
        VaultKind::Files => {
            Arc::new(FileBackend::open(&data.join("vault")).expect("the vault's directory"))
        }
        VaultKind::Postgres => {
            let database = setup
                .vault_database
                .as_ref()
                .expect("a database of its own");
            let settings = PostgresSettings {
                url: database.url.clone().into(),
                schema: "keyward_vault".to_owned(),
                prefix: setup.prefix.clone(),
                connections_max: 8,
                patience: stores::PATIENCE,
            };
            let backend = PostgresBackend::new(settings, Arc::new(SystemRandom));
            Arc::new(backend.expect("the settings fit"))
        }
        VaultKind::S3 => in_bucket(stores::s3()),
        VaultKind::Azure => in_bucket(stores::azure()),
        VaultKind::Gcs => in_bucket(stores::gcs()),
    }
}

/// A request that comes from nowhere in particular.
pub fn origin(correlation_id: &str) -> Origin {
    Origin {
        address: Some("127.0.0.1".to_owned()),
        correlation_id: CorrelationId::new(correlation_id).expect("a correlation id"),
        leaf: LeafSlot::default(),
    }
}

/// A tenant and those who act in it.
pub struct Tenancy {
    /// Its id.
    pub id: keyward_core::ids::TenantId,
    /// How to name it.
    pub place: TenantRef,
    /// Administers it, and uses no key.
    pub admin: Caller,
    /// Runs its keys day by day.
    pub operator: Caller,
    /// Uses its keys.
    pub user: Caller,
    /// Reads its log.
    pub auditor: Caller,
    /// Holds shares.
    pub custodian: Caller,
}
