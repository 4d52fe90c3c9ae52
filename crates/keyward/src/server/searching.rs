//! The index by which the log is searched follows the journal: each second it takes what is new, and makes
//! what is missing, beside the journal, which never waits for it.

use std::sync::Arc;
use std::time::Duration;

use keyward_audit::index::{AuditIndex, IndexError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

/// How often it takes what is new.
const EACH: Duration = Duration::from_secs(1);
/// After a failure it tries again so much later.
const PAUSE: Duration = Duration::from_mins(1);

/// The following, as long as the server serves.
pub struct Searching {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Searching {
    /// Begins to follow.
    pub fn begin(index: Arc<AuditIndex>) -> Self {
        let (end, ended) = watch::channel(false);
        let task = tokio::spawn(follow(index, ended));
        Self { end, task }
    }

    /// Ends it. What it had in memory is made again at the next start.
    pub async fn end(self) {
        let _ = self.end.send(true);
        let _ = self.task.await;
    }
}

async fn follow(index: Arc<AuditIndex>, mut ended: watch::Receiver<bool>) {
    loop {
        let pause = match grow(index.clone(), ended.clone()).await {
            Ok(()) => EACH,
            Err(error) => {
                // A search finds everything all the same, more slowly.
                tracing::warn!(%error, "the index of the audit log does not grow");
                PAUSE
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        if pause == PAUSE {
            index.try_again();
        }
    }
}

/// Until it has everything. It rests as long as it works, so that making an old log's index anew takes no
/// more than half of a processor from those who use keys.
async fn grow(index: Arc<AuditIndex>, mut ended: watch::Receiver<bool>) -> Result<(), IndexError> {
    loop {
        let began = Instant::now();
        let growing = index.clone();
        let grown = spawn_blocking(move || growing.grow()).await;
        // A panic there is a bug; it is in the log, and the next try is a second away.
        if !grown.unwrap_or(Ok(false))? {
            return Ok(());
        }
        tokio::select! {
            () = sleep(began.elapsed()) => {}
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
        }
    }
}
