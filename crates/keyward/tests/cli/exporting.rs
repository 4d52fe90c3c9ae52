//! `keyward audit export`: the log in other tools' forms, in a file that can be gone on with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::{mode_of, with_dev};

fn number_in(said: &str, behind: &str) -> u64 {
    let after = said.split(behind).nth(1).unwrap();
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn the_log_is_exported_and_gone_on_with_where_it_ended() {
    let (stage, _dev) = with_dev();
    for number in 0..4 {
        stage.keyward(&format!("key create ward-{number}")).done();
    }
    let first = stage.path("first.csv");
    let ended = stage.keyward(&format!(
        "audit export --format csv --out {}",
        first.display()
    ));
    let last = number_in(&ended.err, "--after ");
    assert_eq!(ended.done(), "");
    assert_eq!(mode_of(&first), 0o600);
    let text = fs::read_to_string(&first).unwrap();
    assert!(text.starts_with("sequence,time,node,"));
    assert_eq!(
        text.matches(",key.create,ok,").count(),
        4 + sample_keys(&text)
    );
    stage.keyward("key create ward-late").done();
    // Never over a file that is there.
    let again = format!("audit export --format csv --out {}", first.display());
    stage.keyward(&again).refused(1, &["first.csv"]);
    assert_eq!(fs::read_to_string(&first).unwrap(), text);

    let next = stage.keyward(&format!("audit export --format csv --after {last}"));
    let next = next.done();
    assert!(!next.contains("sequence,time"), "one head is enough");
    assert!(next.contains(",ward-late,"));
    let sequence = |line: &str| line.split(',').next().unwrap().parse::<u64>().unwrap();
    let before: BTreeSet<u64> = text.lines().skip(1).map(sequence).collect();
    let behind: BTreeSet<u64> = next.lines().map(sequence).collect();
    assert!(before.is_disjoint(&behind));
    for form in ["jsonl", "cef", "leef", "ocsf", "ecs", "cloudevents"] {
        let text = stage
            .keyward(&format!("audit export --format {form}"))
            .done();
        assert!(text.contains("ward-late"), "{form}");
    }
    stage
        .keyward("audit export --format xml")
        .refused(2, &["xml", "cloudevents"]);
    let never = stage.path("never.jsonl");
    stage
        .keyward(&format!(
            "audit export --since yesterday --out {}",
            never.display()
        ))
        .refused(2, &["since"]);
    assert!(!never.exists(), "the same words can be said again");
}

/// The keys of the sample data, which are made before.
fn sample_keys(text: &str) -> usize {
    let made = text.lines().filter(|line| line.contains(",key.create,ok,"));
    made.filter(|line| !line.contains(",ward-")).count()
}

#[test]
fn the_schema_of_entries_is_the_one_that_is_published() {
    let published = include_str!("../../../../docs/formats/audit-entry.schema.json");
    let stage = crate::stage::Stage::new();
    assert_eq!(stage.keyward("audit schema").done(), published);
}

/// Where `make test` puts it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python")
}

#[test]
fn a_table_of_the_log_says_what_its_lines_say() {
    let (stage, _dev) = with_dev();
    stage.keyward("key create ward-1").done();
    stage.keyward_with("key encrypt ward-1", b"text").done();
    stage.keyward("key show nothing").refused(3, &[]);
    let ended = stage.keyward("audit export --tenant demo --out demo.jsonl");
    let last = number_in(&ended.err, "--after ");
    ended.done();
    let all = "audit export --tenant demo --format parquet";
    stage
        .keyward(&format!("{all} --to {last} --out demo.parquet"))
        .done();
    assert_eq!(mode_of(&stage.path("demo.parquet")), 0o600);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python())
        .arg(here.join("tests/table.py"))
        .args([stage.path("demo.parquet"), stage.path("demo.jsonl")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\nif pyarrow is missing: run `make prepare`, or target/tools/venv/bin/python -m pip install pyarrow"
    );
    let rows: usize = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(rows > 5, "{rows}");
    // Not over what is there, not to a terminal, and nothing half.
    stage
        .keyward(&format!("{all} --out demo.parquet"))
        .refused(1, &["demo.parquet"]);
    stage.keyward(all).refused(2, &["--out"]);
    stage
        .keyward(&format!("{all} --since yesterday --out never.parquet"))
        .refused(2, &["since"]);
    assert!(!stage.path("never.parquet").exists());
}
