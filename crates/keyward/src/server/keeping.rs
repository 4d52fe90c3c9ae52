//! What of this node's oldest entries could be let go of, and letting go of it: everybody who reads the
//! journal is asked first how far he is.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_audit::index::AuditIndex;
use keyward_audit::trees::{LastSigned, LetGoError, LogDirectory, Sweeping, TreesError};
use keyward_audit::{Journal, Oldest};
use keyward_core::ops::start::counts_watermark_name;
use keyward_core::port::audit_keeping::{AuditKeeping, Beginning, KeepingError, OldSegment};
use keyward_core::port::audit_log::AuditError;
use keyward_core::port::registry::Registry;
use keyward_core::time::Clock;
use keyward_sinks::kept_to;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::server::deployment::Deployment;
use crate::server::published::{Published, Trees};

/// Whether whoever verifies the log is told where it begins. No file says it yet: so nothing goes, and the
/// journal of a server begins with its first entry.
pub const IS_TOLD: bool = false;

/// The oldest entries of the log.
pub struct Keeping {
    parts: Arc<Parts>,
    registry: Arc<dyn Registry>,
    /// Which node it is.
    name: String,
    /// The streams that have to be past what goes.
    sinks: Vec<String>,
    /// Whether whoever verifies the log is told where it begins.
    is_told: bool,
    /// One lets go at a time.
    alone: Mutex<()>,
}

/// What the work on threads needs.
struct Parts {
    journal: Arc<Journal>,
    oldest: Oldest,
    index: Arc<AuditIndex>,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    dir: PathBuf,
    deployment: Uuid,
}

impl Keeping {
    /// The beginning of a journal, which is of this deployment. Nothing may go unless whoever verifies the log,
    /// by its files or by a mirror's, is told where it begins: it would seem damaged to him.
    pub fn new(
        is_told: bool,
        deployment: &Deployment,
        journal: Arc<Journal>,
        index: Arc<AuditIndex>,
        published: Arc<Published>,
    ) -> Self {
        let config = &deployment.config;
        Self {
            parts: Arc::new(Parts {
                oldest: Oldest::new(journal.clone()),
                journal,
                index,
                published,
                clock: deployment.clock.clone(),
                dir: config.audit_dir(),
                deployment: deployment.id,
            }),
            registry: deployment.registry.clone(),
            name: config.node.name.clone(),
            sinks: config.audit_sink.keys().cloned().collect(),
            is_told,
            alone: Mutex::default(),
        }
    }

    /// The last entry that nobody needs any more; 0 if all are needed.
    async fn unneeded(&self) -> Result<u64, KeepingError> {
        if !self.is_told {
            return Ok(0);
        }
        let counted = self.watermark(&self.name).await?;
        let mut through = counted;
        // Where uses were never counted there is none.
        match self.watermark(&counts_watermark_name(&self.name)).await? {
            0 => {}
            counts => through = through.min(counts),
        }
        let (parts, sinks) = (self.parts.clone(), self.sinks.clone());
        let rest = on_thread(move || parts.unneeded(&sinks)).await?;
        Ok(through.min(rest))
    }

    /// Finishes what an earlier life began.
    pub async fn take_up(&self) -> Result<(), KeepingError> {
        let _alone = self.alone.lock().await;
        let parts = self.parts.clone();
        on_thread(move || match parts.published.trees() {
            Some(trees) if parts.journal.beginning() > 1 => parts.finish(&trees),
            _ => Ok(()),
        })
        .await
    }

    async fn watermark(&self, name: &str) -> Result<u64, KeepingError> {
        let read = self.registry.usage_watermark(name).await;
        read.map_err(|error| KeepingError::Unavailable(error.to_string()))
    }
}

impl Parts {
    /// The same as far as the disk says it.
    fn unneeded(&self, sinks: &[String]) -> Result<u64, KeepingError> {
        let Some(trees) = self.published.trees() else {
            return Ok(0);
        };
        let files = LogDirectory::new(&self.dir).map_err(|error| unavailable(&error))?;
        let signed = LastSigned::open(files).map_err(|error| of_trees(&error))?;
        let signed = signed.through().unwrap_or_default();
        let mut through = trees.lock().may_let_go_through().min(signed);
        for sink in sinks {
            let kept = kept_to(&self.dir.join("sinks"), sink, self.deployment);
            // The entry that it is behind is looked at when it goes on.
            let behind = kept.map_err(|error| unavailable(&error))?.unwrap_or(0);
            through = through.min(behind.saturating_sub(1));
        }
        Ok(through)
    }

