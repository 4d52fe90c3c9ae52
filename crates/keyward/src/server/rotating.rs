//! Rotation by policy beside everything else: one task that keeps the lease, and one that rotates, so that a run
//! that takes long neither loses the lease nor delays what the clock does.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::error::OpError;
use keyward_core::node::{Node, RotationSettings};
use keyward_core::ops::rotation;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::config::Config;

/// How often it is asked whether it is time to look; what is asked is in memory.
const TICK: Duration = Duration::from_secs(1);
/// How often the lease is kept: three times before it would be over.
const KEEP: Duration = Duration::from_secs(rotation::LEASE_SECONDS.unsigned_abs() / 3);
/// How long giving the lease up may take at the end: without it, others wait until it is over.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Both tasks.
pub struct Rotating {
    node: Arc<Node>,
    keeping: JoinHandle<()>,
    runs: JoinHandle<()>,
}

impl Rotating {
    /// Begins, until the server stops.
    pub fn begin(node: &Arc<Node>, ended: &watch::Receiver<bool>) -> Self {
        Self {
            node: node.clone(),
            keeping: tokio::spawn(keep(node.clone(), ended.clone())),
            runs: tokio::spawn(rotate(node.clone(), ended.clone())),
        }
    }

    /// Waits for the run that has begun, and lets another node act at once.
    pub async fn end(self) {
        let _ = self.runs.await;
        let _ = self.keeping.await;
        let given_up = rotation::release_lease(&self.node);
        if !matches!(tokio::time::timeout(GIVE_UP, given_up).await, Ok(Ok(()))) {
            tracing::warn!("the lease of the rotation scheduler could not be given up");
        }
    }
}

async fn keep(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(KEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut held = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        match rotation::keep_lease(&node).await {
            Ok(holds) => {
                if holds != held {
                    tracing::info!(holds, "the lease of the rotation scheduler");
                }
                held = holds;
            }
            Err(error) => {
                tracing::warn!(%error, "the lease of the rotation scheduler could not be kept");
            }
        }
    }
}

async fn rotate(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        if !rotation::is_wanted(&node) {
            continue;
        }
        match rotation::check(&node).await {
            Ok(Some(run)) if run.rotated + run.failed > 0 => tracing::info!(
                run = %run.run,
                rotated = run.rotated,
                failed = run.failed,
                backlog = run.backlog,
                "keys were rotated by their policies"
            ),
            Ok(_) | Err(OpError::NotReady { .. } | OpError::Sealed) => {}
            Err(error) => {
                tracing::warn!(%error, "keys that are due could not be rotated; it is tried again");
            }
        }
    }
}

/// How the configuration has it.
pub fn settings(config: &Config) -> RotationSettings {
    let it = &config.rotation;
    RotationSettings {
        enabled: it.enabled,
        check_interval_seconds: i64::try_from(it.check_interval).unwrap_or(i64::MAX),
        at_once: usize::try_from(it.at_once).unwrap_or(usize::MAX),
        per_run_max: usize::try_from(it.per_run).unwrap_or(usize::MAX),
    }
}
