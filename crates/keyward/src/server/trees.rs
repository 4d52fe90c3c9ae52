//! The transparency log follows the journal: each second its trees take what is new, and an entry
//! commits to the heads of all of them. It runs beside the journal, which never waits for it.

use std::sync::Arc;
use std::time::Duration;

use keyward_audit::Journal;
use keyward_audit::trees::{Forest, LogDirectory, TreesError};
use keyward_core::node::Node;
use keyward_core::noun::condition::{ConditionKind, Severity, Subject};
use keyward_core::ops::{condition, log};
use keyward_crypto::random::{Random, SystemRandom};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::server::assembly::Assembly;
use crate::server::config::AuditSync;

/// How often the trees take what is new, and commit to it if there is anything.
const EACH: Duration = Duration::from_secs(1);
/// How often they say that nothing happened.
const IDLE: Duration = Duration::from_mins(1);
/// How long they may be behind the journal before that is an alert.
const LATE: Duration = Duration::from_mins(1);
/// The longest pause between two tries after a failure.
const PAUSE_MAX: Duration = Duration::from_mins(1);

type Trees = Forest<LogDirectory>;

/// The following, as long as the server serves.
pub struct Following {
    end: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
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
                task: Some(task),
            };
        }
        let follower = Follower {
            node: assembly.node.clone(),
            journal: assembly.journal(),
            place: config.audit_dir().join("log"),
            headed: None,
            behind_since: None,
        };
        let task = Some(tokio::spawn(follower.run(ended)));
        Self { end, task }
    }

    /// Takes what is left, keeps where it is, and ends.
    pub async fn end(self) {
        let _ = self.end.send(true);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

struct Follower {
    node: Arc<Node>,
    journal: Arc<Journal>,
    place: std::path::PathBuf,
    /// When heads were last logged by this process.
    headed: Option<Instant>,
    /// Since when the trees have not had all of the journal.
    behind_since: Option<Instant>,
}

impl Follower {
    async fn run(mut self, mut ended: watch::Receiver<bool>) {
        let mut pause = EACH;
        loop {
            let began = Instant::now();
            let Err(error) = self.follow(&mut ended).await else {
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
        let (place, journal) = (self.place.clone(), self.journal.clone());
        let trees = blocking(move || {
            let files = LogDirectory::new(&place).map_err(|source| TreesError::Io {
                path: "directory".to_owned(),
                source,
            })?;
            Forest::open(files, journal)
        })
        .await?;
        let trees = Arc::new(Mutex::new(trees));
        let mut seconds = tokio::time::interval(EACH);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => true,
                _ = seconds.tick() => false,
            };
            let grown = grow(&trees).await?;
            self.judge(grown).await;
            self.log_heads(&trees).await?;
            if last {
                grow(&trees).await?;
                let trees = trees.clone();
                return blocking(move || trees.lock().keep()).await;
            }
        }
    }

    /// Being behind for long is an alert; having all of the journal ends it. To read what was there at
    /// the start takes its time.
    async fn judge(&mut self, grown: Grown) {
        match grown {
            Grown::All => {
                self.behind_since = None;
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

    /// Commits to the heads of all trees, if there is something new or nothing was for long.
    async fn log_heads(&mut self, trees: &Arc<Mutex<Trees>>) -> Result<(), TreesError> {
        let is_due = self.headed.is_none_or(|headed| headed.elapsed() >= IDLE);
        let trees = trees.clone();
        let heads = blocking(move || {
            let mut trees = trees.lock();
            if !is_due && !trees.has_news() {
                return Ok(None);
            }
            Ok(fresh_id().and_then(|fresh| trees.heads(fresh)))
        });
        let Some(heads) = heads.await? else {
            return Ok(());
        };
        let heads = log::Heads {
            log: heads.log,
            through: heads.through,
            trees: heads.trees,
            root: heads.root.to_string(),
        };
        match log::log_heads(&self.node, &heads).await {
            Ok(()) => self.headed = Some(Instant::now()),
            // A journal that cannot be written says so itself, and refuses everything else too.
            Err(error) => {
                tracing::warn!(%error, "the heads of the transparency log were not logged");
            }
        }
        Ok(())
    }
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
async fn grow(trees: &Arc<Mutex<Trees>>) -> Result<Grown, TreesError> {
    let trees = trees.clone();
    let began = Instant::now();
    blocking(move || {
        while began.elapsed() < EACH {
            if !trees.lock().grow()? {
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

/// Random bytes for the name of a log; none if the system has none to give.
fn fresh_id() -> Option<Uuid> {
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
