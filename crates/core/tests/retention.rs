//! Random histories of changes, backups and rules: whatever is pruned when, every second of the window
//! that could be restored still can, and the numbers kept are what the rules say. The model knows which
//! revision a second needs, and nothing of how retention decides.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use keyward_core::port::backup::BackupSummary;
use keyward_core::retention::{Fate, KeptFor, RetentionRules, judge};
use keyward_core::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

/// A calendar's name of a period.
type Named = fn(&jiff::Zoned) -> String;

#[derive(Clone, Debug)]
enum Step {
    /// So many seconds pass, then something changes.
    Change(i64),
    Full,
    Segment,
    /// A segment is lost, from the end.
    Lose(usize),
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..40_i64).prop_map(Step::Change),
        4 => (600..200_000_i64).prop_map(Step::Change),
        1 => (1_000_000..4_000_000_i64).prop_map(Step::Change),
        5 => Just(Step::Full),
        7 => Just(Step::Segment),
        1 => (0..6_usize).prop_map(Step::Lose),
        4 => Just(Step::Prune),
    ]
}

fn rules() -> impl Strategy<Value = RetentionRules> {
    let window = prop_oneof![Just(0), 1..7_200_i64, 3_600..2_000_000_i64];
    (0..4_u32, 0..4_u32, 0..4_u32, 0..4_u32, window).prop_map(
        |(hourly, daily, weekly, monthly, window_seconds)| RetentionRules {
            hourly,
            daily,
            weekly,
            monthly,
            window_seconds,
        },
    )
}

/// A place of backups and what was committed, revision by revision from 1.
struct History {
    commits: Vec<Timestamp>,
    place: Vec<BackupSummary>,
    made: u128,
    removed: usize,
}

impl History {
    fn new() -> Self {
        let begin = Timestamp::from_micros(1_800_000_000_000_000);
        Self {
            commits: vec![begin],
            place: Vec::new(),
            made: 0,
            removed: 0,
        }
    }

    fn now(&self) -> Timestamp {
        *self.commits.last().unwrap()
    }

    fn revision(&self) -> i64 {
        self.commits.len() as i64
    }

    fn make(&mut self, kind: &str, from_revision: i64) {
        self.made += 1;
        self.place.push(BackupSummary {
            id: Uuid::from_u128(self.made),
            kind: kind.to_owned(),
            from_revision,
            revision: self.revision(),
            committed_at: self.now(),
            begun_at: self.now(),
            completed_at: self.now(),
            software: String::new(),
            parts: 1,
            bytes: 1,
            rows: 1,
            records: 1,
            lost: 0,
            recipients: Vec::new(),
            signed_by: String::new(),
        });
    }

    fn of(&self, kind: &str) -> impl DoubleEndedIterator<Item = &BackupSummary> {
        self.place.iter().filter(move |it| it.kind == kind)
    }

    /// As the node does: on the last segment, or on the oldest full backup.
    fn segment(&mut self) {
        let last = self.of("segment").next_back();
        let Some(before) = last.or_else(|| self.of("full").next()) else {
            return;
        };
        if before.revision < self.revision() {
            let from = before.revision;
            self.make("segment", from);
        }
    }

    fn lose(&mut self, from_end: usize) {
        let segments: Vec<Uuid> = self.of("segment").map(|it| it.id).collect();
        if let Some(lost) = segments.iter().rev().nth(from_end) {
            self.place.retain(|it| it.id != *lost);
        }
    }

    /// Which revisions a restore can bring back: those that the newest full backup not after them
    /// and the segments behind it lead to.
    fn restorable(&self) -> Vec<bool> {
        let mut all = vec![false; self.commits.len() + 1];
        let fulls: Vec<i64> = self.of("full").map(|it| it.revision).collect();
        for (place, full) in fulls.iter().enumerate() {
            let until = fulls
                .get(place + 1)
                .map_or(self.revision(), |next| next - 1);
            let mut reached = *full;
            for segment in self.of("segment") {
                if segment.from_revision <= reached {
                    reached = reached.max(segment.revision);
                }
            }
            for revision in *full..=until.min(reached) {
                all[revision as usize] = true;
            }
        }
        all
    }

