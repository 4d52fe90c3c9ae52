//! The storage beneath the vault: how it does, shown and watched.
//!
//! Watching costs the storage nothing while there is traffic, which is measured on its way. A probe
//! is sent when nothing was asked for a minute, and, while it does not do its part, every few
//! seconds: what it finds raises and clears conditions.

mod hold;
pub mod migration;
pub mod scrub;
pub mod sweep;

use std::sync::{Mutex, PoisonError};

use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{Condition, ConditionKind, Severity, Subject};
use crate::noun::job::{Job, JobKind, JobState};
use crate::ops::condition::{clear, is_open, raise};
use crate::ops::gate::{Attempt, resource};
use crate::port::storage_care::{Space, StorageReport, StorageState};
use crate::time::Timestamp;

/// Without traffic it is asked so often.
const IDLE_SECONDS: i64 = 60;
/// While it does not do its part it is asked so often.
const FAULTY_SECONDS: i64 = 5;
/// What lasts is said again every quarter of an hour: what was not for so long is over, or nobody
/// looks any more.
const UNSEEN_SECONDS: i64 = 3600;
/// Checks looked through: at most ten that are over are kept, and one is under way.
const JOBS_LIMIT: usize = 100;

/// What the watch remembers between two looks.
#[derive(Debug, Default)]
pub(crate) struct StorageWatch(Mutex<Remembered>);

#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    probed_at: Option<Timestamp>,
    measured_at: Option<Timestamp>,
    space: Option<Space>,
}

