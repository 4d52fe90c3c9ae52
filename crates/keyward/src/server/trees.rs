//! The transparency log follows the journal: each second its trees take what is new, an entry commits
//! to the heads of all of them, and the tree that has that entry is signed. It runs beside the journal,
//! which never waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::trees::{Forest, Handovers, LastSigned, LogDirectory, TreesError};
use keyward_audit::{BatchKey, Journal};
use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::{condition, log};
use keyward_crypto::random::{Random, SystemRandom};

use keyward_sinks::witness::Gate;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use uuid::Uuid;

use crate::server::assembly::Assembly;
use crate::server::config::AuditSync;
use crate::server::log_keys::LogKeys;
use crate::server::published::{Published, Trees};

mod keys;
mod signing;

use keys::Keeper;
use signing::{Signing, ensure_continued};

/// How often the trees take what is new, and commit to it if there is anything.
const EACH: Duration = Duration::from_secs(1);
/// How often they say that nothing happened.
const IDLE: Duration = Duration::from_mins(1);
/// How long they may be behind the journal before that is an alert.
const LATE: Duration = Duration::from_mins(1);
/// How long the vault may take to give the key that signs.
const KEY_PATIENCE: Duration = Duration::from_secs(10);
/// How long heads wait for witnesses and mirrors. Behind it new ones are made, and some of before are kept:
/// receipts lead from those that a checkpoint holds that counts.
const HEADS_PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two tries after a failure.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// The following, as long as the server serves.
pub struct Following {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Following {
    /// Begins to follow; not where entries may be lost that were acknowledged: the log would
    /// contradict the journal after every such loss.
    pub fn begin(assembly: &Assembly) -> Self {
        let (end, ended) = watch::channel(false);
        let config = &assembly.deployment.config;
        if config.audit.sync == AuditSync::Written {
            tracing::warn!(
                "audit.sync = \"written\": no transparency log is made of this node's journal"
            );
            // An alert of before speaks of a log that nobody makes any more.
            let node = assembly.node.clone();
            let task = tokio::spawn(async move {
                let kind = ConditionKind::AUDIT_LOG_BEHIND;
                condition::clear(&node, kind, &subject(&node)).await;
            });
            return Self {
                end,
                tasks: vec![task],
            };
        }
        let follower = Follower {
            node: assembly.node.clone(),
            journal: assembly.journal(),
            dir: config.audit_dir(),
            published: assembly.published(),
            deployment: assembly.deployment.id,
            headed: None,
            awaits_heads: true,
            behind_since: None,
            unsigned_since: None,
            strange_until: None,
            handed_over: None,
        };
        let keeping = tokio::spawn(Keeper::new(assembly).run(ended.clone()));
        let tasks = vec![tokio::spawn(follower.run(ended)), keeping];
        Self { end, tasks }
    }

