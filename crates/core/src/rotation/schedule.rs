//! A schedule: what plans its dates, and what moves them.

use jiff::Span;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::cron::CronExpression;
use super::fault::{ScheduleError, ScheduleFault, ScheduleField};
use super::jitter;
use super::opening::Opening;
use super::period::Period;
use super::time_of_day::TimeOfDay;
use super::window::Window;
use super::zone::{Zone, ZoneName};
use crate::ids::KeyId;
use crate::text_enum;
use crate::time::Timestamp;

/// A schedule has at most so many windows of each kind.
pub const MAX_WINDOWS: usize = 32;
/// At most so many dates are listed at once.
pub const MAX_COUNT: usize = 1_000;
/// Keys are spread over a week at most.
pub const MAX_JITTER_SECONDS: u32 = 7 * 86_400;

/// When the keys of a policy are due. Stored as JSON text in the registry, shown as the API's object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What plans the dates.
    pub trigger: TimeTrigger,
    /// Whose wall clock: of the time of day, the cron expression and the windows.
    #[serde(default)]
    pub zone: ZoneName,
    /// Keys are spread over so many seconds after a date.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// Nothing is due inside these.
    #[serde(default)]
    pub blackouts: Vec<Window>,
    /// Where there are some, nothing is due outside these.
    #[serde(default)]
    pub maintenance: Vec<Window>,
}

/// What plans the dates of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TimeTrigger {
    /// Once a period, counted from the anchor.
    Every {
        /// How long.
        period: Period,
        /// At what time of day; the anchor's own if none is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<TimeOfDay>,
    },
    /// At the times that an expression names.
    Cron {
        /// Which.
        expression: CronExpression,
    },
}

text_enum! {
    /// What moved a date last.
    pub enum Moved {
        /// To the end of a blackout window.
        Blackout => "blackout",
        /// To the beginning of a maintenance window.
        Maintenance => "maintenance",
    }
}

/// A due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The date by the calendar alone: what tells one rotation from the next.
    pub planned: Timestamp,
    /// When it is due: after blackouts, maintenance windows and jitter. Never before `planned`.
    pub at: Timestamp,
    /// What moved it, beside the jitter.
    pub moved_by: Option<Moved>,
}

impl Schedule {
    /// Refuses what can never be due, what is due more often than each hour, and what is not well said.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let zone = self.zone()?;
        let between = self.trigger.check()?;
        let jitter = self.jitter_seconds;
        if jitter > MAX_JITTER_SECONDS || u64::from(jitter) > between {
            return Err(ScheduleFault::JitterTooLong.within(ScheduleField::Jitter));
        }
        for (field, windows) in [
            (ScheduleField::Blackouts, &self.blackouts),
            (ScheduleField::Maintenance, &self.maintenance),
        ] {
            if windows.len() > MAX_WINDOWS {
                return Err(ScheduleFault::TooManyWindows.within(field));
            }
        }
        self.check_openings(&zone)
    }

    /// The first due date that is planned after `after`, counted from `anchor` and never from the date before, so that
    /// dates do not drift. Nothing is planned at the anchor or before it. None: never.
    ///
    /// Given the last rotation, it is the one that a key waits for: in the past if a server slept, and then only one.
    pub fn next_after(
        &self,
        anchor: Timestamp,
        after: Timestamp,
    ) -> Result<Option<Due>, ScheduleError> {
        self.next(anchor, after, None)
    }

    /// The same for one key: with its jitter, which depends on the key's id and the planned date alone.
    pub fn next_of_key(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        key: KeyId,
    ) -> Result<Option<Due>, ScheduleError> {
        self.next(anchor, after, Some(key))
    }

    /// The next dates without jitter, each planned after the one before was due: what a key that is rotated in time
    /// goes through. Fewer than `count` if the calendar ends.
    pub fn dates(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        count: usize,
    ) -> Result<Vec<Due>, ScheduleError> {
        if count > MAX_COUNT {
            return Err(ScheduleFault::CountTooLarge.within(ScheduleField::Count));
        }
        let mut dates: Vec<Due> = Vec::new();
        while dates.len() < count {
            let after = dates.last().map_or(after, |due| due.at);
            match self.next_after(anchor, after)? {
                Some(due) => dates.push(due),
                None => break,
            }
        }
        Ok(dates)
    }

    /// The first instant from this one on at which the windows let something happen: what is overdue when a server
    /// wakes inside a blackout waits for it.
    pub fn opens_at(&self, instant: Timestamp) -> Result<Timestamp, ScheduleError> {
        let zone = self.zone()?;
        let opening = self.opening(&zone);
        opening
            .first(instant)
            .map(|(at, _)| at)
            .map_err(|fault| self.in_windows(fault))
    }

    fn next(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        key: Option<KeyId>,
    ) -> Result<Option<Due>, ScheduleError> {
        let zone = self.zone()?;
        let planned = (self.trigger).planned(&zone, anchor, after.max(anchor));
        let Some(planned) = planned.map_err(|fault| fault.within(ScheduleField::Time))? else {
            return Ok(None);
        };
        let opening = self.opening(&zone);
        let due = || {
            let (at, moved_by) = opening.first(planned)?;
            // The jitter stays in what is open: else a short maintenance window would send most keys to the next.
            let jitter = match key.filter(|_| self.jitter_seconds > 0) {
                Some(key) => {
                    jitter::seconds(key, planned, opening.open_seconds(at, self.jitter_seconds)?)
                }
                None => 0,
            };
            Ok(Due {
                planned,
                at: at.plus_seconds(jitter),
                moved_by,
            })
        };
        due().map(Some).map_err(|fault| self.in_windows(fault))
    }

    fn zone(&self) -> Result<Zone, ScheduleError> {
        self.zone
            .zone()
            .map_err(|fault| fault.within(ScheduleField::Zone))
    }

    fn opening<'a>(&'a self, zone: &'a Zone) -> Opening<'a> {
        Opening {
            zone,
            blackouts: &self.blackouts,
            maintenance: &self.maintenance,
        }
    }

    /// What comes every week and every year must leave something open; what comes once may close a month or a year.
    fn check_openings(&self, zone: &Zone) -> Result<(), ScheduleError> {
        let again = |window: &&Window| !matches!(window, Window::Once { .. });
        let blackouts: Vec<Window> = self.blackouts.iter().filter(again).copied().collect();
        if !self.maintenance.iter().all(|window| again(&window)) {
            return Ok(());
        }
        let opening = Opening {
            zone,
            blackouts: &blackouts,
            maintenance: &self.maintenance,
        };
        // Any year will do, 2001 as well as another.
        let from = Timestamp::from_micros(978_307_200_000_000);
        opening
            .first(from)
            .map_err(|fault| self.in_windows(fault))
            .map(|_| ())
    }

    fn in_windows(&self, fault: ScheduleFault) -> ScheduleError {
        match fault {
            ScheduleFault::OutOfRange => fault.within(ScheduleField::Time),
            _ if self.maintenance.is_empty() => fault.within(ScheduleField::Blackouts),
            _ => fault.within(ScheduleField::Maintenance),
        }
    }
}

