//! How long from one rotation to the next: an ISO 8601 duration.

use std::fmt;
use std::str::FromStr;

use super::fault::{ScheduleFault, serde_as_text};

/// An ISO 8601 duration from one hour to ten years: months, days, and exact time, which are three different things.
///
/// A month is as long as the month it falls in, a day may have 23 or 25 hours, an hour is an hour. One value has one
/// text: `P12M` is written `P1Y`, and `P2W` is `P14D`; `PT24H` is not `P1D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    days: u32,
    seconds: u32,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// A twelfth of a year of 365.25 days.
const MONTH: u64 = 2_629_800;
/// Ten years, three of them leap years.
const LONGEST: u64 = 3_653 * DAY;
/// No text of a period is longer.
const MAX_TEXT: usize = 64;

impl Period {
    /// A number of calendar days.
    pub fn from_days(days: u32) -> Result<Self, ScheduleFault> {
        Self::checked(0, u64::from(days), 0)
    }

    /// Calendar months.
    pub const fn months(self) -> u32 {
        self.months
    }

    /// Calendar days, beside the months.
    pub const fn days(self) -> u32 {
        self.days
    }

    /// Exact seconds, beside the days.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// The least that lies between two dates of this period, in seconds: Februaries, and days that are an hour short.
    pub(super) fn shortest_seconds(self) -> u64 {
        let days = u64::from(self.months) * 28 + u64::from(self.days);
        (days * DAY).saturating_sub(if days > 0 { HOUR } else { 0 }) + u64::from(self.seconds)
    }

    fn checked(months: u64, days: u64, seconds: u64) -> Result<Self, ScheduleFault> {
        let length = (months.checked_mul(MONTH))
            .zip(days.checked_mul(DAY))
            .and_then(|(months, days)| months.checked_add(days)?.checked_add(seconds))
            .ok_or(ScheduleFault::PeriodTooLong)?;
        if length > LONGEST {
            return Err(ScheduleFault::PeriodTooLong);
        }
        if length < HOUR {
            return Err(ScheduleFault::PeriodTooShort);
        }
        let narrow = |number: u64| u32::try_from(number).map_err(|_| ScheduleFault::PeriodTooLong);
        Ok(Self {
            months: narrow(months)?,
            days: narrow(days)?,
            seconds: narrow(seconds)?,
        })
    }
}

impl FromStr for Period {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let malformed = ScheduleFault::PeriodText;
        if text.len() > MAX_TEXT {
            return Err(malformed);
        }
        let text = text.strip_prefix('P').ok_or(malformed)?;
        let (dates, times) = match text.split_once('T') {
            Some((_, "")) => return Err(malformed),
            Some((dates, times)) => (dates, times),
            None => (text, ""),
        };
        if text.is_empty() {
            return Err(malformed);
        }
        let [years, months, weeks, days] = parts(dates, ['Y', 'M', 'W', 'D'])?;
        let [hours, minutes, seconds] = parts(times, ['H', 'M', 'S'])?;
        // Each is below 2^32 and each factor below 2^12: no sum of them overflows.
        Self::checked(
            years * 12 + months,
            weeks * 7 + days,
            hours * HOUR + minutes * 60 + seconds,
        )
    }
}

/// The numbers before these letters, each at most once and in this order.
fn parts<const N: usize>(text: &str, letters: [char; N]) -> Result<[u64; N], ScheduleFault> {
    let mut numbers = [0; N];
    let mut rest = text;
    for (number, letter) in numbers.iter_mut().zip(letters) {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (head, tail) = rest.split_at(digits);
        if let Some(tail) = tail.strip_prefix(letter) {
            let value: u32 = head.parse().map_err(|_| ScheduleFault::PeriodText)?;
            *number = u64::from(value);
            rest = tail;
        }
    }
    if rest.is_empty() {
        Ok(numbers)
    } else {
        Err(ScheduleFault::PeriodText)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, number: u32, letter: char| match number {
            0 => Ok(()),
            _ => write!(f, "{number}{letter}"),
        };
        f.write_str("P")?;
        part(f, self.months / 12, 'Y')?;
        part(f, self.months % 12, 'M')?;
        part(f, self.days, 'D')?;
        if self.seconds > 0 {
            f.write_str("T")?;
            part(f, self.seconds / 3_600, 'H')?;
            part(f, self.seconds / 60 % 60, 'M')?;
            part(f, self.seconds % 60, 'S')?;
        }
        Ok(())
    }
}

serde_as_text!(Period);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        for (text, canonical) in [
            ("P90D", "P90D"),
            ("P2W", "P14D"),
            ("P1M", "P1M"),
            ("P12M", "P1Y"),
            ("P1Y6M", "P1Y6M"),
            ("PT24H", "PT24H"),
            ("PT90M", "PT1H30M"),
            ("P1DT12H", "P1DT12H"),
            ("P10Y", "P10Y"),
            ("P3653D", "P3653D"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string(), canonical);
            assert_eq!(canonical.parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn what_is_no_period_is_refused_with_the_reason() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "1D",
            "P-1D",
            "P1D2M",
            "P1D1D",
            "PT1",
            "P1.5D",
            "P1DT",
            "p1d",
            "P1H",
            " P1D",
            "P99999999999D",
            "P١D",
            "ninety days",
        ] {
            assert_eq!(
                text.parse::<Period>(),
                Err(ScheduleFault::PeriodText),
                "{text}"
            );
        }
        for text in ["PT59M", "PT3599S", "P0D", "PT0S"] {
            assert_eq!(
                text.parse::<Period>(),
                Err(ScheduleFault::PeriodTooShort),
                "{text}"
            );
        }
        for text in [
            "P10Y1M",
            "P3654D",
            "P4294967295Y",
            "PT4294967295H",
            "P4294967295W",
        ] {
            assert_eq!(
                text.parse::<Period>(),
                Err(ScheduleFault::PeriodTooLong),
                "{text}"
            );
        }
        assert_eq!(Period::from_days(30).unwrap().to_string(), "P30D");
        assert_eq!(Period::from_days(0), Err(ScheduleFault::PeriodTooShort));
    }
}