    fn oldest(&self, most: usize, through: u64) -> Result<Vec<OldSegment>, KeepingError> {
        let mut found = self.oldest.look(most, through).map_err(of_journal)?;
        let lacking = found
            .iter()
            .position(|it| !self.index.has_all_through(it.last));
        found.truncate(lacking.unwrap_or(found.len()));
        Ok(found)
    }

    /// Lets go of everything up to an entry that may go.
    fn let_go(&self, through: u64) -> Result<(), KeepingError> {
        let trees = self.published.trees();
        let trees = trees
            .ok_or_else(|| KeepingError::Unavailable("the audit log is not open".to_owned()))?;
        if through >= self.journal.beginning() {
            if !self.index.has_all_through(through) {
                return Err(still_needed());
            }
            let mut letting = trees.lock().begin_letting_go(through.saturating_add(1));
            // A few trees at a time: those who make the log wait for the same lock.
            loop {
                let more = trees.lock().gather(&mut letting);
                if !more.map_err(|error| of_trees(&error))? {
                    break;
                }
            }
            let noted = trees.lock().noted(letting, self.clock.now());
            let noted = noted.map_err(|error| of_letting_go(&error))?;
            // Whoever makes the log does not wait for this.
            noted.write().map_err(|error| of_letting_go(&error))?;
            let gone = trees.lock().let_go(noted);
            gone.map_err(|error| of_letting_go(&error))?;
        }
        self.finish(&trees)
    }

    /// What is left of it, by this life or an earlier one.
    fn finish(&self, trees: &Trees) -> Result<(), KeepingError> {
        let mut next = 0;
        loop {
            let more = trees.lock().ensure_begun(&mut next);
            if !more.map_err(|error| of_trees(&error))? {
                break;
            }
        }
        let finished = self.journal.finish_letting_go();
        finished.map_err(|error| of_letting_go(&error))?;
        self.index.let_go().map_err(|error| unavailable(&error))?;
        let mut sweeping = Sweeping::default();
        loop {
            let more = trees.lock().sweep(&mut sweeping);
            if !more.map_err(|error| of_trees(&error))? {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl AuditKeeping for Keeping {
    fn beginning(&self) -> Beginning {
        Beginning {
            first: self.parts.journal.beginning(),
        }
    }

    async fn oldest(&self, most: usize) -> Result<Vec<OldSegment>, KeepingError> {
        let through = self.unneeded().await?;
        let parts = self.parts.clone();
        on_thread(move || parts.oldest(most, through)).await
    }

    async fn let_go(&self, through: u64) -> Result<Beginning, KeepingError> {
        let _alone = self.alone.lock().await;
        let is_gone = through < self.parts.journal.beginning();
        if !is_gone && through > self.unneeded().await? {
            return Err(still_needed());
        }
        let parts = self.parts.clone();
        on_thread(move || parts.let_go(through)).await?;
        Ok(self.beginning())
    }
}

fn still_needed() -> KeepingError {
    KeepingError::Unavailable(
        "the entries are still needed: by the index, a stream, what is counted in the registry, or whoever \
         verifies the log"
            .to_owned(),
    )
}

fn unavailable(error: &dyn std::fmt::Display) -> KeepingError {
    KeepingError::Unavailable(error.to_string())
}

fn of_journal(error: AuditError) -> KeepingError {
    match error {
        AuditError::Damaged { .. } => KeepingError::Damaged(error.to_string()),
        error => KeepingError::Unavailable(error.to_string()),
    }
}

fn of_trees(error: &TreesError) -> KeepingError {
    match error {
        TreesError::Io { .. } | TreesError::Journal(AuditError::Unavailable { .. }) => {
            KeepingError::Unavailable(error.to_string())
        }
        error => KeepingError::Damaged(error.to_string()),
    }
}

fn of_letting_go(error: &LetGoError) -> KeepingError {
    KeepingError::Unavailable(error.to_string())
}

/// Where waiting harms nobody.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeepingError> + Send + 'static,
) -> Result<T, KeepingError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(KeepingError::Unavailable(error.to_string())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
