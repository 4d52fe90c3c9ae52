//! Makes the segments that changes wait for, and says when that takes too long.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::error::OpError;
use keyward_core::node::Node;
use keyward_core::ops::backup::{Continuous, OnFailure, continuous};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::assembly::Assembly;
use crate::server::config::{self, Config, Continuity};

/// How long it waits after a failure that comes alone, and how long at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];

/// How continuous backups are made; none if they are not.
pub fn from(config: &Config) -> Option<Continuous> {
    let backup = &config.backup;
    let is_on = backup.continuous == Continuity::BeforeAnswer;
    is_on.then_some(Continuous {
        on_failure: match backup.continuous_on_failure {
            config::OnFailure::Refuse => OnFailure::Refuse,
            config::OnFailure::Degrade => OnFailure::Degrade,
        },
        segments_max: backup.continuous_segments,
    })
}

/// The making of segments, as long as the server serves.
pub struct Covering {
    no_more: watch::Sender<bool>,
    maker: Option<JoinHandle<()>>,
}

impl Covering {
    /// From here on changes wait for their segments, if that is configured.
    pub fn begin(assembly: &Assembly) -> Self {
        let (no_more, ended) = watch::channel(false);
        let node = &assembly.node;
        let backup = &assembly.deployment.config.backup;
        let limit = Duration::from_secs(backup.continuous_timeout_seconds);
        let maker = node.settings().continuous.map(|_| {
            continuous::begin(node);
            tokio::spawn(run(node.clone(), limit, ended))
        });
        Self { no_more, maker }
    }

    /// For when nobody waits any more.
    pub async fn end(self) {
        let _ = self.no_more.send(true);
        if let Some(maker) = self.maker {
            let _ = maker.await;
        }
    }
}

/// Makes segments until it is told to end. Whoever waits hears of it, however it ends.
async fn run(node: Arc<Node>, limit: Duration, mut ended: watch::Receiver<bool>) {
    let _end = End(node.clone());
    loop {
        tokio::select! {
            () = continuous::wanted(&node) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        // A place that hangs is not asked a second time before it has answered the first: a task of its
        // own is waited for, and never cut short.
        let mut covering = tokio::spawn(cover(node.clone()));
        if tokio::time::timeout(limit, &mut covering).await.is_ok() {
            continue;
        }
        tracing::error!("what is changed comes into no backup; see the alert backup_behind");
        continuous::give_up(&node).await;
        tokio::select! {
            _ = &mut covering => tracing::info!("what is changed comes into backups again"),
            _ = ended.wait_for(|ended| *ended) => {
                covering.abort();
                return;
            }
        }
    }
}

/// Tries until a segment is made, with growing pauses.
async fn cover(node: Arc<Node>) {
    let [mut pause, longest] = PAUSES;
    loop {
        match continuous::cover(&node).await {
            Ok(()) => return,
            Err(error @ OpError::Sealed) => {
                tracing::warn!(%error, "no segment can be made");
                continuous::give_up(&node).await;
            }
            Err(error) => tracing::warn!(%error, "a segment could not be made; it is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Says that no more segments are made, also if the maker panics.
struct End(Arc<Node>);

impl Drop for End {
    fn drop(&mut self) {
        continuous::end(&self.0);
    }
}
