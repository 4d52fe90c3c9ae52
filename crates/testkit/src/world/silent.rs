//! A journal that can be told to take nothing: what operations cost without it is what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use keyward_audit::Journal;
use keyward_core::audit::{AuditEvent, Journaled};
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};

/// The journal, unless it is silent.
pub struct Silent {
    journal: Arc<Journal>,
    on: AtomicBool,
    dropped: AtomicU64,
}

impl Silent {
    pub(super) fn over(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            on: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }
    }

    /// From now on entries are answered at once and go nowhere, or are logged again.
    pub fn set(&self, is_silent: bool) {
        self.on.store(is_silent, Ordering::Relaxed);
    }
}

#[async_trait]
impl AuditLog for Silent {
    async fn append(&self, event: AuditEvent) -> Result<u64, AuditError> {
        if self.on.load(Ordering::Relaxed) {
            return Ok(self.dropped.fetch_add(1, Ordering::Relaxed));
        }
        self.journal.append(event).await
    }

    async fn tail(&self, query: TailQuery) -> Result<Vec<Journaled>, AuditError> {
        self.journal.tail(query).await
    }

    fn last(&self) -> u64 {
        AuditLog::last(&*self.journal)
    }

    async fn changed(&self, after: u64) {
        self.journal.changed(after).await;
    }

    fn fault(&self) -> Option<AuditError> {
        self.journal.fault()
    }
}
