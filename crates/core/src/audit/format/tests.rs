#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Emitter, Format};
use crate::audit::{Actor, AuditEvent, Authentication, Journaled, LeafMark, Outcome, Resource};
use crate::ids::{PrincipalId, TenantId, TokenId};
use crate::names::CorrelationId;
use crate::noun::action::Action;
use crate::time::Timestamp;

fn emitter() -> Emitter {
    Emitter {
        deployment: Uuid::from_u128(0xd).to_string(),
        version: "1.2.3",
    }
}

fn rotation() -> Journaled {
    Journaled {
        as_logged: None,
        sequence: 42,
        event: AuditEvent {
            time: Timestamp::from_micros(1_795_000_000_123_456),
            node: "node-a".into(),
            tenant: Some(TenantId::from_uuid(Uuid::from_u128(0xa1))),
            actor: Actor {
                principal: Some(PrincipalId::from_uuid(Uuid::from_u128(0xb2))),
                token: Some(TokenId::from_uuid(Uuid::from_u128(0xc3))),
                address: Some("192.0.2.7".to_owned()),
                authentication: Authentication::Token,
            },
            action: Action::KeyRotate,
            resource: Resource {
                kind: "key".into(),
                id: Some(Uuid::from_u128(0xe5)),
                name: Some("orders".to_owned()),
                version: Some(3),
            },
            outcome: Outcome::Ok,
            reason: None,
            correlation_id: CorrelationId::new("req-7").unwrap(),
            details: BTreeMap::from([("overlap".to_owned(), json!("a=b|c\\d"))]),
            used: Vec::new(),
            revision: Some(9),
            change: Some(4),
            signature: None,
            leaf: LeafMark::default(),
        },
    }
}

fn refused() -> Journaled {
    let mut entry = rotation();
    entry.sequence = 43;
    entry.event.tenant = None;
    entry.event.actor = Actor {
        address: Some("2001:db8::7".to_owned()),
        authentication: Authentication::None,
        principal: None,
        token: None,
    };
    entry.event.action = Action::AuthenticationRefused;
    entry.event.resource = Resource {
        kind: "token".into(),
        ..Resource::default()
    };
    entry.event.outcome = Outcome::Refused;
    entry.event.reason = Some("unauthenticated".to_owned());
    entry.event.details = BTreeMap::new();
    entry
}

fn line(format: Format, entry: &Journaled) -> String {
    format.line(&emitter(), entry).unwrap()
}

fn object(format: Format, entry: &Journaled) -> Value {
    serde_json::from_str(&line(format, entry)).unwrap()
}

const TENANT: &str = "00000000-0000-0000-0000-0000000000a1";

#[test]
fn cef_is_a_header_between_bars_and_escaped_pairs() {
    assert_eq!(
        line(Format::Cef, &rotation()),
        format!(
            "CEF:0|Keyward|Keyward|1.2.3|key.rotate|Makes a new version and lets it protect|3|\
             rt=1795000000123 dvchost=node-a externalId=node-a/42@1795000000123456 act=key.rotate outcome=ok \
             src=192.0.2.7 suid=00000000-0000-0000-0000-0000000000b2 \
             cs1Label=Tenant cs1={TENANT} cs2Label=ResourceKind cs2=key \
             cs3Label=ResourceName cs3=orders \
             cs4Label=ResourceId cs4=00000000-0000-0000-0000-0000000000e5 \
             cs5Label=CorrelationId cs5=req-7 \
             cs6Label=Details cs6={{\"overlap\":\"a\\=b|c\\\\\\\\d\"}} cn1Label=KeyVersion cn1=3"
        )
    );
    // An IPv6 address has a field of its own.
    let line = line(Format::Cef, &refused());
    assert!(line.contains(" c6a2Label=Source IPv6 Address c6a2=2001:db8::7 "));
    assert!(line.contains("|5|") && line.contains(" outcome=refused reason=unauthenticated"));
    assert!(!line.contains(" src=") && !line.contains("cs1"));
}

