//! What can be wrong with a schedule, and in which of its fields.

use crate::error::OpError;
use crate::text_enum;

text_enum! {
    /// The part of a schedule that a fault is in, named as the API names it.
    pub enum ScheduleField {
        /// How long from one date to the next.
        Period => "period",
        /// The time of day.
        At => "at",
        /// The cron expression.
        Cron => "cron",
        /// The time zone.
        Zone => "zone",
        /// How far keys are spread.
        Jitter => "jitter_seconds",
        /// When nothing is due.
        Blackouts => "blackouts",
        /// The only times at which something is due.
        Maintenance => "maintenance",
        /// How many dates were asked for.
        Count => "count",
        /// The instants that were asked about.
        Time => "time",
    }
}

/// What is wrong with it, and what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleFault {
    /// Not a duration that a period can be.
    #[error("not an ISO 8601 duration; write P90D, P2W, P1M, P1Y6M or PT12H")]
    PeriodText,
    /// Less than an hour.
    #[error("shorter than one hour; the shortest is PT1H")]
    PeriodTooShort,
    /// More than ten years.
    #[error("longer than ten years; the longest is P10Y")]
    PeriodTooLong,
    /// Not a time of day.
    #[error("not a time of day; write it like 02:00, from 00:00 to 23:59")]
    TimeText,
    /// A period with hours has a time of day of its own.
    #[error(
        "a time of day needs a period of whole days, weeks, months or years; leave one of them out"
    )]
    TimeWithHours,
    /// Not an expression of five fields.
    #[error(
        "not a cron expression of five fields (minute, hour, day of month, month, day of week) of at most 128 \
         characters; write it like 0 2 * * MON"
    )]
    CronText,
    /// More than one minute of an hour.
    #[error("due more often than once an hour; name a single minute, like 0 */6 * * *")]
    CronTooOften,
    /// No such date within fifty years.
    #[error("names a date that never comes; check day and month")]
    CronNever,
    /// Not a zone's name.
    #[error("not a time zone's name; write it like Europe/Amsterdam or UTC")]
    ZoneText,
    /// A name that the zone database of this version does not have.
    #[error(
        "a time zone that is not in the IANA database this version carries; write it like Europe/Amsterdam"
    )]
    ZoneUnknown,
    /// Spread further than allowed.
    #[error("more than a week, or more than what lies between two dates; make it smaller")]
    JitterTooLong,
    /// Not a window.
    #[error(
        "not a window; write it like `Mon-Fri 09:00-17:00`, `daily 22:00-06:00`, `12-20/01-05` or \
         `2027-03-01T00:00/2027-03-08T12:00`"
    )]
    WindowText,
    /// A window that ends when it begins, or before.
    #[error("a window that ends before it begins; put the earlier time first")]
    WindowBackwards,
    /// More windows than allowed.
    #[error(
        "more than 32 windows; put days with the same hours into one, like `Mon-Fri 09:00-17:00`"
    )]
    TooManyWindows,
    /// The windows leave no room for a date.
    #[error(
        "the windows leave nothing open for four hundred days; shorten the blackouts or widen the maintenance"
    )]
    NothingOpen,
    /// More dates than are counted at once.
    #[error("more than 1,000 dates; ask for fewer")]
    CountTooLarge,
    /// An instant beyond the calendar.
    #[error("outside the years that the calendar knows (1 to 9999)")]
    OutOfRange,
}

impl ScheduleFault {
    /// A stable name for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::PeriodText => "period_malformed",
            Self::PeriodTooShort => "period_too_short",
            Self::PeriodTooLong => "period_too_long",
            Self::TimeText => "time_malformed",
            Self::TimeWithHours => "time_with_hours",
            Self::CronText => "cron_malformed",
            Self::CronTooOften => "cron_too_often",
            Self::CronNever => "cron_never",
            Self::ZoneText => "zone_malformed",
            Self::ZoneUnknown => "zone_unknown",
            Self::JitterTooLong => "jitter_too_long",
            Self::WindowText => "window_malformed",
            Self::WindowBackwards => "window_backwards",
            Self::TooManyWindows => "too_many_windows",
            Self::NothingOpen => "nothing_open",
            Self::CountTooLarge => "count_too_large",
            Self::OutOfRange => "out_of_range",
        }
    }

    /// This fault, in a field.
    pub const fn within(self, field: ScheduleField) -> ScheduleError {
        ScheduleError { field, fault: self }
    }
}

/// A schedule that cannot be followed: which field of it, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ScheduleError {
    /// Where.
    pub field: ScheduleField,
    /// What.
    pub fault: ScheduleFault,
}

impl From<ScheduleError> for OpError {
    fn from(error: ScheduleError) -> Self {
        let code = error.fault.code();
        Self::invalid("schedule", format!("{error} ({code})"))
    }
}

/// Serde by a type's own text, which `FromStr` and `Display` say.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(
                    deserializer,
                )?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
pub(super) use serde_as_text;