    fn prune(&mut self, rules: &RetentionRules) {
        let before = self.restorable();
        let mut given = self.place.clone();
        given.reverse();
        let fates = judge(rules, given, self.now());
        self.compare_counts(rules, &fates);
        let kept = |id: Uuid| {
            let fate = fates.iter().find(|fate| fate.backup.id == id);
            !fate.unwrap().kept_for.is_empty()
        };
        let had = self.place.len();
        let newest = self.of("full").next_back().map(|it| it.id);
        self.place.retain(|it| kept(it.id));
        self.removed += had - self.place.len();
        assert_eq!(newest, self.of("full").next_back().map(|it| it.id));
        let after = self.restorable();
        let begins = self.now().plus_seconds(-rules.window_seconds);
        for revision in 1..=self.commits.len() {
            // The last instant at which this revision was the present one.
            let until = self.commits.get(revision).copied();
            let is_promised = until.is_none_or(|until| until > begins);
            assert!(
                after[revision] || !before[revision] || !is_promised,
                "revision {revision} of the window is lost"
            );
        }
    }

    fn compare_counts(&self, rules: &RetentionRules, fates: &[Fate]) {
        let calendar = |at: Timestamp| {
            let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap();
            at.to_zoned(jiff::tz::TimeZone::UTC)
        };
        let periods: [(KeptFor, u32, Named); 4] = [
            (KeptFor::Hourly, rules.hourly, |at| {
                format!("{} {:02}", at.date(), at.hour())
            }),
            (KeptFor::Daily, rules.daily, |at| at.date().to_string()),
            (KeptFor::Weekly, rules.weekly, |at| {
                let week = at.date().iso_week_date();
                format!("{:04} {:02}", week.year(), week.week())
            }),
            (KeptFor::Monthly, rules.monthly, |at| {
                format!("{:04} {:02}", at.year(), at.month())
            }),
        ];
        for (kind, number, named) in periods {
            let mut newest: BTreeMap<String, Uuid> = BTreeMap::new();
            for full in self.of("full") {
                newest.insert(named(&calendar(full.committed_at)), full.id);
            }
            let expected: Vec<Uuid> = newest.into_values().rev().take(number as usize).collect();
            let mut found: Vec<Uuid> = fates
                .iter()
                .filter(|fate| fate.kept_for.contains(&kind))
                .map(|fate| fate.backup.id)
                .collect();
            found.reverse();
            assert_eq!(found, expected, "{kind}");
        }
        // What is before the window's own full backup is there for a number only.
        let begins = self.now().plus_seconds(-rules.window_seconds);
        let old = fates
            .iter()
            .filter(|fate| fate.backup.committed_at <= begins);
        let counted = old.filter(|fate| fate.backup.kind == "full");
        let all = rules.hourly + rules.daily + rules.weekly + rules.monthly;
        let kept = counted.filter(|fate| !fate.kept_for.is_empty()).count();
        assert!(kept <= all as usize + 2, "{kept} of {all}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn i09_whatever_is_pruned_every_second_of_the_window_is_still_restorable(
        rules in rules(),
        steps in vec(step(), 1..120),
    ) {
        let mut history = History::new();
        for step in steps {
            match step {
                Step::Change(seconds) => {
                    let next = history.now().plus_seconds(seconds);
                    history.commits.push(next);
                }
                Step::Full => {
                    // Ordering one is a change.
                    let next = history.now().plus_seconds(1);
                    history.commits.push(next);
                    history.make("full", 0);
                }
                Step::Segment => history.segment(),
                Step::Lose(from_end) => history.lose(from_end),
                Step::Prune => history.prune(&rules),
            }
        }
    }
}

#[test]
fn a_year_of_daily_backups_comes_down_to_what_the_rules_say() {
    let rules = RetentionRules {
        hourly: 0,
        daily: 7,
        weekly: 4,
        monthly: 12,
        window_seconds: 7 * 86_400,
    };
    let mut history = History::new();
    for _ in 0..365 {
        for _ in 0..3 {
            let next = history.now().plus_seconds(8 * 3_600);
            history.commits.push(next);
            history.segment();
        }
        history.make("full", 0);
        history.prune(&rules);
    }
    // Seven days, two weeks and eleven months besides, and the one that the window begins with.
    let fulls = history.of("full").count();
    assert!((19..=22).contains(&fulls), "{fulls}");
    let segments = history.of("segment").count();
    assert!((21..=27).contains(&segments), "{segments}");
    assert!(history.removed > 1_300, "{}", history.removed);
}