#[test]
fn cef_has_the_instants_of_a_count_as_it_has_all_instants() {
    let mut entry = rotation();
    entry.event.action = Action::KeyEncrypt;
    entry.event.details = BTreeMap::from([
        ("began_with".to_owned(), json!(40)),
        ("count".to_owned(), json!(512)),
        ("from".to_owned(), json!("2026-11-18T11:06:00.000500Z")),
        ("to".to_owned(), json!("2026-11-18T11:06:40.123456Z")),
    ]);
    let line = line(Format::Cef, &entry);
    let pairs = " cnt=512 start=1794999960000 end=1795000000123 ";
    assert!(line.contains(pairs), "{line}");
}

#[test]
fn leef_is_a_header_between_bars_and_attributes_between_tabs() {
    let line = line(Format::Leef, &rotation());
    let (header, attributes) = line.split_at(line.find("x09|").unwrap() + 4);
    assert_eq!(header, "LEEF:2.0|Keyward|Keyward|1.2.3|key.rotate|x09|");
    let pairs: BTreeMap<&str, &str> = attributes
        .split('\t')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    assert_eq!(pairs["devTime"], "1795000000123");
    assert_eq!(pairs["src"], "192.0.2.7");
    assert_eq!(pairs["usrName"], "00000000-0000-0000-0000-0000000000b2");
    assert_eq!(pairs["sev"], "3");
    assert_eq!(pairs["details"], "{\"overlap\":\"a=b|c\\\\d\"}");
}

#[test]
fn csv_has_as_many_cells_as_columns() {
    let head = Format::Csv.head().unwrap();
    assert!(head.starts_with("sequence,time,node,tenant,action,outcome,"));
    let line = line(Format::Csv, &rotation());
    assert!(line.starts_with(&format!(
        "42,2026-11-18T11:06:40.123456Z,node-a,{TENANT},key.rotate,ok,,"
    )));
    assert!(line.ends_with(r#",req-7,9,4,"{""overlap"":""a=b|c\\d""}","#));
    assert_eq!(cells(&line).len(), cells(&head).len());
}

#[test]
fn a_text_that_a_spreadsheet_would_run_is_a_text() {
    for text in ["=1+2", "+x", "-x", "@SUM(A1)", "=cmd|'/c calc'!A1"] {
        let mut entry = rotation();
        entry.event.reason = Some(text.to_owned());
        assert_eq!(cells(&line(Format::Csv, &entry))[6], format!("'{text}"));
    }
}

#[test]
fn ocsf_has_the_classes_and_numbers_of_the_schema() {
    let rotation = object(Format::Ocsf, &rotation());
    assert_eq!(rotation["class_uid"], 3004);
    assert_eq!(rotation["category_uid"], 3);
    assert_eq!(rotation["activity_id"], 3);
    assert_eq!(rotation["type_uid"], 300_403);
    assert_eq!(rotation["time"], 1_795_000_000_123_i64);
    assert_eq!(rotation["severity_id"], 2);
    assert_eq!(rotation["status_id"], 1);
    assert_eq!(rotation["metadata"]["version"], "1.3.0");
    assert_eq!(rotation["metadata"]["tenant_uid"], TENANT);
    assert_eq!(rotation["metadata"]["uid"], "node-a/42@1795000000123456");
    assert_eq!(rotation["entity"]["type"], "Cryptographic Key");
    assert_eq!(rotation["entity"]["name"], "orders");
    assert_eq!(rotation["unmapped"]["revision"], 9);
    let refused = object(Format::Ocsf, &refused());
    assert_eq!(refused["class_uid"], 3002);
    assert_eq!(refused["type_uid"], 300_201);
    assert_eq!(refused["status_id"], 2);
    assert_eq!(refused["status_detail"], "unauthenticated");
    assert_eq!(refused["src_endpoint"]["ip"], "2001:db8::7");
}

/// What the schema demands of each class that is used (OCSF 1.3.0).
#[test]
fn every_action_has_what_its_ocsf_class_demands() {
    for action in Action::ALL {
        let mut entry = rotation();
        entry.event.action = *action;
        let event = object(Format::Ocsf, &entry);
        for field in [
            "activity_id",
            "category_uid",
            "class_uid",
            "severity_id",
            "time",
            "type_uid",
        ] {
            assert!(
                event[field].is_i64() || event[field].is_u64(),
                "{action}: {field}"
            );
        }
        assert!(event["metadata"]["product"]["vendor_name"].is_string());
        let class = event["class_uid"].as_u64().unwrap();
        let demanded: &[&str] = match class {
            3001 | 3002 => &["user"],
            3004 => &["entity"],
            3005 => &["user", "privileges"],
            6002 => &["app"],
            6003 => &["actor", "api", "src_endpoint"],
            other => panic!("{action}: {other}"),
        };
        for field in demanded {
            assert!(!event[*field].is_null(), "{action}: {field}");
        }
        assert_eq!(
            event["type_uid"].as_u64().unwrap(),
            class * 100 + event["activity_id"].as_u64().unwrap()
        );
    }
}

/// The values that the schema allows for these two (ECS 8.17).
#[test]
fn every_action_has_categories_and_types_that_ecs_knows() {
    const CATEGORIES: &[&str] = &["api", "authentication", "configuration", "iam"];
    const TYPES: &[&str] = &[
        "access", "admin", "change", "creation", "deletion", "denied", "end", "error", "start",
    ];
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    for action in Action::ALL {
        for outcome in Outcome::ALL {
            let mut entry = rotation();
            entry.event.action = *action;
            entry.event.outcome = *outcome;
            let event = object(Format::Ecs, &entry);
            for category in texts(&event["event"]["category"]) {
                assert!(CATEGORIES.contains(&category.as_str()), "{category}");
            }
            for kind in texts(&event["event"]["type"]) {
                assert!(TYPES.contains(&kind.as_str()), "{kind}");
            }
            let ended = event["event"]["outcome"].as_str().unwrap();
            assert_eq!(ended == "success", *outcome == Outcome::Ok);
            assert_eq!(event["@timestamp"], "2026-11-18T11:06:40.123456Z");
            assert_eq!(event["source"]["ip"], "192.0.2.7");
        }
    }
}

#[test]
fn a_cloud_event_has_its_four_and_the_entry_as_data() {
    let event = object(Format::CloudEvents, &rotation());
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], "node-a/42@1795000000123456");
    assert_eq!(
        event["source"],
        "urn:keyward:00000000-0000-0000-0000-00000000000d"
    );
    assert_eq!(event["type"], "keyward.key.rotate");
    assert_eq!(event["subject"], "key/orders");
    let data: Journaled = serde_json::from_value(event["data"].clone()).unwrap();
    assert_eq!(data, rotation());
}

