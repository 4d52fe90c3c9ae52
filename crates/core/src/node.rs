//! A node: the ports it was given, what it keeps in memory, and whether it may serve.

mod entropy;
mod history;
mod readiness;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use futures_util::lock::Mutex;
use keyward_crypto::random::Random;

pub use self::readiness::Readiness;
pub use self::settings::{RotationSettings, Settings};
use crate::change::Change;
use crate::change_pump::ChangePump;
use crate::condition_board::ConditionBoard;
use crate::coverage::Coverage;
use crate::deletion_gate::DeletionGate;
use crate::error::OpError;
use crate::hot::Hot;
use crate::noun::key::ProviderKind;
use crate::ops::registry_migration::RegistryMigrationMemory;
use crate::ops::reserve::Reservations;
use crate::ops::storage::StorageWatch;
use crate::ops::storage::migration::MigrationMemory;
use crate::ops::storage::scrub::ScrubMemory;
use crate::people::People;
use crate::port::audit_keeping::AuditKeeping;
use crate::port::audit_log::{AuditError, AuditLog};
use crate::port::audit_search::AuditSearch;
use crate::port::backup::BackupStore;
use crate::port::decide::Decide;
use crate::port::drill::Rehearsal;
use crate::port::key_provider::KeyProvider;
use crate::port::registry::{ChangeObserver, Registry};
use crate::port::registry_migration::RegistryMigration;
use crate::port::repair::Repairs;
use crate::port::seal::SealControl;
use crate::port::secret_store::SecretStore;
use crate::port::storage::KeyHierarchy;
use crate::port::storage_care::StorageCare;
use crate::port::storage_migration::StorageMigration;
use crate::port::transparency::TransparencyLog;
use crate::rotation_board::RotationBoard;
use crate::session::Sessions;
use crate::sink_board::SinkBoard;
use crate::tally::Tally;
use crate::text_memory::TextMemory;
use crate::text_registry::TextRegistry;
use crate::texts::Texts;
use crate::time::{Clock, Timestamp};
pub use crate::usage_book::UsageBook;
use crate::value_streams::ValueStreams;
use crate::witness_board::WitnessBoard;

/// What a node is given.
#[derive(Clone)]
pub struct Ports {
    /// The SQL database of everything that is not secret.
    pub registry: Arc<dyn Registry>,
    /// This node's journal; its observer is `usage`.
    pub audit: Arc<dyn AuditLog>,
    /// The transparency log that is made of the journal; none if none is made.
    pub transparency: Option<Arc<dyn TransparencyLog>>,
    /// How the beginning of the log goes; none if nothing lets go of it.
    pub keeping: Option<Arc<dyn AuditKeeping>>,
    /// By which the journal is searched; none if nothing makes an index of it.
    pub search: Option<Arc<dyn AuditSearch>>,
    /// The node as a witness of others, if it is one.
    pub witness: Option<Arc<dyn crate::port::witness_desk::WitnessDesk>>,
    /// Where addresses wait that came while the server was sealed; none: they are withheld.
    pub waiting: Option<Arc<dyn crate::port::waiting_addresses::WaitingAddresses>>,
    /// Counts what the journal says of usage.
    pub usage: Arc<UsageBook>,
    /// The tenants' key-encryption keys.
    pub hierarchy: Arc<dyn KeyHierarchy>,
    /// The values of secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// The storage beneath the vault, for those who look after it.
    pub storage: Arc<dyn StorageCare>,
    /// The migration of the vault to another backend; none if this deployment knows of none.
    pub migration: Option<Arc<dyn StorageMigration>>,
    /// The migration of the registry to another database; none if this deployment knows of none.
    pub registry_migration: Option<Arc<dyn RegistryMigration>>,
    /// The seal.
    pub seal: Arc<dyn SealControl>,
    /// Key services by kind.
    pub providers: BTreeMap<ProviderKind, Arc<dyn KeyProvider>>,
    /// Where backups go; none if that is not configured.
    pub backups: Option<Arc<dyn BackupStore>>,
    /// Where they are restored for trial; none if that is not configured.
    pub rehearsal: Option<Arc<dyn Rehearsal>>,
    /// Where lost and damaged records are put back from; none if nothing is configured.
    pub repairs: Option<Repairs>,
    /// Who decides.
    pub decide: Arc<dyn Decide>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and token secrets.
    pub random: Arc<dyn Random>,
}