    /// Takes what is left, keeps where it is, and ends.
    pub async fn end(self) {
        let _ = self.end.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Has the key that signs made and read before anybody is served, if the node is unsealed by itself: what
/// a deployment holds does not depend on who was quicker. If it cannot be had now, it is asked for again
/// and again, and so it is when the node is unsealed later.
pub async fn prepare(assembly: &Assembly) {
    let is_durable = assembly.deployment.config.audit.sync == AuditSync::Always;
    if !is_durable || assembly.node.seal().is_sealed() {
        return;
    }
    let dir = assembly.deployment.config.audit_dir();
    let last = directory(&dir).and_then(LastSigned::open);
    let Ok(last) = last.map(|last| last.key()) else {
        return;
    };
    let reading = LogKeys::read(&assembly.node, last.as_ref());
    match timeout(KEY_PATIENCE, reading).await {
        Ok(Ok(keys)) => {
            let keys = Arc::new(keys);
            if sign_batches(&assembly.journal(), &keys).await {
                assembly.published().set_keys(Some(keys));
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the key that signs the audit log cannot be had yet");
        }
        Err(_) => tracing::warn!("the vault does not give the key that signs the audit log yet"),
    }
}

/// From now on the journal signs each batch by the present key, as long as somebody holds it. Whether it
/// does: not while it cannot be written.
async fn sign_batches(journal: &Arc<Journal>, keys: &Arc<LogKeys>) -> bool {
    let (public, keys) = (keys.current.public(), Arc::downgrade(keys));
    let key = BatchKey::new(public, move |text| keys.upgrade()?.current.sign(text).ok());
    let journal = journal.clone();
    let signs = spawn_blocking(move || journal.sign_by(Some(key))).await;
    signs.unwrap_or(false)
}

struct Follower {
    node: Arc<Node>,
    journal: Arc<Journal>,
    /// Where the journal is, and the log's directory in it.
    dir: PathBuf,
    published: Arc<Published>,
    deployment: Uuid,
    /// When heads were last logged by this process.
    headed: Option<Instant>,
    /// Whether the last heads were logged.
    awaits_heads: bool,
    /// Since when the trees have not had all of the journal.
    behind_since: Option<Instant>,
    /// Since when there has been something to sign.
    unsigned_since: Option<Instant>,
    /// Until when nobody is asked again whose key signed entries.
    strange_until: Option<Instant>,
    /// The key that the log was handed over to by this process, and an entry of the journal that is not
    /// before the one that says so.
    handed_over: Option<([u8; 32], u64)>,
}

impl Follower {
    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut pause = EACH;
        loop {
            let began = Instant::now();
            let followed = self.follow(&mut ended).await;
            self.published.closed();
            let Err(error) = followed else {
                return;
            };
            tracing::error!(%error, "the transparency log does not follow the journal");
            self.raise(&error.to_string()).await;
            if began.elapsed() > PAUSE_MAX {
                pause = EACH;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Follows until it is told to end.
    async fn follow(&mut self, ended: &mut watch::Receiver<bool>) -> Result<(), TreesError> {
        let (trees, signing) = self.open().await?;
        self.published
            .set_handovers(signing.lock().handovers_text());
        self.published.opened(trees.clone());
        let mut is_numbered = false;
        let mut seconds = tokio::time::interval(EACH);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => true,
                _ = seconds.tick() => false,
            };
            let grown = grow(&trees).await?;
            if !matches!(grown, Grown::Reading { .. }) {
                // Before anything is committed to that contradicts what was signed.
                ensure_continued(&trees, &signing).await?;
                if !is_numbered {
                    // Answers say nothing until it can be counted; it is tried again each second.
                    let numbering = trees.lock().numbering();
                    is_numbered = blocking(numbering).await.is_ok();
                }
            }
            if self.log_heads(&trees).await? {
                // The heads too: until the next ones are made, what is signed holds all that they cover.
                grow(&trees).await?;
            }
            if !matches!(grown, Grown::Reading { .. }) {
                self.sign(&trees, &signing).await?;
            }
            self.judge(grown).await;
            if last {
                grow(&trees).await?;
                let trees = trees.clone();
                return blocking(move || trees.lock().keep()).await;
            }
        }
    }

    /// Opens the trees, and what was signed of them last.
    async fn open(&self) -> Result<(Trees, Arc<Mutex<Signing>>), TreesError> {
        let (dir, journal) = (self.dir.clone(), self.journal.clone());
        blocking(move || {
            let signed = LastSigned::open(directory(&dir)?)?;
            signed.ensure_held_by(journal.last())?;
            let trees = Forest::open(directory(&dir.join("log"))?, journal)?;
            let signing = Signing::new(signed, Handovers::open(directory(&dir)?)?);
            Ok((Arc::new(Mutex::new(trees)), Arc::new(Mutex::new(signing))))
        })
        .await
    }

    /// Being behind for long is an alert; having all of the journal ends it. To read what was there at
    /// the start takes its time.
    async fn judge(&mut self, grown: Grown) {
        match grown {
            Grown::All => {
                self.behind_since = None;
                let may_sign = self.published.may_sign();
                let is_ahead = matches!(may_sign, Gate::Ahead { .. } | Gate::Mirrored { .. });
                if is_ahead || self.is_long_unsigned() {
                    return;
                }
                let kind = ConditionKind::AUDIT_LOG_BEHIND;
                condition::clear(&self.node, kind, &subject(&self.node)).await;
                return;
            }
            Grown::Reading { sequence } => {
                tracing::info!(sequence, "the transparency log is made from the journal");
                return;
            }
            Grown::Behind => {}
        }
        let since = *self.behind_since.get_or_insert_with(Instant::now);
        if since.elapsed() > LATE {
            self.raise("more is logged than the transparency log can take")
                .await;
        }
    }

    async fn raise(&self, detail: &str) {
        let kind = ConditionKind::AUDIT_LOG_BEHIND;
        let severity = Severity::Critical;
        condition::raise(&self.node, kind, &subject(&self.node), severity, detail).await;
    }

    /// Commits to the heads of all trees, if there is something new or nothing was for long. Whether it
    /// did.
    async fn log_heads(&mut self, trees: &Trees) -> Result<bool, TreesError> {
        let is_due = self.headed.is_none_or(|headed| headed.elapsed() >= IDLE);
        let (trees, awaited) = (trees.clone(), self.awaits_heads);
        let is_young = self
            .headed
            .is_some_and(|headed| headed.elapsed() < HEADS_PATIENCE);
        let published = self.published.clone();
        let heads = blocking(move || {
            let mut trees = trees.lock();
            // Those that are logged come into the tree first: receipts lead to them.
            if (awaited && trees.awaits_heads()) || (!is_due && !trees.has_news()) {
                return Ok(None);
            }
            if is_young && trees.heads_at().is_some_and(|at| published.awaits(at)) {
                return Ok(None);
            }
            let Some(fresh) = fresh_id() else {
                return Ok(None);
            };
            if let Some(counted) = published.given_out() {
                trees.keep_heads(counted);
            }
            Ok(trees.heads(fresh))
        });
        let Some(heads) = heads.await? else {
            return Ok(false);
        };
        let heads = log::Heads {
            log: heads.log,
            through: heads.through,
            trees: heads.trees,
            root: heads.root.to_string(),
        };
        match log::log_heads(&self.node, &heads).await {
            Ok(()) => {
                self.headed = Some(Instant::now());
                self.awaits_heads = true;
                Ok(true)
            }
            // A journal that cannot be written says so itself, and refuses everything else too.
            Err(error) => {
                if std::mem::take(&mut self.awaits_heads) {
                    tracing::warn!(%error, "the heads of the transparency log were not logged");
                }
                Ok(false)
            }
        }
    }
}

/// Refuses a journal that ends before what was signed of it: whoever has that checkpoint would see the
/// log contradict itself.
pub fn ensure_holds_what_was_signed(dir: &Path, journal: &Journal) -> Result<(), TreesError> {
    LastSigned::open(directory(dir)?)?.ensure_held_by(journal.last())
}

fn directory(place: &Path) -> Result<LogDirectory, TreesError> {
    LogDirectory::new(place).map_err(|source| TreesError::Io {
        path: "directory".to_owned(),
        source,
    })
}

/// How far the trees came.
enum Grown {
    /// They have all of the journal.
    All,
    /// They do not have all that it had at the start.
    Reading {
        /// The last entry that they have.
        sequence: u64,
    },
    /// More comes than they take.
    Behind,
}

/// Takes what is new, for a second at most.
async fn grow(trees: &Trees) -> Result<Grown, TreesError> {
    let trees = trees.clone();
    let began = Instant::now();
    blocking(move || {
        // What comes while it works is for the next time.
        let target = trees.lock().journal_last();
        while began.elapsed() < EACH {
            let mut trees = trees.lock();
            if (trees.sequence() >= target && trees.is_signed()) || !trees.grow()? {
                return Ok(Grown::All);
            }
        }
        let trees = trees.lock();
        let sequence = trees.sequence();
        Ok(if trees.has_reached() {
            Grown::Behind
        } else {
            Grown::Reading { sequence }
        })
    })
    .await
}

/// Random bytes for a name; none if the system has none to give.
pub fn fresh_id() -> Option<Uuid> {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).ok()?;
    Some(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TreesError> + Send + 'static,
) -> Result<T, TreesError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(TreesError::Io {
            path: "work".to_owned(),
            source: std::io::Error::other(error),
        })
    })
}

/// Each node has a log of its own, and no other node ends its alert.
fn subject(node: &Node) -> Subject {
    Subject::system(&format!("{}/log", node.settings().name))
}