impl StorageWatch {
    fn remembered(&self) -> Remembered {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, change: impl FnOnce(&mut Remembered)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How the storage stands.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageHealth {
    /// As the traffic through it shows.
    pub report: StorageReport,
    /// How much room there is, where the backend can tell.
    pub space: Option<Space>,
    /// The check that is under way or waits to be.
    pub running: Option<Job>,
    /// The last check that came to its end.
    pub last: Option<Job>,
    /// Why nothing is swept up until somebody confirms; empty if nothing holds the sweep.
    pub holds: Vec<Condition>,
    /// Objects that no row refers to: found, and of these in quarantine.
    pub strays: sweep::StrayCounts,
}

/// Shows how the storage is.
pub async fn health(node: &Node, caller: &Caller) -> Result<StorageHealth, OpError> {
    let action = Action::StorageRead;
    Attempt::new(node, caller, action, None, resource("storage", None, None))
        .read(async {
            node.authorize_system(caller, action)?;
            let checks = checks(node).await?;
            let is_over = |job: &&Job| matches!(job.state, JobState::Done | JobState::Failed);
            Ok(StorageHealth {
                report: node.ports.storage.report(),
                space: node.storage_watch.remembered().space,
                running: checks.iter().find(|job| !is_over(job)).cloned(),
                last: checks.iter().find(is_over).cloned(),
                holds: sweep::holds(node),
                strays: sweep::counts(node).await?,
            })
        })
        .await
}

/// The checks that were ordered or began by themselves, newest first.
async fn checks(node: &Node) -> Result<Vec<Job>, OpError> {
    let registry = &node.ports.registry;
    let kind = JobKind::ScrubStorage;
    Ok(registry.system_jobs_of(kind, JOBS_LIMIT).await?)
}

/// The last check that came to its end.
async fn last_check(node: &Node) -> Result<Option<Job>, OpError> {
    let mut checks = checks(node).await?.into_iter();
    Ok(checks.find(|job| job.state == JobState::Done))
}

/// The state of the storage and the room in it, for metrics. Asks nothing.
pub fn present(node: &Node) -> (StorageReport, Option<Space>) {
    let space = node.storage_watch.remembered().space;
    (node.ports.storage.report(), space)
}

/// Looks how the storage does, and asks it if nobody else did. Called every second, apart from the
/// clock's other work, since a storage that is out of reach takes its time to say so.
pub async fn watch(node: &Node) {
    let now = node.now();
    let seen = node.storage_watch.remembered();
    let storage = &node.ports.storage;
    let long_ago =
        |at: Option<Timestamp>, seconds| at.is_none_or(|at| now.seconds_since(at) >= seconds);
    let report = storage.report();
    let due = if report.state == StorageState::Healthy {
        long_ago(report.last_asked_at, IDLE_SECONDS)
    } else {
        long_ago(seen.probed_at, FAULTY_SECONDS)
    };
    if due {
        node.storage_watch.remember(|it| it.probed_at = Some(now));
        // What came of it is in the report.
        let _ = storage.probe().await;
        tell(node, &storage.report()).await;
    } else if report.state == StorageState::Healthy {
        tell(node, &report).await;
    }
    if long_ago(seen.measured_at, IDLE_SECONDS) {
        let space = storage.space().await.unwrap_or_default();
        node.storage_watch.remember(|it| {
            it.measured_at = Some(now);
            it.space = space;
        });
        if let Some(space) = space {
            tell_of_space(node, &report, space).await;
        }
        forget_others(node, &report).await;
    }
}

/// Every condition that the storage's state can be, and how bad it is.
const STATES: [(StorageState, ConditionKind, Severity); 5] = [
    (
        StorageState::Down,
        ConditionKind::STORAGE_UNAVAILABLE,
        Severity::Critical,
    ),
    (
        StorageState::Denied,
        ConditionKind::STORAGE_DENIED,
        Severity::Critical,
    ),
    (
        StorageState::Throttled,
        ConditionKind::STORAGE_THROTTLED,
        Severity::Warning,
    ),
    (
        StorageState::Full,
        ConditionKind::STORAGE_FULL,
        Severity::Critical,
    ),
    (
        StorageState::ReadOnly,
        ConditionKind::STORAGE_READ_ONLY,
        Severity::Critical,
    ),
];

/// Each node tells what it sees: one that reaches the storage knows nothing of another that does not.
fn seen_by(node: &Node, report: &StorageReport) -> Subject {
    Subject::system(&format!("{}/{}", node.settings.name, report.backend))
}

/// Clears what other nodes saw and have not seen again for long: they are gone, or were renamed.
async fn forget_others(node: &Node, report: &StorageReport) {
    let own = seen_by(node, report);
    let now = node.now();
    let kinds = STATES.iter().map(|(_, kind, _)| kind);
    for (condition, _) in node.memory.conditions.open() {
        let is_of_storage = condition.kind == ConditionKind::STORAGE_SPACE_LOW
            || kinds.clone().any(|kind| *kind == condition.kind);
        let about = condition.about();
        let is_old = now.seconds_since(condition.last_seen_at) >= UNSEEN_SECONDS;
        if is_of_storage && about != own && is_old {
            clear(node, condition.kind, &about).await;
        }
    }
}

async fn tell(node: &Node, report: &StorageReport) {
    let subject = seen_by(node, report);
    for (state, kind, severity) in STATES {
        if report.state == state {
            let words = report.cause.as_deref().unwrap_or(state.name());
            raise(node, kind, &subject, severity, words).await;
        } else {
            clear(node, kind, &subject).await;
        }
    }
}

async fn tell_of_space(node: &Node, report: &StorageReport, space: Space) {
    let low = node.settings.storage_space_low_bytes;
    let subject = seen_by(node, report);
    let kind = ConditionKind::STORAGE_SPACE_LOW;
    if space.free_bytes < low {
        let severity = if space.free_bytes < low / 4 {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let words = format!(
            "{} of {} MiB are free; alerts begin below {} MiB",
            space.free_bytes >> 20,
            space.total_bytes >> 20,
            low >> 20
        );
        raise(node, kind, &subject, severity, &words).await;
    } else if space.free_bytes >= low + low / 10 || !is_open(node, &kind, &subject) {
        // A little more than the threshold, so that it does not come and go.
        clear(node, kind, &subject).await;
    }
}
