//! The mirrors of the audit log as the server drives them: each a task of its own beside everything else,
//! and looked after with alerts. No operation waits for any of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::mirror::{Mirror, MirrorError, MirrorPlace, Newest};
use keyward_core::mirror_board::{MirrorState, MirrorStatus};
use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::condition;
use keyward_sinks::witness::Signed;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::server::assembly::Assembly;
use crate::server::config::audit_mirror::AuditMirror;
use crate::server::config::{Config, destination};
use crate::server::error::StartError;
use crate::server::published::Published;
use crate::server::vault_backend;

mod gate;

use gate::Gates;

/// How often it is looked whether there is something to do.
const EACH: Duration = Duration::from_secs(1);
/// The pause after a first failure.
const PAUSE: Duration = Duration::from_secs(1);

/// The mirrors, as long as the server serves.
pub struct Mirroring {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Mirroring {
    /// Begins to write every mirror that is configured.
    pub fn begin(assembly: &Assembly) -> Result<Self, StartError> {
        let (end, ended) = watch::channel(false);
        let (config, node) = (&assembly.deployment.config, &assembly.node);
        let gates = Arc::new(Gates::new(
            assembly.published(),
            config.audit_mirror.keys(),
            Duration::from_secs(config.audit.mirror_wait_seconds),
        ));
        let mut tasks = Vec::new();
        for (name, it) in &config.audit_mirror {
            let (place, kind) = place(it)?;
            let signing = assembly.published();
            let mirror = Mirror::new(
                place,
                Arc::new(move |tree, head| signing.sign_tenants(tree, head)),
            )
            .whole_or_held_back(it.before_given_out);
            let keeper = Keeper {
                node: node.clone(),
                published: assembly.published(),
                gates: gates.clone(),
                mirror,
                status: MirrorStatus::new(name.clone(), kind),
                is_waited_for: it.before_given_out,
                every: Duration::from_secs(it.every_seconds),
                retry_most: Duration::from_secs(it.retry_seconds),
                pause: PAUSE,
                not_before: Instant::now(),
                warned: None,
            };
            tasks.push(tokio::spawn(keeper.run(ended.clone())));
        }
        tasks.push(tokio::spawn(gates.run(ended.clone())));
        let patience = Patience::of(config);
        tasks.push(tokio::spawn(watch_over(node.clone(), patience, ended)));
        Ok(Self { end, tasks })
    }

    /// Ends them all: what is not in a mirror comes with the next start.
    pub async fn end(self) {
        let _ = self.end.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Where a mirror lies, and of what kind that is.
pub fn place(it: &AuditMirror) -> Result<(MirrorPlace, String), StartError> {
    if let Some(directory) = &it.directory {
        return Ok((MirrorPlace::directory(directory), "directory".to_owned()));
    }
    let file = it.destination_file.clone().unwrap_or_default();
    let config = destination(&file)?;
    let kind = config.storage.backend.to_string();
    // Asked nothing: a store that lets nothing be deleted could not prove itself.
    let store = vault_backend::unprepared(&config)?;
    Ok((MirrorPlace::store(store), kind))
}

/// One mirror kept up.
struct Keeper {
    node: Arc<Node>,
    published: Arc<Published>,
    gates: Arc<Gates>,
    mirror: Mirror,
    status: MirrorStatus,
    /// Whether checkpoints wait until they are in it.
    is_waited_for: bool,
    every: Duration,
    retry_most: Duration,
    /// How long it is left alone after the next failure.
    pause: Duration,
    not_before: Instant,
    /// What was last written of it in the server's own log.
    warned: Option<String>,
}

impl Keeper {
    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut looks = interval(EACH);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.tell();
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                _ = looks.tick() => {}
            }
            let Some(newest) = self.look().await else {
                continue;
            };
            let is_met = self.mirror.is_met();
            let has_news = self.mirror.reached(&newest).has_news;
            let is_idle = is_met && !has_news && self.status.trouble.is_none();
            if is_idle || Instant::now() < self.not_before {
                continue;
            }
            self.tell();
            let done = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => return,
                done = self.bring(&newest) => done,
            };
            self.settle(&newest, done);
        }
    }

    /// Brings it up. That it has the beginning of this log is known before what may take long.
    async fn bring(&mut self, newest: &Newest) -> Result<(), MirrorError> {
        if !self.mirror.is_met() {
            self.mirror.meet(newest).await?;
            let size = self.mirror.reached(newest).size;
            self.published.met(&self.status.name, size);
            self.gates.said(&self.status.name, &Ok(()));
        }
        self.mirror.bring(newest).await?;
        if let Some((head, note)) = newest.counted.clone() {
            let log = newest.log.clone();
            let signed = Signed { head, note, log };
            self.published.mirrored(&self.status.name, signed);
        }
        Ok(())
    }

    /// What is to be in it now, and how far it is from that.
    async fn look(&mut self) -> Option<Newest> {
        let (published, is_waited_for) = (self.published.clone(), self.is_waited_for);
        let looked = spawn_blocking(move || published.to_mirror(is_waited_for)).await;
        let newest = looked.ok()??;
        self.gates.asked();
        // What it has is asked before anything is given out, until it has said so.
        if newest.counted.is_none() && self.mirror.is_met() {
            return None;
        }
        let reached = self.mirror.reached(&newest);
        self.status.behind_entries = reached.behind;
        if reached.has_news {
            let now = self.node.now();
            self.status.waiting_since.get_or_insert(now);
        } else {
            self.status.waiting_since = None;
        }
        Some(newest)
    }

    fn settle(&mut self, newest: &Newest, done: Result<(), MirrorError>) {
        let reached = self.mirror.reached(newest);
        self.status.size = reached.size;
        self.status.behind_entries = reached.behind;
        self.status.written = reached.written;
        // That a file is not what was written says nothing of the checkpoint, if that was not read.
        let is_unknown = !self.mirror.is_met() && matches!(done, Err(MirrorError::Altered { .. }));
        if !is_unknown {
            self.gates.said(&self.status.name, &done);
        }
        let Err(error) = done else {
            self.status.state = MirrorState::Following;
            self.status.trouble = None;
            self.warned = None;
            self.status.waiting_since = None;
            if newest.counted.is_some() {
                self.status.mirrored_at = Some(self.node.now());
            }
            self.pause = PAUSE;
            self.not_before = Instant::now() + self.every;
            return;
        };
        self.status.failures += 1;
        let state = match &error {
            MirrorError::OtherLog { .. } | MirrorError::NoNumbers { .. } => MirrorState::Refused,
            error if error.is_passing() => MirrorState::Failing,
            _ => MirrorState::Contradicting,
        };
        // What it was once seen to hold is not taken back by its not answering.
        let is_said = self.status.state == MirrorState::Contradicting;
        if !is_said || state == MirrorState::Contradicting {
            self.status.state = state;
            self.status.trouble = Some(error.to_string());
        }
        if error == MirrorError::Contended {
            self.mirror.forget();
        }
        let what = error.to_string();
        if self.warned.as_ref() != Some(&what) {
            tracing::warn!(
                mirror = self.status.name,
                what,
                "a mirror was not brought up"
            );
        }
        self.warned = Some(what);
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(self.retry_most);
    }

    fn tell(&self) {
        self.node.mirrors().show(self.status.clone());
    }
}