/// A node.
pub struct Node {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) memory: Arc<Memory>,
    pub(crate) texts: Texts,
    pub(crate) reservations: Reservations,
    /// Uses of keys that are counted.
    pub(crate) tally: Tally,
    /// One writer of counts at a time.
    pub(crate) tallying: Mutex<()>,
    pub(crate) ticking: Mutex<()>,
    /// One slice at a time.
    pub(crate) rewrapping: Mutex<()>,
    /// One backup at a time.
    pub(crate) backing_up: Mutex<()>,
    /// One segment at a time; also beside a backup.
    pub(crate) segmenting: Mutex<()>,
    pub(crate) coverage: Coverage,
    /// One at a time: of those that let go of the log, and of those that say what is kept.
    pub(crate) letting_go: Mutex<crate::ops::audit_prune::ClockSeen>,
    /// One drill at a time, and nothing is removed meanwhile that it reads.
    pub(crate) drilling: Mutex<()>,
    pub(crate) deletions: DeletionGate,
    /// Up to which revision a segment was made, as far as this process knows.
    pub(crate) segmented_to: AtomicI64,
    /// Whether this deployment was restored and no full backup was made since, as far as this process
    /// knows.
    pub(crate) awaits_full: AtomicBool,
    pub(crate) flushing: Mutex<()>,
    /// Erased people whom the change feed has to forget.
    pub(crate) forgetting: crate::ops::privacy::Forgetting,
    /// One writer of conditions at a time.
    pub(crate) settling: Mutex<()>,
    /// One batch of a check at a time.
    pub(crate) scrubbing: Mutex<ScrubMemory>,
    pub(crate) storage_watch: StorageWatch,
    /// How the streams of the log stand.
    pub(crate) sinks: SinkBoard,
    /// How the witnesses of the log stand.
    pub(crate) witnesses: WitnessBoard,
    pub(crate) mirrors: crate::mirror_board::MirrorBoard,
    pub(crate) value_streams: ValueStreams,
    pub(crate) rotation: Arc<RotationBoard>,
    /// One turn at a time.
    pub(crate) migrating: Mutex<MigrationMemory>,
    pub(crate) registry_migrating: Mutex<RegistryMigrationMemory>,
    requests_forgotten_at: AtomicI64,
    loaded: AtomicBool,
    stopping: AtomicBool,
    /// The registry was put back: what is in memory is of another history, until the next start.
    went_back: AtomicBool,
    gone_back_to: Mutex<Option<i64>>,
    /// A migration left the registry's database: what is in memory is as it was then.
    registry_left: AtomicBool,
    /// Somebody touched the journal's files: nothing is done any more, until the next start.
    journal_fault: OnceLock<AuditError>,
}

/// What follows every commit: the part of a node that the registry tells.
pub(crate) struct Memory {
    applied: std::sync::Mutex<Applied>,
    pub(crate) hot: Hot,
    pub(crate) sessions: Sessions,
    pub(crate) pump: Arc<ChangePump>,
    pub(crate) conditions: ConditionBoard,
    pub(crate) texts: Arc<TextMemory>,
    pub(crate) people: People,
    rotation: Arc<RotationBoard>,
    /// Both lead to the vault, the vault asks the registry, and the registry holds this: a node that
    /// is dropped must not live on in a circle, with the root key and its connections.
    providers: Vec<Weak<dyn KeyProvider>>,
    hierarchy: Weak<dyn KeyHierarchy>,
}

/// Which changes are in memory.
#[derive(Default)]
struct Applied {
    /// Every change up to here.
    to: i64,
    /// And these.
    beyond: BTreeSet<i64>,
}

impl Applied {
    /// Whether a change is new; if so, it counts as applied from now on.
    fn take(&mut self, revision: i64) -> bool {
        if revision <= self.to || !self.beyond.insert(revision) {
            return false;
        }
        while self.beyond.first() == Some(&(self.to + 1)) {
            self.beyond.pop_first();
            self.to += 1;
        }
        true
    }
}

impl Memory {
    fn applied(&self) -> std::sync::MutexGuard<'_, Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every change up to here is in memory.
    pub(crate) fn applied_to(&self) -> i64 {
        self.applied().to
    }

