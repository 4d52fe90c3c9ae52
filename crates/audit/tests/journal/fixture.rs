//! Events, observers and journals for the stories.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward_audit::{Journal, JournalConfig, JournalIo, OpenError, SyncMode};
use keyward_core::audit::{Actor, AuditEvent, Journaled, LeafMark, Outcome, Resource};
use keyward_core::ids::TenantId;
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_core::time::{Clock, Timestamp};
use parking_lot::Mutex;
use uuid::Uuid;

pub const DEPLOYMENT: Uuid = Uuid::from_u128(0x7d44_8840_9dc0_41d1_b245_5ffd_ce74_fad2);

/// A clock that stands still.
pub struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

/// Counts entries as a registry would: it keeps what it saw when told to, and loses the rest when
/// the process dies.
#[derive(Default)]
pub struct Ledger {
    kept: AtomicU64,
    seen: Mutex<Vec<u64>>,
}

impl Ledger {
    /// Keeps everything seen so far.
    pub fn keep(&self) {
        if let Some(last) = self.seen.lock().last() {
            self.kept.store(*last, Ordering::Relaxed);
        }
    }

    /// Forgets what was not kept.
    pub fn crash(&self) {
        let kept = self.kept.load(Ordering::Relaxed);
        self.seen.lock().retain(|sequence| *sequence <= kept);
    }

    pub fn seen(&self) -> Vec<u64> {
        self.seen.lock().clone()
    }

    /// One that says it has seen entries up to this one.
    pub fn at(sequence: u64) -> Arc<Self> {
        let ledger = Self::default();
        ledger.kept.store(sequence, Ordering::Relaxed);
        Arc::new(ledger)
    }
}

impl JournalObserver for Ledger {
    fn replay_after(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    fn observe(&self, entries: &[Journaled]) {
        let sequences = entries.iter().map(|entry| entry.sequence);
        self.seen.lock().extend(sequences);
    }
}

/// Never waits for time: looks at the disk again when an entry is refused.
pub fn config() -> JournalConfig {
    JournalConfig {
        probe_least: Duration::ZERO,
        probe_most: Duration::from_hours(1),
        ..JournalConfig::default()
    }
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

/// An event that can be told from every other.
pub fn event(name: &str, tenant: Option<TenantId>) -> AuditEvent {
    AuditEvent {
        time: Noon.now(),
        node: "node-a".into(),
        tenant,
        actor: Actor::system(),
        action: Action::KeyEncrypt,
        resource: Resource {
            kind: "key".into(),
            ..Resource::default()
        },
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: CorrelationId::new(name).unwrap(),
        details: std::collections::BTreeMap::new(),
        used: Vec::new(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

/// An event of a change.
pub fn change(revision: i64) -> AuditEvent {
    AuditEvent {
        revision: Some(revision),
        ..event(&format!("change-{revision}"), None)
    }
}

pub fn open_on(io: &(impl JournalIo + Clone + 'static)) -> Result<Journal, OpenError> {
    open_with(io, config(), Arc::new(Ledger::default()))
}

pub fn open_with(
    io: &(impl JournalIo + Clone + 'static),
    config: JournalConfig,
    ledger: Arc<Ledger>,
) -> Result<Journal, OpenError> {
    let io = Arc::new(io.clone());
    Journal::open_with(
        io,
        config,
        "node-a".into(),
        DEPLOYMENT,
        Arc::new(Noon),
        ledger,
    )
}

pub fn open_dir(dir: &Path, sync: SyncMode) -> Journal {
    let config = JournalConfig { sync, ..config() };
    let ledger = Arc::new(Ledger::default());
    Journal::open(
        dir,
        config,
        "node-a".into(),
        DEPLOYMENT,
        Arc::new(Noon),
        ledger,
    )
    .unwrap()
}

/// Appends events, one after another.
pub async fn append(journal: &Journal, names: &[&str]) {
    for name in names {
        journal.append(event(name, None)).await.unwrap();
    }
}

/// All entries, as sequence number and name.
pub async fn entries(journal: &Journal) -> Vec<(u64, String)> {
    let query = TailQuery {
        tenant: None,
        after: Some(0),
        limit: usize::MAX,
    };
    named(journal.tail(query).await.unwrap())
}

pub fn named(entries: Vec<Journaled>) -> Vec<(u64, String)> {
    let named = entries.into_iter();
    named
        .map(|entry| (entry.sequence, entry.event.correlation_id.to_string()))
        .collect()
}
