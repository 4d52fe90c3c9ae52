//! Schedules of rotation as JSON, and the texts in them: one value has one text, and what can be followed has dates
//! in order, found without a long search.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use keyward_core::ids::KeyId;
use keyward_core::rotation::{CronExpression, Period, Schedule, TimeOfDay, Window, ZoneName};
use keyward_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fn one_text<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert_eq!(
            written.parse::<T>().ok().as_ref(),
            Some(&value),
            "{written}"
        );
        assert_eq!(
            written.parse::<T>().ok().map(|value| value.to_string()),
            Some(written)
        );
    }
}

fuzz_target!(|text: &str| {
    one_text::<Period>(text);
    one_text::<TimeOfDay>(text);
    one_text::<CronExpression>(text);
    one_text::<ZoneName>(text);
    one_text::<Window>(text);
    if let Ok(expression) = text.parse::<CronExpression>() {
        let text = serde_json::json!({"trigger": {"cron": {"expression": expression}}});
        follow(&serde_json::from_value(text).expect("an expression is a schedule"));
    }
    if let Ok(schedule) = serde_json::from_str::<Schedule>(text) {
        let written = serde_json::to_string(&schedule).expect("a schedule is JSON");
        assert_eq!(
            serde_json::from_str::<Schedule>(&written).ok().as_ref(),
            Some(&schedule)
        );
        follow(&schedule);
    }
});

/// 14 March 2027, when clocks go forward in America; and the ends of time.
const ANCHORS: [i64; 4] = [1_805_000_000_000_000, 0, i64::MIN, i64::MAX];

fn follow(schedule: &Schedule) {
    // What is not taken is not followed either, but asking is no danger.
    let taken = schedule.check().is_ok();
    for anchor in ANCHORS.map(Timestamp::from_micros) {
        let _ = schedule.opens_at(anchor);
        let Ok(Some(due)) = schedule.next_of_key(anchor, anchor, KeyId::from_uuid(Uuid::nil()))
        else {
            continue;
        };
        assert!(due.planned > anchor && due.at >= due.planned);
        if !taken {
            continue;
        }
        assert_eq!(
            schedule.opens_at(due.at),
            Ok(due.at),
            "a key is due when the windows let"
        );
        if let Ok(dates) = schedule.dates(anchor, anchor, 12) {
            assert!(dates.is_sorted_by(|earlier, later| earlier.at < later.planned));
        }
    }
}
