//! Finished segments of the journal are sealed while the server runs: those whose entries are all in the
//! trees and covered by what was signed, one after another, and so slowly that operations do not feel it.
//! Then the trees let go of what can be made from them again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward_audit::trees::{LastSigned, LogDirectory, Thinning, TreesError};
use keyward_audit::{Journal, SealError, Sealer};
use keyward_core::node::Node;
use keyward_core::ops::log;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use crate::server::assembly::Assembly;
use crate::server::config::AuditSync;
use crate::server::keeping::Keeping;
use crate::server::published::Published;

/// How often it is looked whether a segment is due.
const EACH: Duration = Duration::from_secs(5);
/// How long a disk that failed is left alone.
const AFTER_FAILURE: Duration = Duration::from_mins(1);
/// How long one that is full is: whoever writes needs the room more.
const AFTER_FULL: Duration = Duration::from_mins(10);
/// For each moment of work so many of rest: a tenth of one core.
const REST: u32 = 9;

/// The sealing, as long as the server serves.
pub struct SealingSegments {
    end: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl SealingSegments {
    /// Begins, if it is wanted; not where no log is made, since nothing is signed there.
    pub fn begin(assembly: &Assembly) -> Self {
        let (end, ended) = watch::channel(false);
        let config = &assembly.deployment.config;
        let wanted = config.audit.seal_segments && config.audit.sync == AuditSync::Always;
        let task = wanted.then(|| {
            let seals = Seals {
                node: assembly.node.clone(),
                journal: assembly.journal(),
                published: assembly.published(),
                keeping: assembly.keeping(),
                dir: config.audit_dir(),
            };
            tokio::spawn(seals.run(ended))
        });
        Self { end, task }
    }

    /// Ends. What is under way is begun again by the next start.
    pub async fn end(self) {
        let _ = self.end.send(true);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

struct Seals {
    node: Arc<Node>,
    journal: Arc<Journal>,
    published: Arc<Published>,
    keeping: Arc<Keeping>,
    dir: PathBuf,
}

impl Seals {
    async fn run(self, mut ended: watch::Receiver<bool>) {
        let mut sealer = self.journal.sealer();
        let mut thinning = Thinning::default();
        // What an earlier life sealed and did not come to let go of.
        let mut may_thin = true;
        // Whether the alert of an earlier life may stand still, and nothing was found in this one.
        let mut clears = true;
        loop {
            let pause = match self.seal_one(sealer, &mut ended).await {
                None => return,
                Some((kept, Ok(true))) => {
                    sealer = kept;
                    may_thin = true;
                    Duration::ZERO
                }
                Some((kept, Ok(false))) => {
                    sealer = kept;
                    if clears && !sealer.is_due() {
                        clears = false;
                        log::segments_sealed(&self.node, None).await;
                    }
                    if may_thin {
                        let Some((kept, thinned)) = self.thin(thinning, &mut ended).await else {
                            return;
                        };
                        thinning = kept;
                        may_thin = matches!(thinned, Thinned::Later | Thinned::Failed);
                        thinned.pause()
                    } else {
                        EACH
                    }
                }
                Some((kept, Err(error))) => {
                    sealer = kept;
                    clears &= matches!(error, SealError::Io { .. });
                    self.tell(&error).await;
                    if error.is_full() {
                        AFTER_FULL
                    } else {
                        AFTER_FAILURE
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    async fn tell(&self, error: &SealError) {
        if let SealError::Io { .. } = error {
            tracing::warn!(%error, "a segment of the audit journal was not sealed");
        } else {
            tracing::error!(%error, "a segment of the audit journal is not what it was");
            log::segments_sealed(&self.node, Some(&error.to_string())).await;
        }
    }

    /// Seals one segment if one is due; none if the server ends, or a thread died.
    async fn seal_one(
        &self,
        mut sealer: Sealer,
        ended: &mut watch::Receiver<bool>,
    ) -> Option<(Sealer, Result<bool, SealError>)> {
        if !sealer.is_due() {
            return Some((sealer, Ok(false)));
        }
        let covered = self.covered().await;
        let (kept, begun) = spawn_blocking(move || {
            let begun = sealer.begin(covered);
            (sealer, begun)
        })
        .await
        .ok()?;
        sealer = kept;
        let mut sealing = match begun {
            Ok(Some(sealing)) => sealing,
            Ok(None) => return Some((sealer, Ok(false))),
            Err(error) => return Some((sealer, Err(error))),
        };
        loop {
            let began = Instant::now();
            let stepped = spawn_blocking(move || {
                let stepped = sealer.step(&mut sealing);
                (sealer, sealing, stepped)
            });
            let more;
            (sealer, sealing, more) = stepped.await.ok()?;
            match more {
                Ok(true) => {}
                Ok(false) => return Some((sealer, Ok(true))),
                Err(error) => return Some((sealer, Err(error))),
            }
            tokio::select! {
                () = tokio::time::sleep(began.elapsed() * REST) => {}
                _ = ended.wait_for(|ended| *ended) => return None,
            }
        }
    }

    /// Goes over all trees once, also if one is damaged. None if the server ends, or a thread died.
    async fn thin(
        &self,
        mut thinning: Thinning,
        ended: &mut watch::Receiver<bool>,
    ) -> Option<(Thinning, Thinned)> {
        let Some(trees) = self.published.trees() else {
            return Some((thinning, Thinned::Later));
        };
        // What an earlier life let go of, and did not come to remove.
        if let Err(error) = self.keeping.take_up().await {
            tracing::warn!(%error, "files of what was let go of are left");
        }
        let mut thinned = Thinned::All;
        loop {
            let began = Instant::now();
            let trees = trees.clone();
            let stepped = spawn_blocking(move || {
                let more = trees.lock().thin(&mut thinning);
                (thinning, more)
            });
            let more;
            (thinning, more) = stepped.await.ok()?;
            match more {
                Ok(true) => {}
                Ok(false) => return Some((thinning, thinned)),
                Err(error) => {
                    tracing::warn!(%error, "tiles of the audit log were not let go of");
                    if matches!(error, TreesError::Io { .. }) {
                        return Some((thinning, Thinned::Failed));
                    }
                    thinned = Thinned::ButDamaged;
                    log::log_checked(&self.node, Some(&error.to_string())).await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(began.elapsed() * REST) => {}
                _ = ended.wait_for(|ended| *ended) => return None,
            }
        }
    }

    /// The last entry that is in its tree and covered by what was signed; 0 if there is none.
    async fn covered(&self) -> u64 {
        let Some(trees) = self.published.trees() else {
            return 0;
        };
        let dir = self.dir.clone();
        let read = spawn_blocking(move || trees.lock().sequence().min(signed(&dir)));
        read.await.unwrap_or_default()
    }
}

/// How a pass over the trees ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thinned {
    /// They were all gone over.
    All,
    /// All but those that are damaged, which are left as they are in this life.
    ButDamaged,
    /// They are not open yet.
    Later,
    /// The disk failed. It goes on with the tree behind.
    Failed,
}

impl Thinned {
    fn pause(self) -> Duration {
        match self {
            Self::All | Self::Later => EACH,
            Self::ButDamaged | Self::Failed => AFTER_FAILURE,
        }
    }
}

/// The last entry that is covered by what was signed; 0 if nothing was, or if that cannot be read, which
/// those who sign say.
fn signed(dir: &Path) -> u64 {
    let files = LogDirectory::new(dir).map_err(|error| error.to_string());
    let last = files.and_then(|files| LastSigned::open(files).map_err(|error| error.to_string()));
    last.ok()
        .and_then(|last| last.through())
        .unwrap_or_default()
}
