//! The calendar beside a walk from minute to minute, over weeks in which clocks are changed.
//!
//! The walk looks at a wall clock that is never turned back: it stands still while an hour comes for the second time,
//! and jumps where one is missing. A date comes with the minute in which that clock passes it, and a window is open
//! while that clock is in it.

use keyward_core::ids::KeyId;
use keyward_core::rotation::{Due, Moved, Schedule};
use keyward_core::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use uuid::Uuid;

/// Zones, each with a moment near which its clocks are changed.
const CHANGES: [(&str, &str); 12] = [
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("America/New_York", "2027-11-07T06:00:00Z"),
    ("Europe/Amsterdam", "2027-03-28T01:00:00Z"),
    ("Europe/Dublin", "2027-10-31T01:00:00Z"),
    ("America/Havana", "2027-03-14T05:00:00Z"),
    ("Australia/Lord_Howe", "2027-04-03T15:00:00Z"),
    ("Australia/Lord_Howe", "2027-10-02T15:30:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    // Back over the date line: a day that came twice.
    ("Pacific/Kwajalein", "1969-09-30T13:00:00Z"),
    ("Asia/Kathmandu", "2028-02-29T00:00:00Z"),
    ("UTC", "2028-02-29T00:00:00Z"),
];
const MINUTE: i64 = 60;
const DAY: i64 = 1_440;
/// How many days are walked, and from which of them on dates are compared.
const WALKED: i64 = 45;
const BEFORE: i64 = 9;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What plans dates, as it was drawn: no text is read here.
#[derive(Clone, Debug)]
enum Plan {
    Days {
        every: i64,
        at: u32,
    },
    Months {
        every: i32,
        at: u32,
    },
    Hours {
        every: i64,
    },
    Cron {
        minute: u32,
        hours: Vec<u32>,
        week_days: Vec<usize>,
    },
}

/// A weekly window: its days, the minute of the day in which it begins, and how many minutes it has.
#[derive(Clone, Debug)]
struct Weekly {
    days: Vec<usize>,
    from: i64,
    length: i64,
}

#[derive(Clone, Debug)]
struct Drawn {
    zone: &'static str,
    /// The minute at which the walk begins, from 1970.
    begin: i64,
    /// The anchor, in minutes from there.
    anchor: i64,
    plan: Plan,
    blackouts: Vec<Weekly>,
    maintenance: Vec<Weekly>,
    jitter: u32,
    key: u128,
}

fn clock(minute: i64) -> String {
    format!(
        "{:02}:{:02}",
        minute.rem_euclid(DAY) / 60,
        minute.rem_euclid(DAY) % 60
    )
}

impl Weekly {
    fn text(&self) -> String {
        let days: Vec<&str> = self.days.iter().map(|day| DAYS[*day]).collect();
        format!(
            "{} {}-{}",
            days.join(","),
            clock(self.from),
            clock(self.from + self.length)
        )
    }

    /// Whether a wall clock is in it that shows this minute, of a day with this number from a Monday.
    fn holds(&self, day: i64, minute: i64) -> bool {
        let on = |day: i64| self.days.contains(&(day.rem_euclid(7) as usize));
        let since = minute - self.from;
        on(day) && (0..self.length).contains(&since) || on(day - 1) && since + DAY < self.length
    }
}

impl Drawn {
    fn schedule(&self) -> Schedule {
        let texts =
            |windows: &[Weekly]| -> Vec<String> { windows.iter().map(Weekly::text).collect() };
        let at = |at: &u32| clock(i64::from(*at));
        let every = |period: String, at: Value| json!({"every": {"period": period, "at": at}});
        let trigger = match &self.plan {
            Plan::Days {
                every: days,
                at: time,
            } => every(format!("P{days}D"), json!(at(time))),
            Plan::Months {
                every: months,
                at: time,
            } => every(format!("P{months}M"), json!(at(time))),
            Plan::Hours { every: hours } => every(format!("PT{hours}H"), Value::Null),
            Plan::Cron {
                minute,
                hours,
                week_days,
            } => {
                let joined = |numbers: Vec<String>| numbers.join(",");
                let hours = joined(hours.iter().map(ToString::to_string).collect());
                let days = joined(
                    week_days
                        .iter()
                        .map(|day| DAYS[*day].to_uppercase())
                        .collect(),
                );
                let days = if days.is_empty() {
                    String::from("*")
                } else {
                    days
                };
                json!({"cron": {"expression": format!("{minute} {hours} * * {days}")}})
            }
        };
        let schedule = json!({
            "trigger": trigger, "zone": self.zone, "jitter_seconds": self.jitter,
            "blackouts": texts(&self.blackouts), "maintenance": texts(&self.maintenance),
        });
        serde_json::from_value(schedule).unwrap()
    }

    fn instant(&self, minute: i64) -> Timestamp {
        Timestamp::from_micros((self.begin + minute) * MINUTE * 1_000_000)
    }

    fn minute(&self, instant: Timestamp) -> i64 {
        instant.as_micros().div_euclid(MINUTE * 1_000_000) - self.begin
    }
}

/// A wall clock's minutes from the year 1970 on, as if they were UTC's.
struct Wall(jiff::tz::TimeZone);

impl Wall {
    fn shows(&self, minute: i64) -> i64 {
        let instant = jiff::Timestamp::from_second(minute * MINUTE).unwrap();
        minute + i64::from(self.0.to_offset(instant).seconds()).div_euclid(MINUTE)
    }
}

/// What the walk has seen: by minute, whether it is planned, and whether the windows let.
struct Walk {
    planned: Vec<bool>,
    open: Vec<bool>,
}

fn walk(drawn: &Drawn) -> Walk {
    let wall = Wall(jiff::tz::TimeZone::get(drawn.zone).unwrap());
    let anchor = wall.shows(drawn.begin + drawn.anchor);
    let mut latest = wall
        .shows(drawn.begin - 1)
        .max(wall.shows(drawn.begin - 2 * DAY));
    let (mut planned, mut open) = (Vec::new(), Vec::new());
    for minute in 0..WALKED * DAY {
        let shows = wall.shows(drawn.begin + minute);
        let passed = latest + 1..=shows;
        latest = latest.max(shows);
        let by_wall = passed
            .into_iter()
            .any(|local| is_planned(&drawn.plan, anchor, local));
        let by_hours = match drawn.plan {
            Plan::Hours { every } => (minute - drawn.anchor) % (every * 60) == 0,
            _ => false,
        };
        planned.push(minute > drawn.anchor && (by_wall || by_hours));
        // 1 January 1970 was a Thursday.
        let (day, of_day) = (latest.div_euclid(DAY) + 3, latest.rem_euclid(DAY));
        let within = |windows: &[Weekly]| windows.iter().any(|window| window.holds(day, of_day));
        let maintained = drawn.maintenance.is_empty() || within(&drawn.maintenance);
        open.push(maintained && !within(&drawn.blackouts));
    }
    Walk { planned, open }
}

fn date_of(local: i64) -> jiff::civil::Date {
    let instant = jiff::Timestamp::from_second(local * MINUTE).unwrap();
    jiff::tz::Offset::UTC.to_datetime(instant).date()
}

fn is_planned(plan: &Plan, anchor: i64, local: i64) -> bool {
    let (day, of_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let days = day - anchor.div_euclid(DAY);
    match plan {
        Plan::Days { every, at } => of_day == i64::from(*at) && days > 0 && days % every == 0,
        Plan::Months { every, at } => {
            let (from, date) = (date_of(anchor), date_of(local));
            let number =
                |date: jiff::civil::Date| i32::from(date.year()) * 12 + i32::from(date.month());
            let months = number(date) - number(from);
            let right_day = date.day() == from.day().min(date.days_in_month());
            of_day == i64::from(*at) && months > 0 && months % every == 0 && right_day
        }
        Plan::Hours { .. } => false,
        Plan::Cron {
            minute,
            hours,
            week_days,
        } => {
            let week_day = (day + 3).rem_euclid(7) as usize;
            let right_day = week_days.is_empty() || week_days.contains(&week_day);
            let (hour, of_hour) = ((of_day / 60) as u32, (of_day % 60) as u32);
            right_day && of_hour == *minute && hours.contains(&hour)
        }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let at = prop_oneof![0..240_u32, 0..1_440_u32];
    prop_oneof![
        (1..5_i64, at.clone()).prop_map(|(every, at)| Plan::Days { every, at }),
        (1..3_i32, at).prop_map(|(every, at)| Plan::Months { every, at }),
        (1..40_i64).prop_map(|every| Plan::Hours { every }),
        (0..60_u32, vec(0..24_u32, 1..5), vec(0..7_usize, 0..3)).prop_map(
            |(minute, hours, week_days)| Plan::Cron {
                minute,
                hours,
                week_days
            }
        ),
    ]
}

fn windows(most: usize) -> impl Strategy<Value = Vec<Weekly>> {
    let window = (vec(0..7_usize, 1..5), 0..DAY, 1..=DAY).prop_map(|(days, from, length)| Weekly {
        days,
        from,
        length,
    });
    vec(window, 0..=most)
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let place = (select(&CHANGES[..]), 0..3 * DAY);
    (
        place,
        plan(),
        windows(2),
        windows(2),
        0..7_200_u32,
        any::<u128>(),
    )
        .prop_map(
            |(((zone, change), shift), plan, blackouts, maintenance, jitter, key)| {
                let change: Timestamp = change.parse().unwrap();
                let change = change.as_micros().div_euclid(MINUTE * 1_000_000);
                Drawn {
                    zone,
                    begin: change - (BEFORE + 2) * DAY,
                    anchor: BEFORE * DAY + shift,
                    plan,
                    blackouts,
                    maintenance,
                    jitter,
                    key,
                }
            },
        )
}

/// The date that the walk sees first after a minute, and when it is open then.
fn seen(walk: &Walk, after: i64) -> Option<(i64, i64)> {
    let first = |of: &[bool], from: i64| (from..WALKED * DAY).find(|minute| of[*minute as usize]);
    let planned = first(&walk.planned, after + 1)?;
    Some((planned, first(&walk.open, planned)?))
}

/// What a date with jitter owes to the date without, and to the windows.
fn check_jitter(drawn: &Drawn, walk: &Walk, plain: Due, spread: Due) {
    assert_eq!(
        (plain.planned, plain.moved_by),
        (spread.planned, spread.moved_by)
    );
    let jitter = spread.at.as_micros() - plain.at.as_micros();
    assert!(
        (0..i64::from(drawn.jitter.max(1)) * 1_000_000).contains(&jitter),
        "{jitter}"
    );
    let minute = drawn.minute(spread.at);
    assert!(
        walk.open.get(minute as usize).is_none_or(|open| *open),
        "open at {}",
        spread.at
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Every date of some weeks: what the walk sees, in order, none twice, never in a blackout, always in maintenance.
    #[test]
    fn the_dates_are_those_that_a_walk_by_minutes_sees(drawn in drawn()) {
        let (schedule, walk) = (drawn.schedule(), walk(&drawn));
        let anchor = drawn.instant(drawn.anchor);
        let key = KeyId::from_uuid(Uuid::from_u128(drawn.key));
        let mut after = anchor;
        let mut dates: Vec<Timestamp> = Vec::new();
        while let Some((planned, at)) = seen(&walk, drawn.minute(after)) {
            let due = schedule.next_after(anchor, after).unwrap().unwrap();
            prop_assert_eq!((due.planned, due.at), (drawn.instant(planned), drawn.instant(at)));
            prop_assert_eq!(due.moved_by.is_some(), planned != at);
            prop_assert!(due.at >= due.planned && due.planned > after);
            let spread = schedule.next_of_key(anchor, after, key).unwrap().unwrap();
            check_jitter(&drawn, &walk, due, spread);
            prop_assert_eq!(schedule.opens_at(due.planned), Ok(due.at));
            dates.push(due.at);
            after = due.at;
        }
        prop_assert!(dates.is_sorted_by(|earlier, later| earlier < later));
        let listed = schedule.dates(anchor, anchor, dates.len()).unwrap_or_default();
        prop_assert_eq!(listed.iter().map(|due| due.at).collect::<Vec<_>>(), dates);
    }

    /// From any instant, however long ago the last rotation was: one date, and after it one in the future.
    #[test]
    fn after_a_long_sleep_there_is_one_date(drawn in drawn(), slept in 0..20 * DAY * 60, late in 0..90 * DAY * 60) {
        let schedule = drawn.schedule();
        let anchor = drawn.instant(drawn.anchor);
        let rotated = anchor.plus_seconds(slept);
        if let Ok(Some(due)) = schedule.next_after(anchor, rotated) {
            prop_assert!(due.planned > rotated);
            let woke = due.at.plus_seconds(late);
            let next = schedule.next_after(anchor, woke).unwrap().unwrap();
            prop_assert!(next.planned > woke && next.at >= next.planned);
            // Where one looks from does not move a date: nothing lies between the two.
            let again = schedule.next_after(anchor, due.planned.plus_seconds(-1).max(anchor)).unwrap().unwrap();
            prop_assert_eq!(again, due);
        }
    }
}

#[test]
fn a_moved_date_says_by_what() {
    let schedule = json!({
        "trigger": {"every": {"period": "P1D", "at": "02:00"}}, "maintenance": ["daily 03:00-04:00"],
    });
    let mut schedule: Schedule = serde_json::from_value(schedule).unwrap();
    let anchor: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let due = schedule.next_after(anchor, anchor).unwrap().unwrap();
    assert_eq!(due.moved_by, Some(Moved::Maintenance));
    schedule.maintenance.clear();
    let due = schedule.next_after(anchor, anchor).unwrap().unwrap();
    assert_eq!(due.moved_by, None);
}
