//! Continuous backups: no change is answered before a segment holds it. One maker of segments takes all
//! that is committed, and its segment lets everybody answer whose change it holds.
//!
//! The maker is driven from outside, which also knows how long is too long:
//! `begin`, then again and again `wanted` and `cover`, `give_up` when that takes too long, and `end`.

use super::{RETRY_SECONDS, alerts, create, due, segment};
use crate::caller::Caller;
use crate::error::OpError;
use crate::node::Node;
use crate::noun::action::{Action, Effect};
use crate::noun::job::{JobKind, JobState};
use crate::ops::gate::Attempt;
use crate::text_enum;

text_enum! {
    /// What becomes of changes while no segment can be made.
    pub enum OnFailure {
        /// They are refused.
        Refuse => "refuse",
        /// They are made and answered, and the alert says that no backup holds them.
        Degrade => "degrade",
    }
}

/// How continuous backups are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuous {
    /// What becomes of changes while no segment can be made.
    pub on_failure: OnFailure,
    /// After so many segments the next full backup is made, so that a restore never has to read more.
    pub segments_max: u64,
}

/// What only takes away, and what only keeps. It is done also while no backup would hold it: to stop a key
/// that is being misused cannot wait for a disk, nor can a court.
const TAKES_AWAY: &[Action] = &[
    Action::TenantSuspend,
    Action::PrincipalDisable,
    Action::TokenRevoke,
    Action::RoleUnassign,
    Action::KeySuspend,
    Action::KeyExpire,
    Action::KeyRevoke,
    Action::KeyCompromise,
    Action::AuditPlaceHold,
    Action::AuditSetRetention,
];

/// What mends backups, or shuts the server: it waits for none.
const OF_BACKUPS: &[Action] = &[
    Action::SystemSeal,
    Action::BackupCreate,
    Action::BackupPrune,
    Action::BackupDrill,
];

/// Whether the answer to an action waits for a segment. What the server does by itself is answered to
/// nobody.
fn waits(caller: &Caller, action: Action) -> bool {
    !caller.is_system() && action.effect() != Effect::Record && !OF_BACKUPS.contains(&action)
}

impl Node {
    /// Refuses a change that would come into no backup, before anything of it is done.
    pub(crate) fn ensure_coverable(&self, caller: &Caller, action: Action) -> Result<(), OpError> {
        let is_refused = || {
            let demanded = self.settings.continuous.map(|it| it.on_failure);
            demanded == Some(OnFailure::Refuse)
                // What goes does not come back: the server itself waits with it too.
                && (waits(caller, action) || action == Action::AuditPrune)
                && action.effect() == Effect::Change
                && !TAKES_AWAY.contains(&action)
        };
        match self.coverage.down() {
            Some(why) if is_refused() => Err(OpError::BackupDown { why }),
            _ => Ok(()),
        }
    }
}

impl Attempt<'_> {
    /// With continuous backups: waits until one holds everything up to a revision.
    pub(crate) async fn covered(&self, revision: i64) -> Result<(), OpError> {
        let Some(continuous) = self.node.settings.continuous else {
            return Ok(());
        };
        if !waits(self.caller, self.action) {
            return Ok(());
        }
        match self.node.coverage.holds(revision).await {
            Err(why) if continuous.on_failure == OnFailure::Refuse => {
                Err(OpError::NotInBackup { why })
            }
            _ => Ok(()),
        }
    }
}

/// From here on changes wait for segments, which the caller makes.
pub fn begin(node: &Node) {
    if node.settings.continuous.is_some() {
        node.coverage.begin();
    }
}

/// No more segments are made: who waits hears that.
pub fn end(node: &Node) {
    if node.settings.continuous.is_some() {
        node.coverage.end("the server is stopping");
    }
}

/// Until somebody waits for a segment.
pub async fn wanted(node: &Node) {
    node.coverage.is_wanted().await;
}

/// Makes the segment that somebody waits for, and lets everybody answer whose change it holds. Where there
/// is no full backup that it could follow on, one is ordered.
pub async fn cover(node: &Node) -> Result<(), OpError> {
    let done = try_cover(node).await;
    if let Err(error) = &done {
        node.coverage.failed(&error.to_string());
    }
    done
}

async fn try_cover(node: &Node) -> Result<(), OpError> {
    let _only = node.segmenting.lock().await;
    node.ensure_auditable()?;
    node.ensure_unsealed()?;
    let Some(done) = segment::make(node, true).await? else {
        return Err(OpError::NotReady {
            why: "another segment is being made",
        });
    };
    if done.reached == 0 {
        order_full(node).await?;
        return Err(OpError::NotReady {
            why: "the first full backup is not made yet",
        });
    }
    let enough = node.settings.continuous.map(|it| it.segments_max);
    if enough.is_some_and(|enough| done.since_full >= enough) {
        // What keeps it from being ordered keeps nobody from his answer.
        let _ = order_full(node).await;
    }
    Ok(())
}

/// Orders a full backup, unless one is under way or one has failed just now.
async fn order_full(node: &Node) -> Result<(), OpError> {
    if !due(node).await?.is_empty() {
        return Ok(());
    }
    let jobs = node.ports.registry.jobs(None, super::JOBS_LIMIT).await?;
    let mut jobs = jobs.into_iter();
    let last = jobs.find(|job| job.kind == JobKind::CreateBackup);
    let has_just_failed = last.is_some_and(|job| {
        job.state == JobState::Failed && node.now().seconds_since(job.updated_at) < RETRY_SECONDS
    });
    if has_just_failed {
        return Ok(());
    }
    let caller = Caller::system(node.own_correlation_id()?);
    create(node, &caller, Some("continuous".to_owned())).await?;
    Ok(())
}

/// It took too long: who waits hears why, and until it works again changes are refused, or go on without
/// a backup. An alert says so.
pub async fn give_up(node: &Node) {
    let why = node.coverage.give_up(None);
    let on_failure = node.settings.continuous.map(|it| it.on_failure);
    alerts::behind(node, on_failure, &why).await;
}

/// Everything up to a revision is in the place of backups.
pub(super) async fn holds(node: &Node, revision: i64) {
    if revision > 0 && node.coverage.hold(revision) {
        alerts::caught_up(node).await;
    }
}
