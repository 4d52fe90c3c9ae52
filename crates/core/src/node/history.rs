//! Following the registry's history: what others committed, and that it never goes back unseen. And
//! whether the journal's can be relied on.

use std::sync::atomic::Ordering;

use super::Node;
use crate::error::OpError;
use crate::port::audit_log::AuditError;
use crate::port::registry::{ChangeObserver as _, RegistryError};

impl Node {
    /// Takes over changes that this node's own writer did not tell of: a commit whose answer was
    /// lost on the way, or another process's.
    ///
    /// A registry that is behind what this node has seen was put back, and gives revisions a second
    /// time. The node serves no more then, and nothing is swept up. Nor does it serve while the registry
    /// is in another database: what was ended there goes on here.
    pub(crate) async fn catch_up(&self) -> Result<(), OpError> {
        // First what was seen: what is seen later may be of a later revision than is asked for here.
        let seen = self.seen_to();
        let present = self.ports.registry.revision().await;
        match present {
            Ok(_) => self.registry_left.store(false, Ordering::Release),
            Err(RegistryError::Left) => self.registry_left.store(true, Ordering::Release),
            // Down: nothing is known of it.
            Err(_) => {}
        }
        let present = present?;
        if present < seen {
            self.go_back_to(present, seen).await?;
        }
        self.follow().await?;
        self.ensure_same_history()
    }

    async fn follow(&self) -> Result<(), OpError> {
        const PAGE: usize = 1_000;
        let (registry, memory) = (&self.ports.registry, &self.memory);
        while registry.revision().await? > memory.applied_to() {
            let missed = registry.changes_after(memory.applied_to(), PAGE).await?;
            if missed.is_empty() {
                break;
            }
            memory.committed(&missed);
        }
        Ok(())
    }

    /// The highest revision of which this node has seen anything.
    pub(crate) fn seen_to(&self) -> i64 {
        let logged = self.ports.usage.highest_logged();
        self.memory.highest_applied().max(logged)
    }

    /// After a commit: a revision that was given a second time is not one that memory and journal
    /// were told of. The change is followed as another node's would be, so that it is logged too.
    pub(crate) async fn ensure_followed(&self, revision: i64, seen: i64) -> Result<(), OpError> {
        if revision > seen {
            return Ok(());
        }
        self.go_back_to(revision - 1, seen).await?;
        self.follow().await
    }

    /// The registry has no revision above `present` of those that this node has seen.
    async fn go_back_to(&self, present: i64, seen: i64) -> Result<(), OpError> {
        self.went_back.store(true, Ordering::Release);
        let mut gone_back_to = self.gone_back_to.lock().await;
        if gone_back_to.is_some_and(|already| already <= present) {
            return Ok(());
        }
        let open = crate::ops::start::open_conditions(self).await?;
        // From here on revisions are followed, and logged, as they are given again.
        self.memory.go_back_to(present);
        self.ports.usage.go_back_to(present);
        self.memory.conditions.reload(open);
        crate::ops::storage::sweep::hold_for_history(self, seen, present);
        *gone_back_to = Some(present);
        Ok(())
    }

    /// From here on nothing is done: what the journal says is not to be relied on. What the server has to
    /// say of itself is logged all the same.
    pub(crate) fn distrust_journal(&self, fault: AuditError) {
        // The first reason counts.
        let _ = self.journal_fault.set(fault);
    }

    pub(super) fn ensure_same_history(&self) -> Result<(), OpError> {
        if self.went_back.load(Ordering::Acquire) {
            return Err(OpError::NotReady {
                why: "the registry was put back to an older state than this server has seen; look at \
                      the alert sweep_held, then start the server again",
            });
        }
        if self.registry_left.load(Ordering::Acquire) {
            return Err(OpError::NotReady {
                why: "a migration left the registry's database for another; start the server with the \
                      one that is the registry now",
            });
        }
        Ok(())
    }

    /// Whether nobody has touched the journal's files since this node was started.
    pub(crate) fn journal_is_trusted(&self) -> bool {
        self.journal_fault.get().is_none()
    }
}
