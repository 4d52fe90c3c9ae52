//! A journal in a directory, and sinks that follow it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyward_audit::{Journal, JournalConfig};
use keyward_core::audit::format::{Emitter, Format};
use keyward_core::audit::{Actor, AuditEvent, Journaled, LeafMark, Outcome, Resource};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditLog, JournalObserver};
use keyward_core::sink_board::{SinkKind, SinkState, SinkStatus};
use keyward_core::time::{Clock, Timestamp};
use keyward_crypto::random::SystemRandom;
use keyward_sinks::{Filter, Follower, Pace, Ports, SinkSettings, Start, Target};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Nothing here takes so long, on any machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Each look at it is a microsecond later.
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct Unseeing;

impl JournalObserver for Unseeing {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, _: &[Journaled]) {}
}

pub struct Stage {
    pub dir: tempfile::TempDir,
    pub journal: Arc<Journal>,
    pub clock: Arc<Ticking>,
    deployment: Uuid,
}

impl Stage {
    pub async fn new() -> Self {
        // As the binary does; a second test of this process finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let deployment = Uuid::from_u128(7);
        let clock = Arc::new(Ticking(AtomicI64::new(0)));
        let journal = open(&dir.path().join("audit"), deployment, clock.clone()).await;
        Self {
            dir,
            journal,
            clock,
            deployment,
        }
    }

    /// The same sinks and another journal.
    pub async fn with_another_journal(mut self) -> Self {
        self.journal.close().await;
        let dir = self.dir.path().join("audit-2");
        self.journal = open(&dir, self.deployment, self.clock.clone()).await;
        self
    }

    pub async fn append(&self, count: u64) {
        let appended = (0..count).map(|_| self.journal.append(self.event(Action::KeyEncrypt)));
        for appended in futures_util::future::join_all(appended).await {
            appended.unwrap();
        }
    }

    pub async fn append_one(&self, action: Action, outcome: Outcome) {
        let mut event = self.event(action);
        event.outcome = outcome;
        self.journal.append(event).await.unwrap();
    }

    fn event(&self, action: Action) -> AuditEvent {
        AuditEvent {
            time: self.clock.now(),
            node: "node-1".into(),
            tenant: None,
            actor: Actor::system(),
            action,
            resource: Resource::default(),
            outcome: Outcome::Ok,
            reason: None,
            correlation_id: CorrelationId::new("test").unwrap(),
            details: BTreeMap::new(),
            used: Vec::new(),
            revision: None,
            change: None,
            signature: None,
            leaf: LeafMark::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn cursor(&self) -> PathBuf {
        self.path("sinks").join("siem.cursor")
    }

    pub fn follow(&self, settings: &SinkSettings) -> Running {
        self.follow_on(&Handle::current(), settings)
    }

    pub fn follow_on(&self, runtime: &Handle, settings: &SinkSettings) -> Running {
        let (tell, status) = watch::channel(SinkStatus::new("siem".to_owned(), SinkKind::File));
        let ports = Ports {
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            random: Arc::new(SystemRandom),
            tell: Arc::new(move |status| {
                tell.send_replace(status);
            }),
        };
        let emitter = Emitter {
            deployment: self.deployment.to_string(),
            version: "1.2.3",
        };
        let follower = Follower::new(settings, ports, &self.path("sinks"), emitter);
        let (end, ended) = watch::channel(false);
        Running {
            end,
            status,
            task: runtime.spawn(follower.run(ended)),
        }
    }
}

async fn open(dir: &Path, deployment: Uuid, clock: Arc<Ticking>) -> Arc<Journal> {
    let dir = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let config = JournalConfig::default();
        Journal::open(
            &dir,
            config,
            "node-1".into(),
            deployment,
            clock,
            Arc::new(Unseeing),
        )
    });
    Arc::new(opened.await.unwrap().unwrap())
}

pub struct Running {
    end: watch::Sender<bool>,
    status: watch::Receiver<SinkStatus>,
    task: JoinHandle<()>,
}

impl Running {
    /// Waits until it stands so.
    pub async fn until(&mut self, holds: impl FnMut(&SinkStatus) -> bool) -> SinkStatus {
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(holds)).await;
        let found = waited.map(|status| status.unwrap().clone()).ok();
        found.unwrap_or_else(|| panic!("it stands otherwise: {:?}", self.status.borrow()))
    }

    /// Waits until it has an entry.
    pub async fn has(&mut self, sequence: u64) -> SinkStatus {
        self.until(|status| status.sequence >= sequence).await
    }

    /// Waits until it cannot go on, and says why.
    pub async fn refuses(&mut self) -> String {
        let status = self
            .until(|status| status.state == SinkState::Refused)
            .await;
        status.trouble.unwrap()
    }

    pub fn now(&self) -> SinkStatus {
        self.status.borrow().clone()
    }

    pub async fn end(self) {
        self.end.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }

    /// Ends as a killed process does.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub fn settings(target: Target) -> SinkSettings {
    SinkSettings {
        name: "siem".to_owned(),
        target,
        format: Format::JsonLines,
        filter: Filter::default(),
        from: Start::Beginning,
        pace: Pace {
            entries: 100,
            bytes: 512 * 1024,
            connect: PATIENCE,
            answer: PATIENCE,
            retry_most: Duration::from_millis(20),
        },
    }
}

/// The sequence numbers of lines of JSON.
pub fn numbers<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u64> {
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["sequence"].as_u64().unwrap()
    };
    lines.into_iter().map(number).collect()
}

/// At least once and in order: whoever drops what he has seen has everything, once. A receiver may be
/// sent back, and never forth.
#[track_caller]
pub fn assert_whole(numbers: &[u64], last: u64) {
    let mut seen = 0;
    for number in numbers {
        assert!(
            *number <= seen + 1,
            "{number} came after {seen}: {numbers:?}"
        );
        seen = seen.max(*number);
    }
    assert_eq!(seen, last, "{numbers:?}");
}
