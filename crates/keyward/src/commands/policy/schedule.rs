//! A schedule from the command line, laid over the one that a policy has.

use clap::Args;
use keyward_api::policy::{RotationSchedule, ScheduleTrigger};

use crate::exit::Failure;

/// What removes a time of day, or all windows of a kind.
const NONE: &str = "none";

/// A calendar: of a period or a cron expression. The rules: docs/rotation-calendar.md.
#[derive(Args, Debug, Default)]
pub struct ScheduleArgs {
    /// By a calendar, once a period: P90D, P2W, P1M, PT12H
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["cron", "every_days"])]
    every: Option<String>,
    /// At this time of day, like 02:00; 'none' for the time at which the policy was made
    #[arg(long, value_name = "TIME", conflicts_with_all = ["cron", "every_days"])]
    at: Option<String>,
    /// By a calendar, at the times that five fields name, like '0 2 * * MON'
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every_days")]
    cron: Option<String>,
    /// On the wall clock of this time zone, like Europe/Amsterdam [default: UTC]
    #[arg(long, value_name = "ZONE", conflicts_with = "every_days")]
    zone: Option<String>,
    /// Spread the keys over so many seconds after a date
    #[arg(long, value_name = "SECONDS", conflicts_with = "every_days")]
    jitter_seconds: Option<u32>,
    /// Never inside this window, like 'Mon-Fri 09:00-17:00' or '12-20/01-05'; may be given again; replaces those
    /// before, 'none' removes them
    #[arg(long, value_name = "WINDOW", conflicts_with = "every_days")]
    blackout: Vec<String>,
    /// Never outside this window; may be given again; replaces those before, 'none' removes them
    #[arg(long, value_name = "WINDOW", conflicts_with = "every_days")]
    maintenance: Vec<String>,
}

impl ScheduleArgs {
    /// Whether nothing of a schedule was said.
    pub fn is_empty(&self) -> bool {
        let texts = [&self.every, &self.at, &self.cron, &self.zone];
        texts.iter().all(|text| text.is_none())
            && self.jitter_seconds.is_none()
            && self.blackout.is_empty()
            && self.maintenance.is_empty()
    }

    /// What was said, over what there is: what was not said stays.
    pub fn over(self, base: Option<RotationSchedule>) -> Result<RotationSchedule, Failure> {
        let (trigger, base) = match base {
            Some(base) => (Some(base.trigger.clone()), Some(base)),
            None => (None, None),
        };
        let trigger = match (self.cron, self.every, self.at, trigger) {
            (Some(expression), ..) => ScheduleTrigger::Cron { expression },
            (None, Some(period), at, trigger) => {
                let before = match trigger {
                    Some(ScheduleTrigger::Every { at, .. }) => at,
                    _ => None,
                };
                let at = time_over(at, before);
                ScheduleTrigger::Every { period, at }
            }
            (None, None, at, Some(ScheduleTrigger::Every { period, at: before })) => {
                let at = time_over(at, before);
                ScheduleTrigger::Every { period, at }
            }
            (None, None, None, Some(cron)) => cron,
            (None, None, Some(_), Some(_)) => {
                let why =
                    "a cron expression names its own time of day: change --cron, or say --every";
                return Err(Failure::usage(why));
            }
            (None, None, _, None) => {
                let why = "say --every or --cron: without one of them there is no calendar";
                return Err(Failure::usage(why));
            }
        };
        let base = base.unwrap_or_else(|| RotationSchedule {
            trigger: trigger.clone(),
            zone: "UTC".to_owned(),
            jitter_seconds: 0,
            blackouts: Vec::new(),
            maintenance: Vec::new(),
        });
        Ok(RotationSchedule {
            trigger,
            zone: self.zone.unwrap_or(base.zone),
            jitter_seconds: self.jitter_seconds.unwrap_or(base.jitter_seconds),
            blackouts: windows_over(self.blackout, base.blackouts),
            maintenance: windows_over(self.maintenance, base.maintenance),
        })
    }
}

fn time_over(said: Option<String>, before: Option<String>) -> Option<String> {
    match said {
        Some(none) if none == NONE => None,
        Some(at) => Some(at),
        None => before,
    }
}

fn windows_over(said: Vec<String>, before: Vec<String>) -> Vec<String> {
    match said.as_slice() {
        [] => before,
        [none] if none == NONE => Vec::new(),
        _ => said,
    }
}

/// A schedule in one line.
pub fn in_words(schedule: &RotationSchedule) -> String {
    let mut words = vec![match &schedule.trigger {
        ScheduleTrigger::Every { period, at: None } => format!("every {period}"),
        ScheduleTrigger::Every {
            period,
            at: Some(at),
        } => format!("every {period} at {at}"),
        ScheduleTrigger::Cron { expression } => format!("cron {expression}"),
    }];
    words.push(schedule.zone.clone());
    if schedule.jitter_seconds > 0 {
        words.push(format!("spread over {} s", schedule.jitter_seconds));
    }
    if !schedule.blackouts.is_empty() {
        words.push(format!("not in {}", schedule.blackouts.join(", ")));
    }
    if !schedule.maintenance.is_empty() {
        words.push(format!("only in {}", schedule.maintenance.join(", ")));
    }
    words.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn base() -> RotationSchedule {
        RotationSchedule {
            trigger: ScheduleTrigger::Every {
                period: "P90D".to_owned(),
                at: Some("02:00".to_owned()),
            },
            zone: "Europe/Amsterdam".to_owned(),
            jitter_seconds: 60,
            blackouts: vec!["12-20/01-05".to_owned()],
            maintenance: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_said_stays() {
        let every = ScheduleArgs {
            every: Some("P30D".to_owned()),
            ..ScheduleArgs::default()
        };
        let changed = every.over(Some(base())).unwrap();
        let line = "every P30D at 02:00, Europe/Amsterdam, spread over 60 s, not in 12-20/01-05";
        assert_eq!(in_words(&changed), line);
        let bare = ScheduleArgs {
            every: Some("PT12H".to_owned()),
            at: Some("none".to_owned()),
            zone: Some("UTC".to_owned()),
            jitter_seconds: Some(0),
            blackout: vec!["none".to_owned()],
            maintenance: vec!["Sat 01:00-05:00".to_owned()],
            ..ScheduleArgs::default()
        };
        let changed = bare.over(Some(base())).unwrap();
        assert_eq!(
            in_words(&changed),
            "every PT12H, UTC, only in Sat 01:00-05:00"
        );
    }

    #[test]
    fn a_cron_expression_replaces_a_period_and_its_time() {
        let cron = || ScheduleArgs {
            cron: Some("0 2 * * MON".to_owned()),
            ..ScheduleArgs::default()
        };
        let changed = cron().over(Some(base())).unwrap();
        assert!(in_words(&changed).starts_with("cron 0 2 * * MON, Europe/Amsterdam"));
        assert_eq!(
            in_words(&cron().over(None).unwrap()),
            "cron 0 2 * * MON, UTC"
        );
        let at = || ScheduleArgs {
            at: Some("03:00".to_owned()),
            ..ScheduleArgs::default()
        };
        assert!(at().over(Some(changed)).is_err());
        assert!(at().over(None).is_err());
        assert!(in_words(&at().over(Some(base())).unwrap()).contains("at 03:00"));
    }
}
