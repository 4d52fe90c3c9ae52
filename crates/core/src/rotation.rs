//! The calendar of rotation: when a key is due. Pure arithmetic over instants, zones and windows.
//!
//! Knows nothing of keys' states, of policies or of the present: whoever asks says from where to look. The rules in
//! plain words, with examples that a test checks: docs/rotation-calendar.md.

mod cron;
mod fault;
mod jitter;
mod opening;
mod period;
mod schedule;
mod time_of_day;
mod window;
mod zone;

pub use cron::CronExpression;
pub use fault::{ScheduleError, ScheduleFault, ScheduleField};
pub use period::Period;
pub use schedule::{Due, MAX_COUNT, MAX_JITTER_SECONDS, MAX_WINDOWS, Moved, Schedule, TimeTrigger};
pub use time_of_day::TimeOfDay;
pub use window::{DaySet, MonthDay, Window};
pub use zone::ZoneName;
