//! Filling the other database: read at one moment of the registry, written in one transaction.

use std::future::Future;

use async_trait::async_trait;
use keyward_core::port::snapshot::{SnapshotError, SnapshotSink, SnapshotSource};
use keyward_core::snapshot::{Coverage, SnapshotSummary};
use tokio::sync::mpsc;

use super::{FollowError, Follower};
use crate::mark::Mark;
use crate::snapshot::export::Pinned;
use crate::snapshot::import::import;

/// Pieces on the way from the one to the other.
const ON_THE_WAY: usize = 2;

impl Follower {
    /// Fills the other database, which must be empty, with the registry as it is now and this mark, in
    /// one transaction. `paced` is called with the number of rows carried since the last call, and may
    /// wait.
    pub async fn fill<F: Future<Output = ()> + Send>(
        &mut self,
        mark: &Mark,
        paced: impl FnMut(u64) -> F + Send,
    ) -> Result<SnapshotSummary, FollowError> {
        let lead = self.registry.present();
        let (sender, receiver) = mpsc::channel(ON_THE_WAY);
        let mut sink = Sending(sender);
        let read = async {
            let pinned = Pinned::begin(&lead, Coverage::Whole).await?;
            let read = pinned.export(&mut sink, |_| true).await;
            drop(sink);
            read
        };
        let side = &self.side;
        let written = async move {
            // Gone when it ends: nobody is sent anything any more.
            let mut source = Receiving { receiver, paced };
            import(side, &mut source, Some(mark)).await
        };
        let (read, written) = tokio::join!(read, written);
        // What the target says counts more than that nobody listened to the source any more.
        let filled = written?;
        read?;
        // Everything since the snapshot was noted, and nothing differed before.
        self.surveyed = true;
        Ok(filled)
    }
}

struct Sending(mpsc::Sender<String>);

#[async_trait]
impl SnapshotSink for Sending {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        let sent = self.0.send(lines).await;
        sent.map_err(|_| SnapshotError::Passage {
            cause: "the target takes no more".to_owned(),
        })
    }
}

struct Receiving<P> {
    receiver: mpsc::Receiver<String>,
    paced: P,
}

#[async_trait]
impl<F: Future<Output = ()> + Send, P: FnMut(u64) -> F + Send> SnapshotSource for Receiving<P> {
    async fn next(&mut self) -> Result<Option<String>, SnapshotError> {
        let lines = self.receiver.recv().await;
        let rows = lines.as_deref().map_or(0, |it| it.matches('\n').count());
        (self.paced)(rows as u64).await;
        Ok(lines)
    }
}
