//! One key that is due: rotated, in one transaction with the row that says so; or a row that says why not.

use keyward_api::error::ErrorCode;

use super::due;
use super::plan::Due;
use crate::audit::{AuditEvent, Outcome};
use crate::caller::{Caller, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::RotationId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::rotation::{Rotation, RotationOutcome, RotationTrigger};
use crate::ops::condition;
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::key::{Planned, RotateRequest, rotate_planned};
use crate::port::lease::Fence;
use crate::port::registry::{KeyRef, KeyWithVersions, RegistryError};
use crate::time::Timestamp;

/// The first pause after a failure that may pass, in seconds; each further one is twice as long.
const PAUSE_SECONDS: i64 = 60;
/// And never longer than this.
const PAUSE_SECONDS_MAX: i64 = 3_600;
/// So many failures in a row are a condition, even if they may pass.
const ATTEMPTS_QUIET: i64 = 3;

/// Why a key waits that is due in a blackout, or outside maintenance.
pub(super) const CLOSED: &str = "its policy's windows are closed";
/// Why no key of a policy has a date.
pub(super) const UNFOLLOWABLE: &str =
    "its policy's schedule cannot be followed: its windows leave nothing open";

/// A run on its way.
pub(super) struct Run<'a> {
    pub(super) node: &'a Node,
    /// The server itself, with the run's correlation id.
    pub(super) caller: Caller,
    pub(super) trigger: RotationTrigger,
    /// The scheduler's role; none in a run that somebody ordered.
    pub(super) fence: Option<Fence>,
}

/// How it ended for one key.
#[derive(Debug)]
pub(super) enum Ended {
    /// It has a new version.
    Rotated(Rotation),
    /// It has not, and the row says why.
    Failed(Rotation),
    /// Nothing was to be done any more.
    Skipped(&'static str),
    /// Not begun: nothing could be done for any key by then.
    Unreached,
    /// Nothing can be done for any key now.
    Stopped(OpError),
}

impl Run<'_> {
    /// Rotates a key, if it is still due.
    pub(super) async fn rotate(&self, due: &Due) -> Ended {
        match self.try_rotate(due).await {
            Ok(ended) => ended,
            Err(error) => Ended::Stopped(error),
        }
    }

    async fn try_rotate(&self, due: &Due) -> Result<Ended, OpError> {
        // What was found may be long ago: somebody may have rotated or stopped the key, or changed the policy.
        let stored = self.node.texts.stored();
        let current = stored.key(due.tenant, &KeyRef::Id(due.key)).await?;
        let policy = stored.policy(due.tenant, due.policy.id).await?;
        let (Some(current), Some(policy)) = (current, policy) else {
            return Ok(Ended::Skipped("it is gone, or its policy is"));
        };
        let now = self.node.now();
        if let Some(why) = due::stopped(&policy) {
            return Ok(Ended::Skipped(why));
        }
        let Some(last) = due::last_rotation(&current.versions) else {
            return Ok(Ended::Skipped("it has no version"));
        };
        match due::next(&policy, due.key, last) {
            Ok(date) if date == Some(due.date) => {}
            Ok(_) => return Ok(Ended::Skipped("it is not due any more")),
            Err(_) => return Ok(Ended::Skipped(UNFOLLOWABLE)),
        }
        match due::opens_at(&policy, now) {
            Ok(opens) if opens <= now => {}
            Ok(_) => return Ok(Ended::Skipped(CLOSED)),
            Err(_) => return Ok(Ended::Skipped(UNFOLLOWABLE)),
        }
        let primary = current.key.primary_version;
        let Some(primary) = current.versions.iter().find(|it| it.version == primary) else {
            return Ok(Ended::Skipped("it has no primary version"));
        };
        if let Some(why) = due::hindrance(&current.key, primary, now) {
            return Ok(Ended::Skipped(why));
        }
        let begun = self.begun(due, policy.etag, &current, now)?;
        let expires_at = due::expiry_after(primary, now);
        match self.commit(due, &begun, expires_at).await {
            Ok(done) => Ok(Ended::Rotated(done)),
            Err(error) => self.not_rotated(due, begun, error).await,
        }
    }

