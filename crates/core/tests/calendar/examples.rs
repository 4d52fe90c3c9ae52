//! The tables of docs/rotation-calendar.md, row by row.

use std::str::FromStr;

use keyward_core::rotation::{
    CronExpression, Period, Schedule, ScheduleFault, TimeOfDay, TimeTrigger, Window, ZoneName,
};
use keyward_core::time::Timestamp;

const PAGE: &str = include_str!("../../../../docs/rotation-calendar.md");

/// The cells of the rows of the table that begins with this header.
fn rows(header: &str) -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().skip_while(|line| *line != header).skip(2);
    let rows: Vec<Vec<&str>> = lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(!rows.is_empty(), "no table begins with {header}");
    rows
}

/// What stands between the backquotes of a cell.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn trigger(cell: &str) -> TimeTrigger {
    match quoted(cell)[..] {
        [text] if text.starts_with('P') => TimeTrigger::Every {
            period: text.parse().unwrap(),
            at: None,
        },
        [text] => TimeTrigger::Cron {
            expression: text.parse().unwrap(),
        },
        [period, at] => TimeTrigger::Every {
            period: period.parse().unwrap(),
            at: Some(at.parse().unwrap()),
        },
        _ => panic!("not a period, a period and a time, or an expression: {cell}"),
    }
}

fn windows(cell: &str, kind: &str) -> Vec<Window> {
    let parts = cell.split(", ").filter(|part| part.starts_with(kind));
    parts
        .flat_map(quoted)
        .map(|text| text.parse().unwrap())
        .collect()
}

fn daily() -> Schedule {
    serde_json::from_str(r#"{"trigger":{"every":{"period":"P1D"}}}"#).unwrap()
}

#[test]
fn the_examples_of_the_page_are_what_is_computed() {
    let rows = rows("| due | zone | windows | anchor | dates |");
    assert!(rows.len() >= 19);
    for row in rows {
        let [due, zone, cell, anchor, dates] = row[..] else {
            panic!("not five cells: {row:?}")
        };
        let schedule = Schedule {
            trigger: trigger(due),
            zone: zone.parse().unwrap(),
            jitter_seconds: 0,
            blackouts: windows(cell, "not "),
            maintenance: windows(cell, "only "),
        };
        schedule.check().unwrap();
        let expected: Vec<Timestamp> = dates
            .split(", ")
            .map(|date| date.parse().unwrap())
            .collect();
        let anchor: Timestamp = anchor.parse().unwrap();
        let computed = schedule.dates(anchor, anchor, expected.len()).unwrap();
        let computed: Vec<Timestamp> = computed.iter().map(|due| due.at).collect();
        assert_eq!(computed, expected, "{row:?}");
    }
}

#[test]
fn the_schedule_of_the_page_is_one() {
    let text = PAGE
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let schedule: Schedule = serde_json::from_str(text).unwrap();
    schedule.check().unwrap();
}

#[test]
fn the_windows_of_the_page_are_some() {
    for row in rows("| window | when |") {
        for text in quoted(row[0]) {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string(), text);
        }
    }
}

/// The schedule with one field of this text; or why the text is none.
fn with(field: &str, text: &str) -> Result<Schedule, ScheduleFault> {
    fn read<T: FromStr<Err = ScheduleFault>>(text: &str) -> Result<T, ScheduleFault> {
        text.parse()
    }
    let mut schedule = daily();
    let period = Period::from_days(1)?;
    match field {
        "period" => {
            schedule.trigger = TimeTrigger::Every {
                period: read(text)?,
                at: None,
            }
        }
        "at" => {
            schedule.trigger = TimeTrigger::Every {
                period,
                at: Some(read::<TimeOfDay>(text)?),
            }
        }
        "cron" => {
            schedule.trigger = TimeTrigger::Cron {
                expression: read::<CronExpression>(text)?,
            }
        }
        "zone" => schedule.zone = read::<ZoneName>(text)?,
        "blackouts" => schedule.blackouts = vec![read(text)?],
        "maintenance" => schedule.maintenance = vec![read(text)?],
        other => panic!("no field {other}"),
    }
    Ok(schedule)
}

#[test]
fn what_the_page_says_is_refused_is_refused_by_that_code() {
    for row in rows("| field | text | code |") {
        let cells: Vec<&str> = row.iter().flat_map(|cell| quoted(cell)).collect();
        let [field, text, code] = cells[..] else {
            panic!("not three texts: {row:?}")
        };
        let fault = match with(field, text) {
            Err(fault) => fault,
            Ok(schedule) => {
                let error = schedule.check().unwrap_err();
                assert_eq!(error.field.name(), field);
                error.fault
            }
        };
        assert_eq!(fault.code(), code, "{row:?}");
    }
}
