//! The worked example of docs/formats/journal.md is what the journal writes.

use keyward_core::audit::{Actor, Authentication, Resource, Used};
use keyward_core::ids::{KeyId, PrincipalId, TokenId, VersionId};
use keyward_core::port::audit_log::AuditLog;
use uuid::Uuid;

use crate::disk::Disk;
use crate::fixture::{change, event, open_on, tenant};

const DOCUMENT: &str = include_str!("../../../../docs/formats/journal.md");

/// The bytes in the document's `hex` blocks: what follows the offset on each line, up to `|`.
fn documented() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut inside = false;
    for line in DOCUMENT.lines() {
        match line {
            "```hex" => inside = true,
            "```" => inside = false,
            _ if inside => {
                let digits = line.split('|').next().unwrap();
                let words = digits.split_whitespace().skip(1);
                bytes.extend(words.map(|word| u8::from_str_radix(word, 16).unwrap()));
            }
            _ => {}
        }
    }
    bytes
}

fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate().map(|(at, line)| {
        let digits: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| {
            if (b' '..=b'~').contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let text: String = line.iter().map(printable).collect();
        format!("{:04x}  {:<47}  |{text}|", at * 16, digits.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_worked_example_is_what_is_written() {
    let disk = Disk::default();
    let journal = open_on(&disk).unwrap();
    journal.append(change(1)).await.unwrap();
    let mut used = event("req-7", Some(tenant(0xa1)));
    used.actor = Actor {
        principal: Some(PrincipalId::from_uuid(Uuid::from_u128(0xb2))),
        token: Some(TokenId::from_uuid(Uuid::from_u128(0xc3))),
        address: Some("192.0.2.7".to_owned()),
        authentication: Authentication::Token,
    };
    used.resource = Resource {
        kind: "key".into(),
        id: Some(Uuid::from_u128(0xd4)),
        name: Some("orders".to_owned()),
        version: Some(1),
    };
    used.used = vec![Used {
        key: KeyId::from_uuid(Uuid::from_u128(0xd4)),
        version: VersionId::from_uuid(Uuid::from_u128(0xe5)),
        protects: 1,
        processes: 0,
        bytes: 64,
    }];
    journal.append(used).await.unwrap();
    journal.close().await;
    let written = disk.file("journal-00000000000000000001.kwj");
    assert_eq!(dump(&documented()), dump(&written));
}
