//! The rules of the calendar, one by one.
#![allow(clippy::unwrap_used)]

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn every(period: &str, time: Option<&str>, zone: &str) -> Schedule {
    let trigger = TimeTrigger::Every {
        period: period.parse().unwrap(),
        at: time.map(|time| time.parse().unwrap()),
    };
    of(trigger, zone)
}

fn cron(expression: &str, zone: &str) -> Schedule {
    let expression = expression.parse().unwrap();
    of(TimeTrigger::Cron { expression }, zone)
}

fn of(trigger: TimeTrigger, zone: &str) -> Schedule {
    Schedule {
        trigger,
        zone: zone.parse().unwrap(),
        jitter_seconds: 0,
        blackouts: Vec::new(),
        maintenance: Vec::new(),
    }
}

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[track_caller]
fn dates(schedule: &Schedule, anchor: &str, expected: &[&str]) {
    schedule.check().unwrap();
    let anchor = at(anchor);
    let dates = schedule.dates(anchor, anchor, expected.len()).unwrap();
    let dates: Vec<Timestamp> = dates.iter().map(|due| due.at).collect();
    let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
    assert_eq!(dates, expected);
}

#[track_caller]
fn refused(schedule: &Schedule, field: ScheduleField, fault: ScheduleFault) {
    assert_eq!(schedule.check(), Err(fault.within(field)));
}

#[test]
fn a_period_counts_from_the_anchor_and_keeps_the_wall_clock() {
    // The clocks of Amsterdam go forward on 28 March 2027.
    dates(
        &every("P1D", Some("02:00"), "Europe/Amsterdam"),
        "2027-03-26T12:00:00Z",
        &[
            "2027-03-27T01:00:00Z",
            "2027-03-28T01:00:00Z",
            "2027-03-29T00:00:00Z",
        ],
    );
    // 24 hours are not a day.
    dates(
        &every("PT24H", None, "Europe/Amsterdam"),
        "2027-03-26T12:00:00Z",
        &[
            "2027-03-27T12:00:00Z",
            "2027-03-28T12:00:00Z",
            "2027-03-29T12:00:00Z",
        ],
    );
    dates(
        &every("P1D", None, "Europe/Amsterdam"),
        "2027-03-26T12:00:00.5Z",
        &[
            "2027-03-27T12:00:00.5Z",
            "2027-03-28T11:00:00.5Z",
            "2027-03-29T11:00:00.5Z",
        ],
    );
}

#[test]
fn period_and_cron_agree_on_times_that_do_not_exist_or_come_twice() {
    for schedule in [
        every("P1D", Some("02:30"), "America/New_York"),
        cron("30 2 * * *", "America/New_York"),
    ] {
        dates(
            &schedule,
            "2027-03-12T12:00:00Z",
            &[
                "2027-03-13T07:30:00Z",
                "2027-03-14T07:00:00Z",
                "2027-03-15T06:30:00Z",
            ],
        );
    }
    for schedule in [
        every("P1D", Some("01:30"), "America/New_York"),
        cron("30 1 * * *", "America/New_York"),
    ] {
        dates(
            &schedule,
            "2027-11-05T12:00:00Z",
            &[
                "2027-11-06T05:30:00Z",
                "2027-11-07T05:30:00Z",
                "2027-11-08T06:30:00Z",
            ],
        );
    }
    // Between the two half past ones nothing is due.
    let schedule = cron("30 * * * *", "America/New_York");
    let due = schedule
        .next_after(at("2027-11-01T00:00:00Z"), at("2027-11-07T05:30:00Z"))
        .unwrap()
        .unwrap();
    assert_eq!(due.at, at("2027-11-07T07:30:00Z"));
}

#[test]
fn month_ends_and_leap_days_do_not_drift() {
    dates(
        &every("P1M", Some("02:00"), "UTC"),
        "2027-01-31T00:00:00Z",
        &[
            "2027-02-28T02:00:00Z",
            "2027-03-31T02:00:00Z",
            "2027-04-30T02:00:00Z",
            "2027-05-31T02:00:00Z",
        ],
    );
    dates(
        &every("P1Y", None, "UTC"),
        "2028-02-29T06:00:00Z",
        &[
            "2029-02-28T06:00:00Z",
            "2030-02-28T06:00:00Z",
            "2031-02-28T06:00:00Z",
            "2032-02-29T06:00:00Z",
        ],
    );
    dates(
        &cron("0 2 29 2 *", "UTC"),
        "2097-01-01T00:00:00Z",
        &["2104-02-29T02:00:00Z"],
    );
}

