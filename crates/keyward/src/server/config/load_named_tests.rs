#![allow(clippy::unwrap_used)]

use std::fs;

use keyward_core::audit::format::Format;
use keyward_core::sink_board::SinkKind;

use crate::server::config::{Config, ConfigError, Sources, load};

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

#[test]
fn there_are_as_many_sinks_as_names_and_each_can_be_overridden() {
    let text = "[audit_sink.siem]\nkind = \"splunk\"\nurl = \"https://a:8088\"\nformat = \"ocsf\"\n\
                [audit_sink.archive-2]\nkind = \"file\"\npath = \"/var/log/a\"\noutcomes = [\"ok\"]\n";
    let environment = [
        ("KEYWARD_AUDIT_SINK_ARCHIVE_2_ROTATE_MIB", "7"),
        ("KEYWARD_AUDIT_SINK_SIEM_CA_FILE", "/etc/ca.pem"),
        ("KEYWARD_AUDIT_SINK_NEW_ONE_ACTIONS", "key.*, @use"),
        ("KEYWARD_AUDIT_QUEUE_ENTRIES", "64"),
    ];
    let config = with(text, &environment, &["audit_sink.siem.url=https://b:8088"]).unwrap();
    let sinks = &config.audit_sink;
    assert_eq!(sinks.len(), 3);
    assert_eq!(sinks["siem"].kind, Some(SinkKind::Splunk));
    assert_eq!(sinks["siem"].format, Format::Ocsf);
    assert_eq!(sinks["siem"].url.as_deref(), Some("https://b:8088"));
    assert_eq!(sinks["siem"].ca_file, Some("/etc/ca.pem".into()));
    assert_eq!(sinks["archive-2"].rotate_mib, 7);
    assert_eq!(sinks["archive-2"].rotate_hours, 24);
    assert_eq!(sinks["new-one"].actions, ["key.*", "@use"]);
    assert_eq!(config.audit.queue_entries, 64);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_no_value_is_repeated() {
    let text = "[audit_sink]\nloose = 1\n[audit_sink.siem]\nkind = \"carrier-pigeon\"\n\
                tokenfile = \"hunter2\"\nbatch_kib = \"many\"\n[audit_sink.\"A B\"]\nkind = \"file\"\n";
    let environment = [("KEYWARD_AUDIT_SINK_SIEM_COLOUR", "hunter2")];
    let wrong = with(text, &environment, &["audit_sink.siem=hunter2"]).unwrap_err();
    let said = wrong.to_string();
    for part in [
        "[audit_sink.loose]",
        "audit_sink.siem.kind",
        "`file`",
        "did you mean `token_file`",
        "audit_sink.siem.batch_kib",
        "a sink's name",
        "KEYWARD_AUDIT_SINK_SIEM_COLOUR",
        "audit_sink.NAME.key=value",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
