//! What follows a transaction: the node's observer hears what is durable, in order, and then each
//! caller hears its own outcome. A task beside the writer's, so that the database is at work on the
//! next transaction meanwhile.

use std::sync::{Arc, OnceLock};

use keyward_core::change::{Change, Commit};
use keyward_core::port::registry::{ChangeObserver, RegistryError};
use tokio::sync::{mpsc, oneshot};

use super::feed::Stamp;

/// Transactions that may wait for their callers to be told; then the writer waits too.
const WAITING_MAX: usize = 2;

/// What became of one commit of a transaction.
pub(super) type Outcome = Result<Stamp, RegistryError>;

/// A commit whose outcome is certain, and who waits for it.
pub(super) struct Settled {
    pub(super) commit: Commit,
    pub(super) outcome: Outcome,
    pub(super) answer: oneshot::Sender<Result<Change, RegistryError>>,
}

/// The task that tells outcomes.
pub(super) struct Settler {
    transactions: mpsc::Receiver<Vec<Settled>>,
    /// Who is told of what is durable, before whoever asked.
    observer: Arc<OnceLock<Arc<dyn ChangeObserver>>>,
}

impl Settler {
    /// The task, and where the writer leaves its transactions.
    pub(super) fn new(
        observer: Arc<OnceLock<Arc<dyn ChangeObserver>>>,
    ) -> (mpsc::Sender<Vec<Settled>>, Self) {
        let (sender, transactions) = mpsc::channel(WAITING_MAX);
        let settler = Self {
            transactions,
            observer,
        };
        (sender, settler)
    }

    /// Tells outcomes until the writer has ended.
    pub(super) async fn run(mut self) {
        while let Some(settled) = self.transactions.recv().await {
            self.settle(settled);
        }
    }

    fn settle(&self, settled: Vec<Settled>) {
        let mut durable = Vec::with_capacity(settled.len());
        for Settled {
            commit,
            outcome,
            answer,
        } in settled
        {
            match outcome {
                Ok(stamp) => durable.push((answer, change(commit, stamp))),
                // Whoever asked may have gone away.
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        durable.sort_by_key(|(_, change)| change.revision);
        let (answers, changes): (Vec<_>, Vec<Change>) = durable.into_iter().unzip();
        if let (Some(observer), false) = (self.observer.get(), changes.is_empty()) {
            observer.committed(&changes);
        }
        for (answer, change) in answers.into_iter().zip(changes) {
            drop(answer.send(Ok(change)));
        }
    }
}

fn change(commit: Commit, stamp: Stamp) -> Change {
    Change {
        revision: stamp.revision,
        tenant: commit.tenant,
        change: stamp.change,
        committed_at: stamp.committed_at,
        writes: commit.writes,
        event: stamp.event,
    }
}