/// For how long something may wait.
struct Patience(Vec<(String, u64)>);

impl Patience {
    fn of(config: &Config) -> Self {
        let all = config.audit_mirror.iter();
        Self(
            all.map(|(name, it)| (name.clone(), it.alert_seconds))
                .collect(),
        )
    }

    fn with(&self, mirror: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == mirror);
        found.map_or(u64::MAX, |(_, seconds)| *seconds)
    }
}

/// Raises and clears alerts about mirrors until everything ends.
async fn watch_over(node: Arc<Node>, patience: Patience, mut ended: watch::Receiver<bool>) {
    forget_others(&node, &patience).await;
    let mut looks = interval(EACH);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        for status in node.mirrors().all() {
            judge(&node, &status, patience.with(&status.name)).await;
        }
    }
}

/// Alerts about mirrors that nobody has configured any more are over.
async fn forget_others(node: &Node, patience: &Patience) {
    let kind = ConditionKind::AUDIT_MIRROR_BEHIND;
    let names = patience.0.iter();
    let ours: BTreeSet<Subject> = names.map(|(name, _)| subject(node, name)).collect();
    let prefix = subject(node, "");
    for open in condition::open_of(node, &kind) {
        let is_of_this_node = open.name().starts_with(prefix.name());
        if is_of_this_node && !ours.contains(&open) {
            condition::clear(node, kind.clone(), &open).await;
        }
    }
}

async fn judge(node: &Node, status: &MirrorStatus, patience: u64) {
    let kind = ConditionKind::AUDIT_MIRROR_BEHIND;
    let about = subject(node, &status.name);
    let trouble = status.trouble.as_deref();
    let behind = status.behind_seconds(node.now());
    let is_wrong = [MirrorState::Refused, MirrorState::Contradicting].contains(&status.state);
    if is_wrong {
        let detail = trouble.unwrap_or("it holds something else");
        condition::raise(node, kind, &about, Severity::Critical, detail).await;
    } else if behind > patience {
        // Without numbers that change: what is seen again is not to be written again.
        let why =
            trouble.unwrap_or("it takes less than is logged, or is still taking what was there");
        let detail = format!("what is signed waits for more than {patience} s: {why}");
        condition::raise(node, kind, &about, Severity::Warning, &detail).await;
    } else if status.state == MirrorState::Following
        && behind <= patience / 2
        && condition::is_open(node, &kind, &about)
    {
        condition::clear(node, kind, &about).await;
    }
}

/// Each node has mirrors of its own, and no other node ends its alerts.
fn subject(node: &Node, mirror: &str) -> Subject {
    Subject::system(&format!("{}/mirror/{mirror}", node.settings().name))
}