    /// The row as it is before anybody knows how it ends.
    fn begun(
        &self,
        due: &Due,
        policy_etag: i64,
        current: &KeyWithVersions,
        now: Timestamp,
    ) -> Result<Rotation, OpError> {
        let earlier = due.earlier.as_ref();
        let id = match earlier {
            Some(earlier) => earlier.id,
            None => RotationId::from_uuid(self.node.ordered_id()?),
        };
        Ok(Rotation {
            id,
            tenant: due.tenant,
            key: due.key,
            policy: due.policy.id,
            policy_etag,
            trigger: self.trigger,
            planned_at: due.date.planned,
            run: self.caller.origin.correlation_id.clone(),
            epoch: self.fence.as_ref().map(|fence| fence.epoch),
            started_at: now,
            finished_at: now,
            outcome: RotationOutcome::Failed,
            attempts: earlier.map_or(0, |it| it.attempts) + 1,
            error: None,
            retry_at: None,
            key_etag: current.key.etag,
            from_version: current.key.primary_version,
            to_version: None,
            etag: earlier.map_or(0, |it| it.etag) + 1,
        })
    }

    async fn commit(
        &self,
        due: &Due,
        begun: &Rotation,
        expires_at: Option<Timestamp>,
    ) -> Result<Rotation, OpError> {
        let (tenant, key) = (TenantRef::Id(due.tenant), KeyRef::Id(due.key));
        let request = RotateRequest {
            reason: Some(format!("due by policy {}", due.policy.name)),
            emergency: false,
            expires_at,
            // What was judged above is what is rotated.
            if_match: Some(begun.key_etag),
        };
        let row = |now: Timestamp, number: i64| write_of(done(begun, now, number));
        let tell = |event: &mut AuditEvent| tell(event, begun);
        let planned = Planned {
            fence: self.fence.clone(),
            row: &row,
            tell: &tell,
        };
        let rotated =
            rotate_planned(self.node, &self.caller, (&tenant, &key), request, planned).await?;
        let number = rotated.value.key.primary_version;
        Ok(done(begun, self.node.now(), number))
    }

    /// What the error means: somebody was faster, or nothing can be done now, or this key has a trouble.
    async fn not_rotated(
        &self,
        due: &Due,
        begun: Rotation,
        error: OpError,
    ) -> Result<Ended, OpError> {
        if concerns_all(&error) {
            return Err(error);
        }
        // It may have been done all the same, and the answer lost on the way.
        let stored = self.node.texts.stored();
        let present = stored.rotation_planned(due.key, due.date.planned).await?;
        if let Some(done) = present.filter(|it| it.outcome == RotationOutcome::Done) {
            // Two runs may have one correlation id, if their caller chose it.
            let of = |row: &Rotation| (row.id, row.run.clone(), row.started_at);
            return Ok(if of(&done) == of(&begun) {
                Ended::Rotated(done)
            } else {
                Ended::Skipped("it was rotated for this date just now")
            });
        }
        if matches!(
            error.code(),
            ErrorCode::Conflict | ErrorCode::PreconditionFailed | ErrorCode::AlreadyExists
        ) {
            return Ok(Ended::Skipped("it was changed just now"));
        }
        let mut failed = begun;
        let now = self.node.now();
        failed.finished_at = now;
        failed.error = Some(error.code().as_str().to_owned());
        failed.retry_at = may_pass(&error)
            .then(|| pause_seconds(failed.attempts, self.jitter()))
            .map(|seconds| now.plus_seconds(seconds));
        match self.record(&failed).await {
            Ok(()) => {}
            Err(error) if concerns_all(&error) => return Err(error),
            // Another run was faster to say so.
            Err(_) => return Ok(Ended::Skipped("it was tried elsewhere just now")),
        }
        self.raise(&failed).await;
        Ok(Ended::Failed(failed))
    }

    async fn record(&self, failed: &Rotation) -> Result<(), OpError> {
        let action = Action::RotationRun;
        let named = resource("key", Some(failed.key.uuid()), None);
        let mut attempt = Attempt::new(self.node, &self.caller, action, Some(failed.tenant), named);
        attempt.fence.clone_from(&self.fence);
        let proof = self.node.authorize_system(&self.caller, action)?;
        attempt
            .commit(proof, vec![write_of(failed.clone())], |event| {
                event.outcome = Outcome::Failed;
                event.reason.clone_from(&failed.error);
                tell(event, failed);
            })
            .await?;
        Ok(())
    }