/// Reads RFC 4180.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

/// Splits an extension at the equal signs that are not escaped.
fn pairs_of_cef(line: &str) -> usize {
    let extension = line.splitn(8, '|').last().unwrap();
    let mut escaped = false;
    let equals = extension.chars().filter(|letter| {
        let counts = *letter == '=' && !escaped;
        escaped = *letter == '\\' && !escaped;
        counts
    });
    equals.count()
}

proptest! {
    /// Whatever callers write into the texts that come here: a line is a line, and no field begins
    /// where somebody else's text stands.
    #[test]
    fn no_text_breaks_out_of_its_field(reason in ".*", name in ".*", more in ".*") {
        let mut entry = rotation();
        entry.event.reason = Some(format!("x{reason}"));
        entry.event.resource.name = Some(format!("x{name}"));
        entry.event.details = BTreeMap::from([("more".to_owned(), json!(more))]);
        for format in Format::ALL {
            let line = line(*format, &entry);
            prop_assert!(!line.contains(['\n', '\r']), "{format}: {line:?}");
        }
        let mut plain = rotation();
        plain.event.reason = Some("x".to_owned());
        prop_assert_eq!(
            pairs_of_cef(&line(Format::Cef, &entry)),
            pairs_of_cef(&line(Format::Cef, &plain))
        );
        let csv = cells(&line(Format::Csv, &entry));
        prop_assert_eq!(csv.len(), 20);
        prop_assert_eq!(csv[13].replace(' ', ""), format!("x{name}").replace([' ', '\n', '\r'], ""));
        let leef = line(Format::Leef, &entry);
        prop_assert_eq!(leef.matches('\t').count(), line(Format::Leef, &plain).matches('\t').count());
        let whole: Journaled = serde_json::from_str(&line(Format::JsonLines, &entry)).unwrap();
        prop_assert_eq!(whole, entry);
    }
}