#[test]
fn a_day_that_a_zone_leaves_out_is_due_at_its_end_once() {
    for schedule in [
        every("P1D", Some("12:00"), "Pacific/Apia"),
        cron("0 12 * * *", "Pacific/Apia"),
    ] {
        dates(
            &schedule,
            "2011-12-29T00:00:00Z",
            &[
                "2011-12-29T22:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-30T22:00:00Z",
            ],
        );
    }
    // The end of the day left out is midnight, which is a date of its own: they are one.
    dates(
        &every("P1D", Some("00:00"), "Pacific/Apia"),
        "2011-12-28T22:00:00Z",
        &[
            "2011-12-29T10:00:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-31T10:00:00Z",
        ],
    );
}

#[test]
fn a_server_that_slept_a_week_finds_one_date_and_then_the_next() {
    let schedule = every("P1D", Some("02:00"), "UTC");
    let anchor = at("2027-01-01T00:00:00Z");
    let due = schedule
        .next_after(anchor, at("2027-06-01T02:00:05Z"))
        .unwrap()
        .unwrap();
    assert_eq!(due.at, at("2027-06-02T02:00:00Z"));
    let woke = at("2027-06-08T09:00:00Z");
    let due = schedule.next_after(anchor, woke).unwrap().unwrap();
    assert_eq!(due.at, at("2027-06-09T02:00:00Z"));
}

#[test]
fn a_blackout_moves_a_date_to_its_end() {
    let mut schedule = every("P1D", Some("10:00"), "UTC");
    schedule.blackouts = windows(&[
        "Mon-Fri 09:00-17:00",
        "daily 17:00-18:00",
        "2027-01-02T00:00/2027-01-02T12:00",
    ]);
    dates(
        &schedule,
        "2026-12-31T20:00:00Z",
        &[
            "2027-01-01T18:00:00Z",
            "2027-01-02T12:00:00Z",
            "2027-01-03T10:00:00Z",
            "2027-01-04T18:00:00Z",
        ],
    );
    schedule.blackouts = windows(&["12-20/01-05"]);
    let anchor = at("2027-12-10T00:00:00Z");
    let due = schedule
        .next_after(anchor, at("2027-12-19T12:00:00Z"))
        .unwrap()
        .unwrap();
    assert_eq!(
        (due.planned, due.at),
        (at("2027-12-20T10:00:00Z"), at("2028-01-06T00:00:00Z"))
    );
    assert_eq!(due.moved_by, Some(Moved::Blackout));
}

#[test]
fn outside_maintenance_a_date_waits_for_the_next_window() {
    let mut schedule = every("P1D", Some("02:00"), "UTC");
    schedule.maintenance = windows(&["Sat 01:00-03:00"]);
    // From Monday on every date waits for Saturday, where it is one; two o'clock on Saturday is a date of its own.
    dates(
        &schedule,
        "2027-01-03T12:00:00Z",
        &[
            "2027-01-09T01:00:00Z",
            "2027-01-09T02:00:00Z",
            "2027-01-16T01:00:00Z",
        ],
    );
    schedule.blackouts = windows(&["Sat 00:00-02:30"]);
    let anchor = at("2027-01-03T12:00:00Z");
    let due = schedule.next_after(anchor, anchor).unwrap().unwrap();
    assert_eq!(
        (due.at, due.moved_by),
        (at("2027-01-09T02:30:00Z"), Some(Moved::Blackout))
    );
    assert_eq!(
        schedule.opens_at(at("2027-01-09T03:00:00Z")),
        Ok(at("2027-01-16T02:30:00Z"))
    );
}

#[test]
fn jitter_is_a_keys_own_and_stays_in_what_is_open() {
    let mut schedule = every("P1D", Some("02:00"), "UTC");
    schedule.maintenance = windows(&["daily 02:00-02:30", "daily 02:20-02:40"]);
    schedule.jitter_seconds = 3_600;
    schedule.check().unwrap();
    let anchor = at("2027-01-01T00:00:00Z");
    let base = at("2027-01-02T02:00:00Z");
    let mut seconds: Vec<i64> = (0..200_u128)
        .map(|number| {
            let key = KeyId::from_uuid(uuid::Uuid::from_u128(number));
            let due = schedule.next_of_key(anchor, anchor, key).unwrap().unwrap();
            assert_eq!(Ok(Some(due)), schedule.next_of_key(anchor, anchor, key));
            assert_eq!(due.planned, base);
            due.at.seconds_since(base)
        })
        .collect();
    assert!(seconds.iter().all(|seconds| (0..2_400).contains(seconds)));
    seconds.sort_unstable();
    seconds.dedup();
    assert!(seconds.len() > 150, "they are spread");
    assert!(seconds.first().is_some_and(|first| *first < 240));
    assert!(seconds.last().is_some_and(|last| *last > 2_160));
}

