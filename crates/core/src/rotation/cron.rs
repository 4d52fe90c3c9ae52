//! Cron expressions, read as wall-clock times only: which instant one is, the zone's rules say, for cron and for
//! periods alike. `croner`'s own rules for daylight saving are not used, they differ by the form of the expression.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime};

use super::fault::{ScheduleFault, serde_as_text};

/// No expression is longer.
const MAX_TEXT: usize = 128;
/// 29 February on one weekday: forty years lie between two of them where a century has no leap day.
const HORIZON_YEARS: i16 = 50;

/// A cron expression of five fields: minute, hour, day of month, month, day of week. With a day of month and a day of
/// week, either is enough, as in crontab(5). At most one date an hour.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    // Its tables are a few kilobytes, and schedules are copied.
    cron: Arc<Cron>,
}

impl CronExpression {
    /// The expression, with one space between its fields.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first local time after one that the expression names; none within fifty years is none.
    pub(super) fn next_local(&self, after: DateTime) -> Option<DateTime> {
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        (next.year() <= after.year().saturating_add(HORIZON_YEARS)).then_some(next)
    }

    /// Whether it names any date at all, and none more often than each hour.
    pub(super) fn check(&self) -> Result<(), ScheduleFault> {
        let minutes =
            (0..60).filter(|minute| self.cron.pattern.minute_match(*minute).unwrap_or(true));
        if minutes.count() > 1 {
            return Err(ScheduleFault::CronTooOften);
        }
        let from = Date::constant(2000, 1, 1).at(0, 0, 0, 0);
        self.next_local(from)
            .ok_or(ScheduleFault::CronNever)
            .map(|_| ())
    }

    /// The least that lies between two dates, in seconds: the hours that it names, on a day that is an hour short.
    pub(super) fn shortest_seconds(&self) -> u64 {
        let hours: Vec<u32> = (0..24)
            .filter(|hour| self.cron.pattern.hour_match(*hour).unwrap_or(true))
            .collect();
        let turned = hours
            .iter()
            .skip(1)
            .copied()
            .chain(hours.first().map(|hour| hour + 24));
        let between = hours
            .iter()
            .zip(turned)
            .map(|(hour, next)| next - hour)
            .min()
            .unwrap_or(24);
        u64::from(between.saturating_sub(1).max(1)) * 3_600
    }
}

impl FromStr for CronExpression {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let known =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/' | '#' | ' ');
        if text.len() > MAX_TEXT || !text.chars().all(known) {
            return Err(ScheduleFault::CronText);
        }
        let text = text
            .split(' ')
            .filter(|field| !field.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(&text).map_err(|_| ScheduleFault::CronText)?;
        Ok(Self {
            text,
            cron: Arc::new(cron),
        })
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CronExpression").field(&self.text).finish()
    }
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronExpression {}

serde_as_text!(CronExpression);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn cron(text: &str) -> CronExpression {
        text.parse().unwrap()
    }

    #[test]
    fn the_text_is_five_fields() {
        assert_eq!(cron("  0  2 * * mon ").to_string(), "0 2 * * mon");
        for text in [
            "",
            "* * * *",
            "0 0 2 * * *",
            "0 2 * * * 2030",
            "@daily",
            "60 2 * * *",
            "0 2 * * MON\n",
            "é 2 * * *",
        ] {
            assert_eq!(
                text.parse::<CronExpression>(),
                Err(ScheduleFault::CronText),
                "{text}"
            );
        }
        assert!(
            format!("0 {} * * *", "1,".repeat(70))
                .parse::<CronExpression>()
                .is_err()
        );
    }

    #[test]
    fn more_than_hourly_and_never_are_refused() {
        for text in [
            "0 * * * *",
            "30 2 * * *",
            "0 */6 * * 1-5",
            "0 0 29 2 MON",
            "0 3 L * *",
            "0 3 * * 5#2",
        ] {
            assert_eq!(cron(text).check(), Ok(()), "{text}");
        }
        for text in ["* * * * *", "*/30 2 * * *", "0,1 0 1 1 *"] {
            assert_eq!(
                cron(text).check(),
                Err(ScheduleFault::CronTooOften),
                "{text}"
            );
        }
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert_eq!(cron(text).check(), Err(ScheduleFault::CronNever), "{text}");
        }
    }

    #[test]
    fn the_distance_between_two_dates() {
        for (text, hours) in [
            ("0 2 * * *", 23),
            ("0 * * * *", 1),
            ("0 */6 * * *", 5),
            ("0 1,23 * * *", 1),
        ] {
            assert_eq!(cron(text).shortest_seconds(), hours * 3_600, "{text}");
        }
    }
}