    /// What is loaded from now on has every change up to here.
    pub(crate) fn begin_at(&self, revision: i64) {
        let mut applied = self.applied();
        applied.to = applied.to.max(revision);
        let to = applied.to;
        applied.beyond.retain(|revision| *revision > to);
    }

    /// The highest revision that is in memory.
    fn highest_applied(&self) -> i64 {
        let applied = self.applied();
        applied.beyond.last().copied().unwrap_or(0).max(applied.to)
    }

    /// Later revisions are taken as new ones.
    fn go_back_to(&self, revision: i64) {
        let mut applied = self.applied();
        applied.to = applied.to.min(revision);
        applied.beyond.retain(|beyond| *beyond <= revision);
    }

    fn apply(&self, change: &Change) {
        let applied = self.hot.apply(change);
        self.conditions.follow(change);
        self.texts.follow(change);
        self.people.follow(change);
        self.rotation.follow(change);
        if applied.access {
            self.sessions.new_epoch();
        }
        if let Some(hierarchy) = self.hierarchy.upgrade() {
            for tenant in applied.keks {
                hierarchy.forget_tenant(tenant);
            }
        }
        for key in applied.retired {
            for provider in self.providers.iter().filter_map(Weak::upgrade) {
                provider.forget(key);
            }
        }
    }
}

impl ChangeObserver for Memory {
    fn committed(&self, changes: &[Change]) {
        // Held throughout: whoever finds a change applied may rely on it.
        let mut applied = self.applied();
        for change in changes {
            if applied.take(change.revision) {
                self.apply(change);
                self.pump.push(std::slice::from_ref(change));
            }
        }
    }
}

