#![allow(clippy::unwrap_used)]

use super::*;
use crate::private_file;

fn said(sinks: &[(&str, AuditSink)]) -> String {
    let own = |(name, it): &(&str, AuditSink)| ((*name).to_owned(), it.clone());
    let config = Config {
        audit_sink: sinks.iter().map(own).collect(),
        ..Config::default()
    };
    super::super::check(&config).map_or_else(|error| error.to_string(), |()| String::new())
}

fn splunk(dir: &Path) -> AuditSink {
    let token = dir.join("token");
    private_file::write(&token, b"secret").unwrap();
    AuditSink {
        kind: Some(SinkKind::Splunk),
        url: Some("https://splunk.example:8088".to_owned()),
        token_file: Some(SecretSource::File(token)),
        ..AuditSink::default()
    }
}

#[track_caller]
fn refused(it: AuditSink, parts: &[&str]) {
    let said = said(&[("siem", it)]);
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_whole_sink_passes_and_becomes_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let good = AuditSink {
        from: "17".to_owned(),
        tenants: vec!["system".to_owned()],
        actions: vec!["key.*".to_owned(), "@release".to_owned()],
        outcomes: vec!["failed".to_owned()],
        ..splunk(dir.path())
    };
    assert_eq!(said(&[("siem", good.clone())]), "");
    let config = Config {
        audit_sink: BTreeMap::from([("siem".to_owned(), good)]),
        ..Config::default()
    };
    let unread = |_: &SecretSource| -> Arc<dyn Credential> { Arc::new(Unread) };
    let sinks = sinks(&config, &unread).unwrap();
    assert_eq!(sinks.len(), 1);
    assert_eq!(sinks[0].from, Start::After(17));
    assert_eq!(sinks[0].filter.tenants, [TenantChoice::System]);
    assert_eq!(sinks[0].filter.actions.len(), 2);
}

#[test]
fn what_is_dangerous_or_does_nothing_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let it = || splunk(dir.path());
    let url = |url: &str| AuditSink {
        url: Some(url.to_owned()),
        ..it()
    };
    refused(AuditSink::default(), &["audit_sink.siem.kind: must be set"]);
    refused(url("http://10.0.0.1:8088"), &["must be https"]);
    refused(url("http://127.0.0.1:8088"), &["allow_plain"]);
    refused(url("https://user:hunter2@a:8088"), &["no user"]);
    assert!(!said(&[("siem", url("https://user:hunter2@a"))]).contains("hunter2"));
    refused(
        url("https://a:8088/services/collector"),
        &["without a path"],
    );
    let useless = AuditSink {
        path: Some("/var/log/a".into()),
        keep: 3,
        ..it()
    };
    refused(
        useless,
        &["siem.path: does nothing", "siem.keep: does nothing"],
    );
    let filter = AuditSink {
        tenants: vec!["clinic".to_owned()],
        actions: vec!["key.creat".to_owned()],
        outcomes: vec!["good".to_owned()],
        from: "yesterday".to_owned(),
        batch_kib: 1,
        ..it()
    };
    refused(
        filter,
        &[
            "`clinic`",
            "`key.creat`",
            "`good`",
            "siem.from",
            "16 to 16384",
        ],
    );
}

#[test]
fn secrets_are_private_and_lines_beyond_this_machine_are_tls() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let it = splunk(dir.path());
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("token"), open).unwrap();
    refused(it, &["audit_sink.siem.token_file", "chmod 600"]);
    let syslog = |address: &str, plain| AuditSink {
        kind: Some(SinkKind::Syslog),
        address: Some(address.to_owned()),
        allow_plain: plain,
        ..AuditSink::default()
    };
    refused(syslog("10.0.0.1:6514", true), &["siem.allow_plain"]);
    refused(
        syslog("10.0.0.1:6514", false),
        &["siem.ca_file: must be set"],
    );
    refused(syslog("collector", false), &["host:port"]);
    for address in ["127.0.0.1:514", "[::1]:514", "localhost:514"] {
        assert_eq!(said(&[("siem", syslog(address, true))]), "", "{address}");
    }
}

#[test]
fn a_subject_of_nats_is_one_subject() {
    let nats = |subject: &str| AuditSink {
        kind: Some(SinkKind::Nats),
        address: Some("127.0.0.1:4222".to_owned()),
        allow_plain: true,
        subject: Some(subject.to_owned()),
        ..AuditSink::default()
    };
    assert_eq!(said(&[("siem", nats("kms.audit"))]), "");
    for wrong in ["", "kms.>", "kms.*.a", "kms..a", "kms audit", ".kms"] {
        refused(nats(wrong), &["audit_sink.siem.subject"]);
    }
}

#[test]
fn two_sinks_do_not_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let it = AuditSink {
        kind: Some(SinkKind::File),
        path: Some(dir.path().join("audit.jsonl")),
        ..AuditSink::default()
    };
    let both = said(&[("one", it.clone()), ("two", it.clone())]);
    assert!(both.contains("audit_sink.two.path: is the file of one too"));
    let nowhere = AuditSink {
        path: Some("/nowhere/at/all".into()),
        ..it
    };
    refused(nowhere, &["/nowhere/at is not a directory"]);
}
