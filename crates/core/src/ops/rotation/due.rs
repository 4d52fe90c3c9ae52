//! When a key is due by its policy, and what keeps it from being rotated: the one place that says so. Nothing is
//! stored of it: a date follows from the policy and the key's last rotation, so that it is never another one than
//! the policy says, however either was changed.

use crate::ids::KeyId;
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::policy::{Policy, PolicyStatus};
use crate::noun::state::State;
use crate::rotation::ScheduleError;
use crate::time::Timestamp;

/// A date of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// By the policy's calendar: what names the date. The key is rotated once for it.
    pub planned: Timestamp,
    /// From when on it is done.
    pub at: Timestamp,
}

const DAY_SECONDS: i64 = 24 * 3600;

/// The policy that a key follows, of its tenant's.
pub(super) fn effective<'a>(key: &Key, policies: &'a [Policy]) -> Option<&'a Policy> {
    let linked = key.rotation_policy?;
    policies.iter().find(|policy| policy.id == linked)
}

/// Whether a policy makes keys due, were it active.
pub(super) const fn has_dates(policy: &Policy) -> bool {
    policy.rotation_interval_days.is_some() || policy.schedule.is_some()
}

/// Why no key is rotated by a policy, if that is so.
pub(super) const fn stopped(policy: &Policy) -> Option<&'static str> {
    match policy.status {
        PolicyStatus::Active => None,
        PolicyStatus::Suspended => Some("its policy is suspended"),
        PolicyStatus::Archived => Some("its policy is archived"),
    }
}

/// The key's next date after its last rotation, behind or ahead; none if it has none. An error is of the policy's
/// schedule, which was checked when it was set and cannot be followed all the same: its windows leave nothing open
/// in the year that follows.
pub(super) fn next(
    policy: &Policy,
    key: KeyId,
    last_rotation: Timestamp,
) -> Result<Option<Date>, ScheduleError> {
    if let Some(schedule) = &policy.schedule {
        let due = schedule.next_of_key(policy.created_at, last_rotation, key)?;
        return Ok(due.map(|due| Date {
            planned: due.planned,
            at: due.at,
        }));
    }
    let days = policy.rotation_interval_days;
    Ok(days.map(|days| {
        let at = last_rotation.plus_seconds(i64::from(days).saturating_mul(DAY_SECONDS));
        Date { planned: at, at }
    }))
}

/// The first instant from this one on at which the policy's windows let a key be rotated.
pub(super) fn opens_at(policy: &Policy, instant: Timestamp) -> Result<Timestamp, ScheduleError> {
    let schedule = policy.schedule.as_ref();
    schedule.map_or(Ok(instant), |schedule| schedule.opens_at(instant))
}

/// When the key was last rotated, or made: when its newest version was, also when a rotation was undone since. So
/// a rotation by hand counts as one, and one that was undone is not done again at once.
pub(super) fn last_rotation(versions: &[KeyVersion]) -> Option<Timestamp> {
    let newest = versions.iter().max_by_key(|version| version.version);
    newest.map(|version| version.created_at)
}

/// Why a key that is due is not rotated by itself. What was stopped by somebody is not put into use again by the
/// clock.
pub(super) fn hindrance(key: &Key, primary: &KeyVersion, now: Timestamp) -> Option<&'static str> {
    if key.public_only {
        return Some("only its public half is here: import its successor");
    }
    match primary.state_at(now) {
        State::Active => None,
        State::Pending => Some("its primary version is not active yet"),
        State::Inactive => Some("it is suspended"),
        State::Rotated => Some("its primary version was revoked"),
        State::Expired => Some("its primary version has expired: renew it, or rotate it by hand"),
        State::Compromised => Some("its primary version is compromised: rotate it by hand"),
        State::PendingDestruction => Some("it is to be destroyed"),
        State::Destroyed | State::DestroyedCompromised => Some("it is destroyed"),
    }
}

/// When the new version's cryptoperiod ends: it lives as long as the one before was meant to.
pub(super) fn expiry_after(primary: &KeyVersion, now: Timestamp) -> Option<Timestamp> {
    let begun = primary.activated_at.unwrap_or(primary.created_at);
    let period = primary
        .expires_at?
        .as_micros()
        .saturating_sub(begun.as_micros());
    let end = now.as_micros().saturating_add(period);
    (period > 0).then(|| Timestamp::from_micros(end))
}