    async fn raise(&self, failed: &Rotation) {
        // Where a trial fails, something lies: nobody waits for the third time.
        let is_canary = failed.error.as_deref() == Some(ErrorCode::CanaryFailed.as_str());
        if failed.retry_at.is_some() && failed.attempts < ATTEMPTS_QUIET && !is_canary {
            return;
        }
        let text = format!(
            "due since {} and not rotated, tried {} times: {}",
            failed.planned_at,
            failed.attempts,
            failed.error.as_deref().unwrap_or("unknown"),
        );
        let kind = ConditionKind::ROTATION_FAILED;
        condition::raise(self.node, kind, &subject(failed), Severity::Warning, &text).await;
    }

    /// A number from 0 to 255.
    fn jitter(&self) -> u8 {
        let mut byte = [128];
        // Without randomness there is no jitter, and a pause all the same.
        let _ = self.node.ports.random.fill(&mut byte);
        byte[0]
    }
}

/// What a condition about a key's rotation is about.
pub(super) fn subject(rotation: &Rotation) -> Subject {
    Subject::of_tenant(rotation.tenant, &format!("key {}", rotation.key))
}

fn done(begun: &Rotation, now: Timestamp, version: i64) -> Rotation {
    Rotation {
        outcome: RotationOutcome::Done,
        to_version: Some(version),
        finished_at: now,
        ..begun.clone()
    }
}

fn write_of(rotation: Rotation) -> Write {
    let is_new = rotation.etag == 1;
    let row = Row::Rotation(Box::new(rotation));
    if is_new {
        Write::insert(row)
    } else {
        Write::update(row)
    }
}

fn tell(event: &mut AuditEvent, rotation: &Rotation) {
    detail(event, "actor", "system:scheduler");
    detail(event, "policy", rotation.policy.to_string());
    detail(event, "planned_at", rotation.planned_at.to_string());
    detail(event, "trigger", rotation.trigger.name());
    detail(event, "attempt", rotation.attempts);
}

/// Whether an error is of this node or of what all keys need: no key is to blame, and none can be rotated.
fn concerns_all(error: &OpError) -> bool {
    matches!(
        error,
        OpError::Sealed
            | OpError::NotReady { .. }
            | OpError::Audit(_)
            | OpError::BackupDown { .. }
            | OpError::Registry(
                RegistryError::Unavailable { .. }
                    | RegistryError::Left
                    | RegistryError::Fenced { .. }
            )
    )
}

/// Whether trying again later may help.
fn may_pass(error: &OpError) -> bool {
    matches!(
        error.code(),
        ErrorCode::StorageUnavailable
            | ErrorCode::StorageThrottled
            | ErrorCode::StorageNotWritable
            | ErrorCode::StorageDenied
            | ErrorCode::RegistryUnavailable
            | ErrorCode::Overloaded
            | ErrorCode::RateLimited
            | ErrorCode::Timeout
            | ErrorCode::NotInBackup
            | ErrorCode::OutcomeUnknown
            | ErrorCode::CanaryFailed
    )
}

/// The pause after so many failures: between half of it and the whole, so that keys that failed together do not
/// come back together.
fn pause_seconds(attempts: i64, jitter: u8) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 16)).unwrap_or(16);
    let whole = PAUSE_SECONDS
        .saturating_mul(1_i64 << doublings)
        .min(PAUSE_SECONDS_MAX);
    whole / 2 + whole / 2 * i64::from(jitter) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_differ() {
        assert_eq!((pause_seconds(1, 0), pause_seconds(1, 255)), (30, 60));
        assert_eq!((pause_seconds(2, 0), pause_seconds(2, 255)), (60, 120));
        assert_eq!((pause_seconds(9, 0), pause_seconds(9, 255)), (1_800, 3_600));
        assert_eq!(pause_seconds(i64::MAX, 255), 3_600);
        assert_eq!(pause_seconds(0, 255), 60);
    }
}
