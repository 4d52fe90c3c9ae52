#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use super::*;
use crate::server::config::{AuditSync, TlsMode};

fn from_file(text: &str) -> Result<Config, ConfigError> {
    with(text, &[], &[])
}

fn with(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keyward.toml");
    fs::write(&file, text).unwrap();
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    load(&Sources {
        file: Some(file),
        environment: environment.iter().map(own).collect(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    })
}

fn problems(result: Result<Config, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn nothing_at_all_is_a_configuration() {
    assert_eq!(load(&Sources::default()).unwrap(), Config::default());
    assert_eq!(from_file("").unwrap(), Config::default());
}

#[test]
fn the_file_gives_way_to_the_environment_and_that_to_flags() {
    let text = "[audit]\nsync = \"written\"\nqueue_entries = 100\n[node]\nname = \"from-file\"";
    let environment = [
        ("KEYWARD_NODE_NAME", "from-environment"),
        ("KEYWARD_AUDIT_QUEUE_ENTRIES", "200"),
    ];
    let config = with(
        text,
        &environment,
        &["audit.queue_entries=300", "listen.tls=self-made"],
    )
    .unwrap();
    assert_eq!(config.audit.sync, AuditSync::Written);
    assert_eq!(config.node.name, "from-environment");
    assert_eq!(config.audit.queue_entries, 300);
    assert_eq!(config.listen.tls, TlsMode::SelfMade);
}

#[test]
fn every_setting_can_be_overridden_by_its_variable() {
    for row in ROWS {
        let example = match (row.form)().as_str() {
            "whole number" => "7",
            "`true` or `false`" => "true",
            "address:port" => "127.0.0.1:9",
            form if form.starts_with('`') => form.split('`').nth(1).unwrap().to_owned().leak(),
            _ => "something",
        };
        let variable = row.variable();
        with("", &[(&variable, example)], &[])
            .unwrap_or_else(|error| panic!("{variable}: {error}"));
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "[audit]\nsync = \"sometimes\"\nqeue_entries = 5\n[lsten]\n[node]\nname = 5\n";
    let said = problems(with(
        text,
        &[
            ("KEYWARD_LIMITS_BODY_BYTES", "many"),
            ("KEYWARD_LIMITS_BODYBYTES", "1"),
        ],
        &["metrics.open", "metrics.opn=true"],
    ));
    assert!(said.contains("8 problem(s)"), "{said}");
    for part in [
        "audit.sync in",
        "must be: `always`, `written`",
        "did you mean `queue_entries`?",
        "did you mean `listen`?",
        "node.name in",
        "KEYWARD_LIMITS_BODY_BYTES: must be: whole number",
        "KEYWARD_LIMITS_BODYBYTES: there is no such setting; did you mean `body_bytes`?",
        "did you mean `metrics.open`?",
        "must look like section.key=value",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[test]
fn a_misspelt_variable_of_a_longer_section_is_named_in_it() {
    let said = problems(with("", &[("KEYWARD_STORAGE_S3_BUCKTE", "b")], &[]));
    assert!(said.contains("did you mean `bucket`?"), "{said}");
    let config = with("", &[("KEYWARD_STORAGE_S3_BUCKET", "b")], &[]).unwrap();
    assert_eq!(config.storage_s3.bucket.as_deref(), Some("b"));
}

#[test]
fn variables_of_others_are_none_of_our_business() {
    with(
        "",
        &[
            ("KEYWARD_TENANT", "demo"),
            ("HOME", "/"),
            ("KEYWARD_TOKEN_FILE", "/t"),
        ],
        &[],
    )
    .unwrap();
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_line_and_not_quoted() {
    let said = problems(from_file("[node]\nname = \"a\"\npassword hunter2\n"));
    assert!(said.contains("line 3"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let sources = Sources {
        file: Some("/nowhere/keyward.toml".into()),
        ..Sources::default()
    };
    assert!(problems(load(&sources)).contains("/nowhere/keyward.toml"));
}

#[test]
fn numbers_below_zero_are_refused() {
    assert!(problems(from_file("[limits]\nbody_bytes = -1")).contains("limits.body_bytes"));
}
