//! Windows: stretches of wall-clock time that come every week, every year, or once.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};

use super::fault::{ScheduleFault, serde_as_text};
use super::time_of_day::{TimeOfDay, two_digits};
use super::zone::Zone;
use crate::time::Timestamp;

/// A stretch of wall-clock time in the schedule's zone. It begins with its first instant and ends before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// `Mon-Fri 09:00-17:00`: on each of these days; past midnight if it does not end later than it begins.
    Weekly {
        /// The days on which it begins.
        days: DaySet,
        /// When it begins.
        from: TimeOfDay,
        /// When it ends; no later than `from` means the next day.
        to: TimeOfDay,
    },
    /// `12-20/01-05`: whole days of every year, the first and the last included.
    Yearly {
        /// The first day.
        from: MonthDay,
        /// The last day, of the next year if it is before the first.
        to: MonthDay,
    },
    /// `2027-03-01T00:00/2027-03-08T12:00`: once.
    Once {
        /// When it begins.
        from: LocalMinute,
        /// When it ends, later.
        to: LocalMinute,
    },
}

impl FromStr for Window {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let malformed = ScheduleFault::WindowText;
        if let Some((from, to)) = text.split_once('/') {
            if let (Some(from), Some(to)) = (MonthDay::read(from), MonthDay::read(to)) {
                return Ok(Self::Yearly { from, to });
            }
            let from = LocalMinute::read(from).ok_or(malformed)?;
            let to = LocalMinute::read(to).ok_or(malformed)?;
            if to.0 <= from.0 {
                return Err(ScheduleFault::WindowBackwards);
            }
            return Ok(Self::Once { from, to });
        }
        let (days, times) = text.split_once(' ').ok_or(malformed)?;
        let (from, to) = times.split_once('-').ok_or(malformed)?;
        let to = if to == "24:00" { "00:00" } else { to };
        Ok(Self::Weekly {
            days: DaySet::read(days).ok_or(malformed)?,
            from: from.parse().map_err(|_| malformed)?,
            to: to.parse().map_err(|_| malformed)?,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly { days, from, to } if *to == TimeOfDay::MIDNIGHT => {
                write!(f, "{days} {from}-24:00")
            }
            Self::Weekly { days, from, to } => write!(f, "{days} {from}-{to}"),
            Self::Yearly { from, to } => write!(f, "{from}/{to}"),
            Self::Once { from, to } => write!(f, "{from}/{to}"),
        }
    }
}

serde_as_text!(Window);

/// Days of the week, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySet(u8);

/// From Monday: the names, in the order of the bits.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl DaySet {
    /// Every day.
    pub const DAILY: Self = Self(0b111_1111);

    /// `daily`, or days and ranges of days with commas: `Mon-Wed,Sat`. `Fri-Mon` is four days.
    fn read(text: &str) -> Option<Self> {
        if text == "daily" {
            return Some(Self::DAILY);
        }
        let number = |name: &str| DAYS.iter().position(|day| *day == name);
        let mut bits = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|offset| bits |= 1 << ((first + offset) % 7));
        }
        Some(Self(bits))
    }

    fn has(self, day: Weekday) -> bool {
        self.has_number(day.to_monday_zero_offset() as usize)
    }

    const fn has_number(self, number: usize) -> bool {
        number < 7 && self.0 & (1 << number) != 0
    }
}

impl fmt::Display for DaySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::DAILY {
            return f.write_str("daily");
        }
        let mut comma = "";
        let mut number = 0;
        while number < 7 {
            let length = (number..7).take_while(|day| self.has_number(*day)).count();
            let day = |number: usize| DAYS.get(number).copied().unwrap_or_default();
            match length {
                0 => {}
                1 => write!(f, "{comma}{}", day(number))?,
                2 => write!(f, "{comma}{},{}", day(number), day(number + 1))?,
                _ => write!(f, "{comma}{}-{}", day(number), day(number + length - 1))?,
            }
            if length > 0 {
                comma = ",";
            }
            number += length.max(1);
        }
        Ok(())
    }
}

/// A day of every year, `MM-DD`. 29 February is 28 February where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    fn read(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let (month, day) = (two_digits(month)? as i8, two_digits(day)? as i8);
        // A leap year, so that it may be any day.
        Date::new(2000, month, day)
            .ok()
            .map(|_| Self { month, day })
    }

    fn in_year(self, year: i16) -> Option<Date> {
        let first = Date::new(year, self.month, 1).ok()?;
        Date::new(year, self.month, self.day.min(first.days_in_month())).ok()
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

/// A day and a time of day on the wall clock, `YYYY-MM-DDTHH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalMinute(DateTime);

impl LocalMinute {
    fn read(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let (year, day) = date.split_once('-')?;
        if year.len() != 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (month, day) = day.split_once('-')?;
        let date = Date::new(
            year.parse().ok()?,
            two_digits(month)? as i8,
            two_digits(day)? as i8,
        )
        .ok()?;
        Some(Self(
            date.to_datetime(time.parse::<TimeOfDay>().ok()?.civil()),
        ))
    }
}

impl fmt::Display for LocalMinute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.0;
        write!(
            f,
            "{:04}-{:02}-{:02}",
            local.year(),
            local.month(),
            local.day()
        )?;
        write!(f, "T{:02}:{:02}", local.hour(), local.minute())
    }
}

