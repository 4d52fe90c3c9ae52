//! A journal of the format that has signatures, behind a segment of the format before.

use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use keyward_audit::trees::{Forest, LogDirectory};
use keyward_audit::{BatchKey, Journal, JournalConfig};
use keyward_core::audit::AuditEvent;
use keyward_core::crypto_types::Algorithm;
use keyward_core::node::UsageBook;
use keyward_core::port::audit_log::{AuditLog, TailQuery};
use keyward_crypto::SystemRandom;
use keyward_crypto::digest::sha256;
use keyward_crypto::material::KeyMaterial;
use keyward_crypto::prepared::{Message, PreparedKey, SignatureScheme};
use keyward_testkit::world::DrivenClock;
use serde_json::{Value, json};

use crate::{copy, corpus, hex, load, may_add, save, text};

fn open(place: &Path, told: &Value) -> Journal {
    Journal::open(
        place,
        JournalConfig::default(),
        text(told, "node").into(),
        text(told, "deployment").parse().unwrap(),
        Arc::new(DrivenClock::new()),
        Arc::new(UsageBook::new(0, 0)),
    )
    .unwrap()
}

async fn all(journal: &Journal) -> Vec<AuditEvent> {
    let query = TailQuery {
        tenant: None,
        after: Some(0),
        limit: usize::MAX,
    };
    let entries = journal.tail(query).await.unwrap();
    entries.into_iter().map(|entry| entry.event).collect()
}

fn digest(event: &AuditEvent) -> String {
    HEXLOWER.encode(&sha256(&serde_json::to_vec(event).unwrap()))
}

/// A key that nobody keeps.
fn key() -> BatchKey {
    let material = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom).unwrap();
    let public = *material.public().unwrap().last_chunk().unwrap();
    let prepared = PreparedKey::new(&material).unwrap();
    BatchKey::new(public, move |text| {
        let signed = prepared.sign(SignatureScheme::Ed25519, Message::Raw(text));
        signed.ok()?.try_into().ok()
    })
}

/// The journal of format 1, gone on with by whoever signs.
async fn make() {
    let mut told = load("journal/1/expected.json");
    let folder = tempfile::tempdir().unwrap();
    copy(&corpus("journal/1/audit"), folder.path());
    let journal = open(folder.path(), &told);
    let key = key();
    told["signed_by"] = HEXLOWER.encode(&key.public()).into();
    journal.sign_by(Some(key));
    for event in all(&journal).await.into_iter().take(5) {
        journal.append(event).await.unwrap();
    }
    journal.close().await;
    let digests: Vec<String> = all(&journal).await.iter().map(digest).collect();
    told["entries"] = json!(digests);
    copy(folder.path(), &corpus("journal/2/audit"));
    save("journal/2/expected.json", &told);
}

#[tokio::test]
async fn a_journal_with_signatures_is_read_and_what_they_cover_is_as_it_was() {
    if may_add() && !corpus("journal/2").exists() {
        make().await;
    }
    let told = load("journal/2/expected.json");
    let folder = tempfile::tempdir().unwrap();
    copy(&corpus("journal/2/audit"), folder.path());
    let journal = Arc::new(open(folder.path(), &told));
    let digests: Vec<String> = all(&journal).await.iter().map(digest).collect();
    assert_eq!(json!(digests), told["entries"]);
    let log = LogDirectory::new(&folder.path().join("log")).unwrap();
    let mut forest = Forest::open(log, journal).unwrap();
    while forest.grow().unwrap() {}
    assert!(forest.is_signed());
    assert_eq!(forest.strangers()[0].to_vec(), hex(&told, "signed_by"));
}
