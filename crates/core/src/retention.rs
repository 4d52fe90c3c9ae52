//! Which backups are kept, and what for: a function of what there is, of the rules and of the present.
//! Removes nothing.
//!
//! Of the newest hours, days, ISO weeks and months (UTC) in which there is a full backup, each keeps its
//! newest. Inside the window everything stays that a second in it takes. What is not the deployment's own
//! is not in here: nobody's forged backup may make a real one superfluous.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::port::backup::BackupSummary;
use crate::text_enum;
use crate::time::Timestamp;

/// What a full backup's kind is called.
pub(crate) const FULL: &str = "full";

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const HOURS_PER_DAY: i64 = 24;
/// The first of January 1970 was a Thursday, and weeks begin on Monday.
const DAYS_TO_THURSDAY: i64 = 3;

text_enum! {
    /// Why a backup is kept.
    pub enum KeptFor {
        /// It is the newest.
        Newest => "newest",
        /// It is the newest of its hour.
        Hourly => "hourly",
        /// It is the newest of its day.
        Daily => "daily",
        /// It is the newest of its week.
        Weekly => "weekly",
        /// It is the newest of its month.
        Monthly => "monthly",
        /// A second of the window takes it.
        Window => "window",
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    /// Of so many hours the newest full backup.
    pub hourly: u32,
    /// Of so many days.
    pub daily: u32,
    /// Of so many weeks.
    pub weekly: u32,
    /// Of so many months.
    pub monthly: u32,
    /// Any second of the last so many can be restored, if it could before.
    pub window_seconds: i64,
}

/// A backup with what it is kept for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The backup.
    pub backup: BackupSummary,
    /// What for; nothing if it goes.
    pub kept_for: BTreeSet<KeptFor>,
}

/// Judges every backup of a deployment, oldest first.
pub fn judge(rules: &RetentionRules, stock: Vec<BackupSummary>, now: Timestamp) -> Vec<Fate> {
    let mut backups: Vec<Fate> = stock
        .into_iter()
        .map(|backup| Fate {
            backup,
            kept_for: BTreeSet::new(),
        })
        .collect();
    backups.sort_by_key(|fate| (fate.backup.revision, fate.backup.id));
    keep_newest(&mut backups);
    for (kind, number) in [
        (KeptFor::Hourly, rules.hourly),
        (KeptFor::Daily, rules.daily),
        (KeptFor::Weekly, rules.weekly),
        (KeptFor::Monthly, rules.monthly),
    ] {
        keep_of_periods(&mut backups, kind, number as usize);
    }
    keep_window(&mut backups, now.plus_seconds(-rules.window_seconds));
    backups
}

/// Whether it is a full backup.
pub(crate) fn is_full(backup: &BackupSummary) -> bool {
    backup.kind == FULL
}

fn keep_newest(backups: &mut [Fate]) {
    for full in [true, false] {
        let newest = backups.iter_mut().rev();
        let mut newest = newest.filter(|fate| is_full(&fate.backup) == full);
        // The newest segment is what the next one follows on.
        if let Some(fate) = newest.next() {
            fate.kept_for.insert(KeptFor::Newest);
        }
    }
}

fn keep_of_periods(backups: &mut [Fate], kind: KeptFor, number: usize) {
    let mut newest: BTreeMap<i64, usize> = BTreeMap::new();
    for (place, fate) in backups.iter().enumerate() {
        if is_full(&fate.backup) {
            newest.insert(period(kind, fate.backup.committed_at), place);
        }
    }
    for place in newest.into_values().rev().take(number) {
        if let Some(fate) = backups.get_mut(place) {
            fate.kept_for.insert(kind);
        }
    }
}

/// The number of the hour, day, week or month that an instant is in.
fn period(kind: KeptFor, at: Timestamp) -> i64 {
    let hour = at.as_micros().div_euclid(MICROS_PER_HOUR);
    let day = hour.div_euclid(HOURS_PER_DAY);
    match kind {
        KeptFor::Daily => day,
        KeptFor::Weekly => (day + DAYS_TO_THURSDAY).div_euclid(7),
        KeptFor::Monthly => at.month(),
        _ => hour,
    }
}

/// Keeps the full backup before the window, every segment behind it, and where segments have a gap
/// every full backup that nothing else leads to.
fn keep_window(backups: &mut [Fate], begins: Timestamp) {
    let full = |fate: &&Fate| is_full(&fate.backup);
    let mut before = backups.iter().rev().filter(full);
    let anchor = before.find(|fate| fate.backup.committed_at <= begins);
    // A window that reaches further back than the oldest begins with it.
    let Some(anchor) = anchor.or_else(|| backups.iter().find(full)) else {
        return;
    };
    let (id, from) = (anchor.backup.id, anchor.backup.revision);
    let mut segments: Vec<(Uuid, i64, i64)> = backups
        .iter()
        .filter(|fate| !is_full(&fate.backup) && fate.backup.revision > from)
        .map(|fate| &fate.backup)
        .map(|it| (it.id, it.from_revision, it.revision))
        .collect();
    // Not by their ids: several nodes may make segments at once, each by its own clock.
    segments.sort_unstable_by_key(|(_, from, to)| (*from, *to));
    let mut reached = led_to(&segments, from);
    for fate in backups.iter_mut() {
        let backup = &fate.backup;
        let is_behind = backup.revision > from;
        let is_needed = match is_full(backup) {
            true if is_behind && backup.revision > reached => {
                reached = led_to(&segments, backup.revision);
                true
            }
            true => backup.id == id,
            false => is_behind,
        };
        if is_needed {
            fate.kept_for.insert(KeptFor::Window);
        }
    }
}

/// Up to which revision segments lead from another one without a gap.
fn led_to(segments: &[(Uuid, i64, i64)], from: i64) -> i64 {
    let mut reached = from;
    for (_, after, revision) in segments {
        if *after <= reached && *revision > reached {
            reached = *revision;
        }
    }
    reached
}
