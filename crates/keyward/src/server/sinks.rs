//! The streams of the audit log as the server drives them: each sink a task of its own beside the
//! journal, and one more that raises alerts about them. No operation waits for any of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::format::Emitter;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::SecretName;
use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::{condition, secret};
use keyward_core::sink_board::{SinkState, SinkStatus};
use keyward_crypto::random::SystemRandom;
use keyward_sinks::{Credential, Follower, Ports, SinkSettings, Unreadable};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::private_file;
use crate::server::assembly::Assembly;
use crate::server::config::secret_source::SecretSource;
use crate::server::config::{Config, ConfigError, sinks};

/// How often sinks are judged.
const EACH: Duration = Duration::from_secs(1);

/// The streams, as long as the server serves.
pub struct Streams {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Streams {
    /// Begins every sink that is configured.
    pub fn begin(assembly: &Assembly) -> Result<Self, ConfigError> {
        let (end, ended) = watch::channel(false);
        let (config, node) = (&assembly.deployment.config, &assembly.node);
        let settings = sinks(config, &|source| credential(node, source))?;
        let dir = config.audit_dir().join("sinks");
        let emitter = Emitter {
            deployment: assembly.deployment.id.to_string(),
            version: env!("CARGO_PKG_VERSION"),
        };
        let follow = |settings: &SinkSettings| {
            let on_board = node.clone();
            let ports = Ports {
                journal: assembly.journal(),
                clock: assembly.deployment.clock.clone(),
                random: Arc::new(SystemRandom),
                tell: Arc::new(move |status| on_board.sinks().show(status)),
            };
            let follower = Follower::new(settings, ports, &dir, emitter.clone());
            tokio::spawn(follower.run(ended.clone()))
        };
        let mut tasks: Vec<_> = settings.iter().map(follow).collect();
        tasks.push(tokio::spawn(watch_over(
            node.clone(),
            Patience::of(config),
            ended,
        )));
        Ok(Self { end, tasks })
    }

    /// Lets each keep where it is, and ends them.
    pub async fn end(self) {
        let _ = self.end.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// For how long a sink may be behind.
struct Patience(Vec<(String, u64)>);

impl Patience {
    fn of(config: &Config) -> Self {
        let sinks = config.audit_sink.iter();
        Self(
            sinks
                .map(|(name, it)| (name.clone(), it.alert_seconds))
                .collect(),
        )
    }

    fn with(&self, sink: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == sink);
        found.map_or(u64::MAX, |(_, seconds)| *seconds)
    }
}

/// Raises and clears alerts about sinks until everything ends.
async fn watch_over(node: Arc<Node>, patience: Patience, mut ended: watch::Receiver<bool>) {
    forget_others(&node, &patience).await;
    let began = Instant::now();
    let mut seconds = interval(EACH);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        for status in node.sinks().all() {
            let patience = patience.with(&status.name);
            // After a start there is a backlog, which takes its time.
            let is_new = began.elapsed() < Duration::from_secs(patience);
            judge(&node, &status, patience, is_new).await;
        }
    }
}

/// Alerts about sinks that nobody has configured any more are over.
async fn forget_others(node: &Node, patience: &Patience) {
    let kind = ConditionKind::AUDIT_SINK_BEHIND;
    let ours: BTreeSet<Subject> = patience
        .0
        .iter()
        .map(|(name, _)| subject(node, name))
        .collect();
    let prefix = subject(node, "");
    for open in condition::open_of(node, &kind) {
        let is_of_this_node = open.name().starts_with(prefix.name());
        if is_of_this_node && !ours.contains(&open) {
            condition::clear(node, kind.clone(), &open).await;
        }
    }
}

async fn judge(node: &Node, status: &SinkStatus, patience: u64, is_new: bool) {
    let (kind, about) = (
        ConditionKind::AUDIT_SINK_BEHIND,
        subject(node, &status.name),
    );
    let trouble = status.trouble.as_deref();
    let behind = status.behind_seconds(node.now());
    if status.state == SinkState::Refused {
        let detail = format!("it cannot go on: {}", trouble.unwrap_or("unknown"));
        condition::raise(node, kind, &about, Severity::Critical, &detail).await;
    } else if behind > patience && (trouble.is_some() || !is_new) {
        // Without numbers that change: what is seen again is not to be written again.
        let why =
            trouble.unwrap_or("it takes less than is logged, or is still reading what was there");
        let detail = format!("entries wait for more than {patience} s: {why}");
        condition::raise(node, kind, &about, Severity::Warning, &detail).await;
    } else if behind <= patience / 2 && condition::is_open(node, &kind, &about) {
        condition::clear(node, kind, &about).await;
    }
}

/// Each node has sinks of its own, and no other node ends its alerts.
fn subject(node: &Node, sink: &str) -> Subject {
    Subject::system(&format!("{}/sink/{sink}", node.settings().name))
}

/// Where a secret is read that somebody else is shown.
pub fn credential(node: &Arc<Node>, source: &SecretSource) -> Arc<dyn Credential> {
    match source {
        SecretSource::File(path) => Arc::new(InFile(path.clone())),
        SecretSource::Vault(name) => Arc::new(InVault {
            node: node.clone(),
            name: name.clone(),
        }),
    }
}

struct InFile(PathBuf);

#[async_trait]
impl Credential for InFile {
    async fn read(&self) -> Result<SecretBytes, Unreadable> {
        let path = self.0.clone();
        let read = spawn_blocking(move || private_file::read_text(&path)).await;
        let unreadable = |why: String| Unreadable {
            what: "a secret's file".to_owned(),
            why,
        };
        let text = read.map_err(|error| unreadable(error.to_string()))?;
        let text = text.map_err(|error| unreadable(error.to_string()))?;
        Ok(SecretBytes::copy_from(text.as_bytes()))
    }
}

struct InVault {
    node: Arc<Node>,
    name: SecretName,
}

#[async_trait]
impl Credential for InVault {
    async fn read(&self) -> Result<SecretBytes, Unreadable> {
        let read = secret::get_for_server(&self.node, &self.name).await;
        read.map_err(|error| Unreadable {
            what: format!("vault:{}", self.name),
            why: error.to_string(),
        })
    }
}