/// One time that a window comes: from its first instant to the first one after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) begin: Timestamp,
    pub(super) end: Timestamp,
}

/// The times that a window comes, in order, from before an instant on.
pub(super) struct Spans<'a> {
    window: &'a Window,
    zone: &'a Zone,
    next: Option<Date>,
    current: Option<Span>,
}

impl<'a> Spans<'a> {
    /// Those that end after an instant whose local date is given.
    pub(super) fn new(window: &'a Window, zone: &'a Zone, today: Date) -> Self {
        let first = match window {
            // A day has a day's length, except where a zone has gone round the date line.
            Window::Weekly { .. } => (0..3).fold(today, |date, _| date.yesterday().unwrap_or(date)),
            Window::Yearly { .. } => {
                Date::new(today.year().saturating_sub(2).max(-9999), 1, 1).unwrap_or(today)
            }
            Window::Once { .. } => today,
        };
        let mut spans = Self {
            window,
            zone,
            next: Some(first),
            current: None,
        };
        spans.advance();
        spans
    }

    /// The first that ends after an instant; none: it never comes again.
    pub(super) fn seek(&mut self, instant: Timestamp) -> Option<Span> {
        while self.current.is_some_and(|span| span.end <= instant) {
            self.advance();
        }
        self.current
    }

    /// The next one that is not empty: one that lies in a gap whole does not come.
    fn advance(&mut self) {
        self.current = None;
        while let Some(date) = self.next {
            self.next = match self.window {
                Window::Weekly { .. } => date.tomorrow().ok(),
                Window::Yearly { .. } => Date::new(date.year().saturating_add(1), 1, 1).ok(),
                Window::Once { .. } => None,
            };
            let Some((from, to)) = self.local_span(date) else {
                continue;
            };
            let span = self.zone.instant(from).zip(self.zone.instant(to));
            if let Some((begin, end)) = span.filter(|(begin, end)| begin < end) {
                self.current = Some(Span { begin, end });
                return;
            }
        }
    }

    fn local_span(&self, date: Date) -> Option<(DateTime, DateTime)> {
        match self.window {
            Window::Weekly { days, from, to } => {
                let last = if to <= from {
                    date.tomorrow().ok()?
                } else {
                    date
                };
                let span = (date.to_datetime(from.civil()), last.to_datetime(to.civil()));
                days.has(date.weekday()).then_some(span)
            }
            Window::Yearly { from, to } => {
                let year = date.year();
                let last = to.in_year(if to < from {
                    year.checked_add(1)?
                } else {
                    year
                })?;
                let midnight = |date: Date| date.to_datetime(TimeOfDay::MIDNIGHT.civil());
                Some((
                    midnight(from.in_year(year)?),
                    midnight(last.tomorrow().ok()?),
                ))
            }
            Window::Once { from, to } => Some((from.0, to.0)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        for (text, canonical) in [
            ("Mon-Fri 09:00-17:00", "Mon-Fri 09:00-17:00"),
            ("daily 22:00-06:00", "daily 22:00-06:00"),
            ("Mon-Sun 00:00-24:00", "daily 00:00-24:00"),
            ("Sat,Sun 00:00-00:00", "Sat,Sun 00:00-24:00"),
            ("Fri-Mon 20:00-22:00", "Mon,Fri-Sun 20:00-22:00"),
            ("Wed,Mon,Mon 20:00-22:00", "Mon,Wed 20:00-22:00"),
            ("12-20/01-05", "12-20/01-05"),
            ("02-29/02-29", "02-29/02-29"),
            (
                "2027-03-01T00:00/2027-03-08T12:00",
                "2027-03-01T00:00/2027-03-08T12:00",
            ),
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), canonical);
            assert_eq!(canonical.parse::<Window>().unwrap(), window);
        }
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "daily",
            "09:00-17:00",
            " 09:00-17:00",
            "mon 09:00-17:00",
            "Mon- 09:00-17:00",
            "Mon 24:00-01:00",
            "Mon 9-17",
            "Mon, 09:00-17:00",
            "02-30/03-01",
            "13-01/13-02",
            "12-20",
            "12-20/2027-01-05T00:00",
            "2027-02-29T00:00/2027-03-01T00:00",
            "2027-03-01/2027-03-02",
            "+027-03-01T00:00/2027-03-08T12:00",
            "Mon  09:00-17:00",
            "daily 09:00-17:00 ",
        ] {
            assert_eq!(
                text.parse::<Window>(),
                Err(ScheduleFault::WindowText),
                "{text}"
            );
        }
        let backwards = "2027-03-08T12:00/2027-03-08T12:00".parse::<Window>();
        assert_eq!(backwards, Err(ScheduleFault::WindowBackwards));
    }
}