impl Node {
    /// Puts a node together. It serves after [`crate::ops::start::load`].
    pub fn new(mut ports: Ports, settings: Settings) -> Self {
        let rotation = Arc::<RotationBoard>::default();
        let text_memory = Arc::new(TextMemory::default());
        let texts = Texts::new(
            ports.registry.clone(),
            ports.secrets.clone(),
            ports.seal.clone(),
            ports.random.clone(),
            text_memory.clone(),
        );
        // From here on nothing reaches the registry but through what seals texts.
        ports.registry = Arc::new(TextRegistry::new(texts.clone()));
        let memory = Arc::new(Memory {
            applied: std::sync::Mutex::default(),
            hot: Hot::default(),
            sessions: Sessions::default(),
            pump: Arc::new(ChangePump::default()),
            conditions: ConditionBoard::default(),
            texts: text_memory,
            people: People::default(),
            rotation: rotation.clone(),
            providers: ports.providers.values().map(Arc::downgrade).collect(),
            hierarchy: Arc::downgrade(&ports.hierarchy),
        });
        ports.registry.observe(memory.clone());
        let began = crate::ops::audit_prune::ClockSeen::at_start(&*ports.audit, &*ports.clock);
        let value_streams = ValueStreams::new(
            settings.value_streams_max,
            settings.value_streams_per_tenant,
        );
        Self {
            ports,
            settings,
            memory,
            value_streams,
            rotation,
            texts,
            reservations: Reservations::default(),
            tally: Tally::default(),
            tallying: Mutex::new(()),
            ticking: Mutex::new(()),
            rewrapping: Mutex::new(()),
            backing_up: Mutex::new(()),
            segmenting: Mutex::new(()),
            coverage: Coverage::default(),
            letting_go: Mutex::new(began),
            drilling: Mutex::new(()),
            deletions: DeletionGate::default(),
            segmented_to: AtomicI64::new(0),
            awaits_full: AtomicBool::new(false),
            flushing: Mutex::new(()),
            forgetting: crate::ops::privacy::Forgetting::default(),
            settling: Mutex::new(()),
            scrubbing: Mutex::default(),
            storage_watch: StorageWatch::default(),
            sinks: SinkBoard::default(),
            witnesses: WitnessBoard::default(),
            mirrors: crate::mirror_board::MirrorBoard::default(),
            migrating: Mutex::default(),
            registry_migrating: Mutex::default(),
            requests_forgotten_at: AtomicI64::new(0),
            loaded: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            went_back: AtomicBool::new(false),
            registry_left: AtomicBool::new(false),
            gone_back_to: Mutex::default(),
            journal_fault: OnceLock::new(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// What the node was told.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the streams of the log show how they stand.
    pub const fn sinks(&self) -> &SinkBoard {
        &self.sinks
    }

    /// Where the witnesses of the log are shown.
    pub const fn witnesses(&self) -> &WitnessBoard {
        &self.witnesses
    }

    /// How many keys the node holds in memory.
    pub fn key_count(&self) -> usize {
        self.memory.hot.key_count()
    }

    /// The seal.
    pub fn seal(&self) -> &dyn SealControl {
        &*self.ports.seal
    }

    /// Whether the node serves, and if not, why.
    pub fn readiness(&self) -> Readiness {
        if self.stopping.load(Ordering::Acquire) {
            Readiness::Stopping
        } else if !self.loaded.load(Ordering::Acquire) {
            Readiness::Starting
        } else if self.went_back.load(Ordering::Acquire) {
            Readiness::RegistryWentBack
        } else if self.registry_left.load(Ordering::Acquire) {
            Readiness::RegistryLeft
        } else if self.ports.seal.is_sealed() {
            Readiness::Sealed
        } else if self.journal_fault.get().is_some()
            || self.ports.audit.fault().is_some()
            || self.memory.pump.behind().is_some()
        {
            Readiness::AuditUnavailable
        } else {
            Readiness::Ready
        }
    }

    /// Refuses when nothing may be done: starting, or without a journal to write to.
    pub(crate) fn ensure_auditable(&self) -> Result<(), OpError> {
        self.ensure_same_history()?;
        if let Some(fault) = self.journal_fault.get() {
            return Err(OpError::Audit(fault.clone()));
        }
        self.ensure_loggable()
    }

    /// Refuses when nothing can be written down. What the server has to say of itself asks no more.
    pub(crate) fn ensure_loggable(&self) -> Result<(), OpError> {
        if !self.loaded.load(Ordering::Acquire) {
            return Err(OpError::NotReady {
                why: "it is starting",
            });
        }
        if let Some(fault) = self
            .ports
            .audit
            .fault()
            .or_else(|| self.memory.pump.behind())
        {
            return Err(OpError::Audit(fault));
        }
        Ok(())
    }

    /// Refuses when keys cannot be used.
    pub(crate) fn ensure_unsealed(&self) -> Result<(), OpError> {
        if self.ports.seal.is_sealed() {
            Err(OpError::Sealed)
        } else {
            Ok(())
        }
    }

    pub(crate) fn provider(&self, kind: ProviderKind) -> Result<&Arc<dyn KeyProvider>, OpError> {
        self.ports
            .providers
            .get(&kind)
            .ok_or_else(|| OpError::Unsupported {
                problem: format!("this server has no provider {kind}"),
            })
    }

    pub(crate) fn random_id(&self) -> Result<[u8; 16], OpError> {
        let mut bytes = [0; 16];
        self.ports
            .random
            .fill(&mut bytes)
            .map_err(|_| OpError::Crypto)?;
        Ok(bytes)
    }

    /// Whether it is time again, once an hour, to forget old requests.
    pub(crate) fn forget_requests_now(&self) -> bool {
        let now = self.now();
        let last = self.requests_forgotten_at.load(Ordering::Relaxed);
        let due = now.seconds_since(Timestamp::from_micros(last)) >= 3600;
        if due {
            self.requests_forgotten_at
                .store(now.as_micros(), Ordering::Relaxed);
        }
        due
    }

    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    /// What carries committed changes to the journal: to be spawned once, before
    /// [`crate::ops::start::load`].
    pub fn pump(&self) -> impl Future<Output = ()> + Send + 'static {
        self.memory.pump.clone().run(self.ports.audit.clone())
    }

    /// Takes no new work; what has begun is finished.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Why the address of a request was withheld from the log lately, if that was not asked before: for
    /// the server's own log. It is no longer there when it was told.
    pub fn address_withheld(&self) -> Option<&'static str> {
        self.memory.people.take_unsaid()
    }

    /// Forgets every key in memory and drops the root key.
    pub fn drop_secrets(&self) {
        self.ports.seal.seal();
        self.memory.texts.forget_keys();
        self.memory.people.forget_all();
        self.memory.sessions.forget_facts();
        for provider in self.ports.providers.values() {
            provider.forget_all();
        }
        if let Some(log) = &self.ports.transparency {
            log.forget_key();
        }
        if let Some(witness) = &self.ports.witness {
            witness.forget_key();
        }
    }
}