#[test]
fn what_can_never_be_due_is_refused() {
    let mut schedule = every("P1D", None, "UTC");
    schedule.blackouts = windows(&["daily 06:00-06:00"]);
    refused(
        &schedule,
        ScheduleField::Blackouts,
        ScheduleFault::NothingOpen,
    );
    schedule.blackouts = windows(&["01-01/12-31"]);
    refused(
        &schedule,
        ScheduleField::Blackouts,
        ScheduleFault::NothingOpen,
    );
    schedule.blackouts = windows(&["daily 00:00-12:00"]);
    schedule.maintenance = windows(&["Mon 03:00-12:00"]);
    refused(
        &schedule,
        ScheduleField::Maintenance,
        ScheduleFault::NothingOpen,
    );
    schedule.maintenance = windows(&["2020-01-01T00:00/2020-01-02T00:00"]);
    schedule.check().unwrap();
    let anchor = at("2027-01-01T00:00:00Z");
    let gone = schedule.next_after(anchor, anchor);
    assert_eq!(
        gone,
        Err(ScheduleFault::NothingOpen.within(ScheduleField::Maintenance))
    );

    let schedule = every("PT12H", Some("02:00"), "UTC");
    refused(&schedule, ScheduleField::At, ScheduleFault::TimeWithHours);
    let schedule = every("P1D", None, "Mars/Olympus");
    refused(&schedule, ScheduleField::Zone, ScheduleFault::ZoneUnknown);
    refused(
        &cron("0 0 30 2 *", "UTC"),
        ScheduleField::Cron,
        ScheduleFault::CronNever,
    );
    let mut schedule = every("PT1H", None, "UTC");
    schedule.jitter_seconds = 3_601;
    refused(
        &schedule,
        ScheduleField::Jitter,
        ScheduleFault::JitterTooLong,
    );
    schedule.jitter_seconds = 3_600;
    schedule.blackouts = windows(&["Mon 00:00-01:00"; 33]);
    refused(
        &schedule,
        ScheduleField::Blackouts,
        ScheduleFault::TooManyWindows,
    );
    let many = schedule.dates(anchor, anchor, 1_001);
    assert_eq!(
        many,
        Err(ScheduleFault::CountTooLarge.within(ScheduleField::Count))
    );
}

#[test]
fn the_ends_of_time_are_answers() {
    let ends = [i64::MIN, -1, 0, i64::MAX].map(Timestamp::from_micros);
    for schedule in [
        every("PT1H", None, "UTC"),
        every("P1M", None, "Asia/Tokyo"),
        cron("0 2 * * *", "Asia/Tokyo"),
    ] {
        for anchor in ends {
            for after in ends {
                let due = schedule.next_after(anchor, after);
                assert!(
                    due.is_err() || due.is_ok_and(|due| due.is_none_or(|due| due.planned > after))
                );
            }
        }
    }
    let last = at("9999-12-01T00:00:00Z");
    assert_eq!(every("P1M", None, "UTC").next_after(last, last), Ok(None));
}

#[test]
fn as_json_it_is_read_by_people() {
    let text = r#"{"trigger":{"every":{"period":"P90D","at":"02:00"}},"zone":"Europe/Amsterdam","jitter_seconds":600,"blackouts":["Mon-Fri 09:00-17:00"],"maintenance":[]}"#;
    let schedule: Schedule = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
    let short: Schedule =
        serde_json::from_str(r#"{"trigger":{"cron":{"expression":"0 2 * * *"}}}"#).unwrap();
    assert_eq!(short, cron("0 2 * * *", "UTC"));
    for text in [
        r#"{"trigger":{"cron":{"expression":"0 2 * * *"}},"blackout":[]}"#,
        r#"{"trigger":{"every":{"period":"P90D","time":"02:00"}}}"#,
        r#"{"trigger":{"every":{"period":"90"}}}"#,
        "{}",
    ] {
        assert!(serde_json::from_str::<Schedule>(text).is_err(), "{text}");
    }
}
