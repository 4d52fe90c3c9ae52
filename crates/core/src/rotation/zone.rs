//! A time zone by its IANA name, and the two rules for local times that are not one instant.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::fault::{ScheduleFault, serde_as_text};
use crate::time::Timestamp;

/// The zones that this version carries: the same on every machine, whatever its `/usr/share/zoneinfo` says, so that
/// the nodes of a cluster agree on every date.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// No name in the database is longer.
const MAX_NAME: usize = 64;

/// The name of a time zone in the IANA database. Reading one checks its form; [`super::Schedule::check`] looks it up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneName(String);

impl ZoneName {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The zone's rules.
    pub(super) fn zone(&self) -> Result<Zone, ScheduleFault> {
        let zone = ZONES.get(&self.0).map_err(|_| ScheduleFault::ZoneUnknown)?;
        if zone.is_unknown() {
            return Err(ScheduleFault::ZoneUnknown);
        }
        Ok(Zone(zone))
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self(String::from("UTC"))
    }
}

impl FromStr for ZoneName {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || text.len() > MAX_NAME || !text.chars().all(known) {
            return Err(ScheduleFault::ZoneText);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(ZoneName);

/// A zone's rules: wall clock to instant and back.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// What the wall clock shows at an instant.
    pub(super) fn local(&self, instant: Timestamp) -> Option<DateTime> {
        let instant = jiff::Timestamp::from_microsecond(instant.as_micros()).ok()?;
        Some(self.0.to_datetime(instant))
    }

    /// The one instant of a local time. One that comes twice is the first; one that does not exist is the first
    /// instant after the gap. Later local times are never earlier instants. None: outside the calendar.
    pub(super) fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                let before_gap = ambiguous.earlier().ok()?;
                let end = |change: &jiff::Timestamp| self.0.to_offset(*change) == after;
                (self.0.following(before_gap))
                    .map(|change| change.timestamp())
                    .take(4)
                    .find(end)
                    .map_or_else(|| ambiguous.later().ok(), Some)?
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()?
            }
        };
        Some(Timestamp::from_micros(instant.as_microsecond()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, local: &str, expected: &str) {
        let zone = zone.parse::<ZoneName>().unwrap().zone().unwrap();
        let instant = zone.instant(local.parse().unwrap()).unwrap();
        assert_eq!(instant, expected.parse().unwrap(), "{local}");
    }

    #[test]
    fn a_local_time_is_one_instant() {
        let new_york = "America/New_York";
        check(new_york, "2027-03-13T02:30", "2027-03-13T07:30:00Z");
        // 14 March 2027: from 02:00 to 03:00 in one step.
        check(new_york, "2027-03-14T01:59", "2027-03-14T06:59:00Z");
        check(new_york, "2027-03-14T02:00", "2027-03-14T07:00:00Z");
        check(new_york, "2027-03-14T02:30", "2027-03-14T07:00:00Z");
        check(new_york, "2027-03-14T03:00", "2027-03-14T07:00:00Z");
        // 7 November 2027: from 02:00 back to 01:00.
        check(new_york, "2027-11-07T01:30", "2027-11-07T05:30:00Z");
        check(new_york, "2027-11-07T02:00", "2027-11-07T07:00:00Z");
        // Samoa had no 30 December 2011.
        check("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z");
        check("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00:00Z");
        check("UTC", "2027-03-14T02:30", "2027-03-14T02:30:00Z");
    }

    #[test]
    fn a_name_has_a_form_and_a_zone() {
        for text in [
            "UTC",
            "Europe/Amsterdam",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+5",
        ] {
            let name: ZoneName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            name.zone().unwrap();
        }
        for text in [
            "",
            "+02:00",
            "Europe Amsterdam",
            "../etc/passwd",
            "Europe/Amst\u{e9}rdam",
            &"A".repeat(65),
        ] {
            assert_eq!(
                text.parse::<ZoneName>(),
                Err(ScheduleFault::ZoneText),
                "{text}"
            );
        }
        for text in ["Mars/Olympus", "Etc/Unknown"] {
            let name: ZoneName = text.parse().unwrap();
            assert_eq!(name.zone().unwrap_err(), ScheduleFault::ZoneUnknown);
        }
    }
}