impl TimeTrigger {
    /// The least that lies between two dates, in seconds.
    fn check(&self) -> Result<u64, ScheduleError> {
        match self {
            Self::Every { period, at } if at.is_some() && period.seconds() > 0 => {
                Err(ScheduleFault::TimeWithHours.within(ScheduleField::At))
            }
            Self::Every { period, .. } => Ok(period.shortest_seconds()),
            Self::Cron { expression } => {
                let checked = expression
                    .check()
                    .map_err(|fault| fault.within(ScheduleField::Cron));
                checked.map(|()| expression.shortest_seconds())
            }
        }
    }

    /// The first planned date after an instant that is not before the anchor; none: the calendar ends.
    fn planned(
        &self,
        zone: &Zone,
        anchor: Timestamp,
        after: Timestamp,
    ) -> Result<Option<Timestamp>, ScheduleFault> {
        match self {
            Self::Every { period, at } => {
                let local = zone.local(anchor).ok_or(ScheduleFault::OutOfRange)?;
                let local = at.map_or(local, |at| local.date().to_datetime(at.civil()));
                let dates = Dates {
                    zone,
                    local,
                    period: *period,
                    exact: at.is_none().then_some(anchor),
                };
                Ok(dates.first_after(anchor, after))
            }
            Self::Cron { expression } => {
                let mut local = zone.local(after).ok_or(ScheduleFault::OutOfRange)?;
                // Inside an hour that comes twice the first few are over already: a date is its first coming. No zone
                // has turned its clocks back by more than a day, and there is one date an hour.
                for _ in 0..MAX_REPEATED {
                    let Some(next) = expression.next_local(local) else {
                        return Ok(None);
                    };
                    match zone.instant(next) {
                        Some(instant) if instant > after => return Ok(Some(instant)),
                        Some(_) => local = next,
                        None => return Ok(None),
                    }
                }
                Ok(None)
            }
        }
    }
}

/// More dates than a day that comes twice has.
const MAX_REPEATED: usize = 64;

/// The dates of a period, by their number from the anchor.
struct Dates<'a> {
    zone: &'a Zone,
    /// The anchor on the wall clock, at the time of day of the dates.
    local: DateTime,
    period: Period,
    /// The anchor itself, where the dates have its time of day.
    exact: Option<Timestamp>,
}

impl Dates<'_> {
    /// The date `number` periods after the anchor; none beyond the calendar.
    fn date(&self, number: u64) -> Option<Timestamp> {
        let number = i64::try_from(number).ok()?;
        let times = |part: u32| number.checked_mul(i64::from(part));
        let (months, days) = (times(self.period.months())?, times(self.period.days())?);
        let whole = match self.exact {
            // Hours alone are exact: no wall clock takes part.
            Some(anchor) if months == 0 && days == 0 => anchor,
            _ => {
                let span = Span::new().try_months(months).ok()?.try_days(days).ok()?;
                self.zone.instant(self.local.checked_add(span).ok()?)?
            }
        };
        let micros = times(self.period.seconds())?.checked_mul(1_000_000)?;
        let date = Timestamp::from_micros(whole.as_micros().checked_add(micros)?);
        self.zone.local(date).map(|_| date)
    }

    /// The first date after an instant. Dates never go backwards with their number, so it is found by halving.
    fn first_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let elapsed = u64::try_from(after.seconds_since(anchor)).unwrap_or(0);
        // Beyond it for sure: some days are short, and one zone or other has left one out.
        let mut beyond = (elapsed / self.period.shortest_seconds().max(1)).saturating_add(64);
        let mut first = 1;
        while first < beyond {
            let middle = first + (beyond - first) / 2;
            if self.date(middle).is_none_or(|date| date > after) {
                beyond = middle;
            } else {
                first = middle + 1;
            }
        }
        self.date(first).filter(|date| *date > after)
    }
}

#[cfg(test)]
mod tests;
