//! A time of day on a wall clock, to the minute.

use std::fmt;
use std::str::FromStr;

use super::fault::{ScheduleFault, serde_as_text};

/// A time of day, to the minute, `HH:MM`: what a wall clock in the schedule's zone shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// When a day begins.
    pub const MIDNIGHT: Self = Self(0);

    /// The hour, 0 to 23.
    pub const fn hour(self) -> u8 {
        (self.0 / 60) as u8
    }

    /// The minute, 0 to 59.
    pub const fn minute(self) -> u8 {
        (self.0 % 60) as u8
    }

    /// As the calendar's library has it.
    pub(super) fn civil(self) -> jiff::civil::Time {
        // In range by construction; midnight would be a wrong time but never a panic.
        jiff::civil::Time::new(self.hour() as i8, self.minute() as i8, 0, 0).unwrap_or_default()
    }
}

impl FromStr for TimeOfDay {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let malformed = ScheduleFault::TimeText;
        let (hour, minute) = text.split_once(':').ok_or(malformed)?;
        let hour = two_digits(hour)
            .filter(|hour| *hour < 24)
            .ok_or(malformed)?;
        let minute = two_digits(minute)
            .filter(|minute| *minute < 60)
            .ok_or(malformed)?;
        Ok(Self(u16::from(hour) * 60 + u16::from(minute)))
    }
}

/// The number that two digits say.
pub(super) fn two_digits(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

serde_as_text!(TimeOfDay);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_two_digits_and_two_digits() {
        for text in ["00:00", "02:00", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "2:00",
            "24:00",
            "02:60",
            "02:00:00",
            "+2:00",
            "02.00",
            "٠٢:٠٠",
        ] {
            assert_eq!(
                text.parse::<TimeOfDay>(),
                Err(ScheduleFault::TimeText),
                "{text}"
            );
        }
    }
}
