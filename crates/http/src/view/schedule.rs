//! A policy's schedule: from the wire, each part named if it is wrong, and back.

use std::str::FromStr;

use keyward_api::policy::{RotationSchedule, ScheduleTrigger};
use keyward_core::error::OpError;
use keyward_core::rotation::{Schedule, ScheduleFault, ScheduleField, TimeTrigger, Window};

use crate::problem::Failure;

/// Reads a schedule. Whether it can be followed is checked by the operation that keeps it.
pub fn read(given: &RotationSchedule) -> Result<Schedule, Failure> {
    Ok(Schedule {
        trigger: match &given.trigger {
            ScheduleTrigger::Every { period, at } => TimeTrigger::Every {
                period: part(ScheduleField::Period, period)?,
                at: match at {
                    Some(at) => Some(part(ScheduleField::At, at)?),
                    None => None,
                },
            },
            ScheduleTrigger::Cron { expression } => TimeTrigger::Cron {
                expression: part(ScheduleField::Cron, expression)?,
            },
        },
        zone: part(ScheduleField::Zone, &given.zone)?,
        jitter_seconds: given.jitter_seconds,
        blackouts: windows(ScheduleField::Blackouts, &given.blackouts)?,
        maintenance: windows(ScheduleField::Maintenance, &given.maintenance)?,
    })
}

fn windows(field: ScheduleField, texts: &[String]) -> Result<Vec<Window>, Failure> {
    texts.iter().map(|text| part(field, text)).collect()
}

fn part<T: FromStr<Err = ScheduleFault>>(field: ScheduleField, text: &str) -> Result<T, Failure> {
    let read = text.parse::<T>();
    read.map_err(|fault| OpError::from(fault.within(field)).into())
}

/// Shows a schedule.
pub fn shown(schedule: &Schedule) -> RotationSchedule {
    RotationSchedule {
        trigger: match &schedule.trigger {
            TimeTrigger::Every { period, at } => ScheduleTrigger::Every {
                period: period.to_string(),
                at: at.map(|at| at.to_string()),
            },
            TimeTrigger::Cron { expression } => ScheduleTrigger::Cron {
                expression: expression.to_string(),
            },
        },
        zone: schedule.zone.to_string(),
        jitter_seconds: schedule.jitter_seconds,
        blackouts: schedule.blackouts.iter().map(ToString::to_string).collect(),
        maintenance: schedule
            .maintenance
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}
