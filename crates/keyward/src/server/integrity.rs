//! The audit log is looked after while the server runs: that nobody touches the journal's files, each
//! second; and the whole log against its journal, on a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyward_audit::Journal;
use keyward_audit::trees::{TreesError, WholeCheck};
use keyward_core::node::Node;
use keyward_core::ops::log;
use keyward_core::port::audit_log::AuditError;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior};

use crate::server::assembly::Assembly;
use crate::server::config::AuditSync;
use crate::server::published::{Published, Trees};

/// How often the files are looked at.
const EACH: Duration = Duration::from_secs(1);

/// The looking after, as long as the server serves.
pub struct Guarding {
    end: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Guarding {
    /// Begins.
    pub fn begin(assembly: &Assembly) -> Self {
        let (end, ended) = watch::channel(false);
        let node = assembly.node.clone();
        let config = &assembly.deployment.config.audit;
        let checks = config.check_hours > 0 && config.sync == AuditSync::Always;
        let files = watch_files(node, assembly.journal(), !checks, ended.clone());
        let mut tasks = vec![tokio::spawn(files)];
        if checks {
            let checking = Checking {
                node: assembly.node.clone(),
                published: assembly.published(),
                every: Duration::from_secs(config.check_hours.saturating_mul(3600)),
                per_second: config.check_per_second.max(1),
            };
            tasks.push(tokio::spawn(checking.run(ended)));
        }
        Self { end, tasks }
    }

    /// Ends.
    pub async fn end(self) {
        let _ = self.end.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Looks at the journal's files until one is not as it was left: nothing can be made of it then but
/// another start. If nothing checks the whole log, the first look ends the alert of an earlier life.
async fn watch_files(
    node: Arc<Node>,
    journal: Arc<Journal>,
    mut clears: bool,
    mut ended: watch::Receiver<bool>,
) {
    let mut watch = journal.watch();
    let mut unreadable = false;
    let mut seconds = tokio::time::interval(EACH);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        let looked = spawn_blocking(move || {
            let found = watch.look();
            (watch, found)
        });
        let Ok((kept, found)) = looked.await else {
            tracing::error!("the journal's files are not watched any more");
            return;
        };
        watch = kept;
        match found {
            Ok(None) => {
                unreadable = false;
                if std::mem::take(&mut clears) {
                    log::log_checked(&node, None).await;
                }
            }
            Ok(Some(touched)) => {
                tracing::error!(%touched, "operations are refused");
                return log::journal_touched(&node, &touched.to_string()).await;
            }
            // A disk that cannot be read keeps the journal from being written too, which says so.
            Err(error) => {
                if !std::mem::replace(&mut unreadable, true) {
                    tracing::warn!(%error, "the journal's files cannot be looked at");
                }
            }
        }
    }
}

/// The check of the whole log.
struct Checking {
    node: Arc<Node>,
    published: Arc<Published>,
    every: Duration,
    per_second: u64,
}

impl Checking {
    async fn run(self, mut ended: watch::Receiver<bool>) {
        loop {
            let pause = match self.check(&mut ended).await {
                Some(Ok(())) => {
                    log::log_checked(&self.node, None).await;
                    self.every
                }
                Some(Err(
                    error @ (TreesError::Io { .. }
                    | TreesError::Journal(AuditError::Unavailable { .. })),
                )) => {
                    tracing::warn!(%error, "the audit log could not be checked");
                    Duration::from_mins(1)
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "the audit log is not what it was");
                    log::log_checked(&self.node, Some(&error.to_string())).await;
                    self.every
                }
                // The trees are not open, or do not have all yet.
                None => EACH,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// Reads all of it once; none if it cannot be begun, or is not ended.
    async fn check(&self, ended: &mut watch::Receiver<bool>) -> Option<Result<(), TreesError>> {
        let trees = self.published.trees()?;
        let begun = on_thread(&trees, |trees| {
            let trees = trees.lock();
            trees.has_reached().then(|| trees.begin_check())
        });
        let mut check = begun.await??;
        let began = Instant::now();
        loop {
            let paged = on_thread(&trees, move |trees| {
                let more = trees.lock().check_page(&mut check);
                (check, more)
            });
            let (kept, more) = paged.await?;
            check = kept;
            match more {
                Ok(true) => {}
                Ok(false) => return Some(Ok(())),
                Err(error) => return Some(Err(error)),
            }
            let (read, _) = WholeCheck::progress(&check);
            let due = Duration::from_secs(read).div_f64(self.per_second as f64);
            tokio::select! {
                () = tokio::time::sleep_until(began + due) => {}
                _ = ended.wait_for(|ended| *ended) => return None,
            }
        }
    }
}

/// Works on the trees where waiting harms nobody; none if that thread died.
async fn on_thread<T: Send + 'static>(
    trees: &Trees,
    work: impl FnOnce(&Trees) -> T + Send + 'static,
) -> Option<T> {
    let trees = trees.clone();
    spawn_blocking(move || work(&trees)).await.ok()
}
