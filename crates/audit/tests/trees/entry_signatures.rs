//! The node's signatures in entries themselves: which have one, and that whoever has such an entry alone
//! notices whatever is altered in it.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_audit::{
    BatchKey, EntriesInOrder, EntryFault, EntryKeys, EntryStanding, Journal, SyncMode, logged_bytes,
};
use keyward_core::audit::{AsLogged, AuditEvent, Journaled, NodeSignature, Outcome};
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditError, AuditLog, TailQuery};
use parking_lot::Mutex;

use crate::stage::{event, synced_journal, tenant};

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> [u8; 32] {
    pair(seed).public_key().as_ref().try_into().unwrap()
}

fn key(seed: u8) -> BatchKey {
    let pair = pair(seed);
    BatchKey::new(public(seed), move |text| {
        pair.sign(text).as_ref().try_into().ok()
    })
}

fn of(action: Action, name: &str) -> AuditEvent {
    AuditEvent {
        action,
        ..event(name, Some(tenant(0xa1)), Some(2))
    }
}

fn entries(journal: &Journal) -> Vec<Vec<u8>> {
    let page = journal.written(0, 1024 * 1024).unwrap();
    page.into_iter().map(|entry| entry.bytes).collect()
}

fn text(entry: &[u8]) -> &str {
    str::from_utf8(entry).unwrap()
}

/// The vector of docs/formats/journal.md, made by another program (Python's `cryptography`).
const SIGNED: &str = r#"{"action":"key.rotate","actor":{"authentication":"system"},"change":2,"correlation_id":"req-7","node":"node-a","outcome":"ok","resource":{"kind":"key"},"revision":2,"signature":"ND0XtX3mcQytPkpOde4Z+WnoWfyoYLSBZnCRStUl0JcPQ3HR3AplV9XvHhits+jjX9DLFAazl+M2YgaA+xhmpF6yAAM=","tenant":"00000000-0000-0000-0000-0000000000a1","time":"2026-11-18T11:06:40.000000Z"}"#;

#[tokio::test]
async fn i13_entries_of_changes_carry_the_nodes_signature_and_others_do_not() {
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Always);
    journal.sign_by(Some(key(1)));
    journal
        .append(of(Action::KeyRotate, "req-7"))
        .await
        .unwrap();
    let refused = AuditEvent {
        outcome: Outcome::Refused,
        ..of(Action::RoleAssign, "refused")
    };
    journal.append(refused).await.unwrap();
    for unsigned in [
        Action::KeyEncrypt,
        Action::AuditHeads,
        Action::AuthenticationRefused,
    ] {
        journal.append(of(unsigned, "batch")).await.unwrap();
    }
    let entries = entries(&journal);
    assert_eq!(text(&entries[0]), SIGNED);
    let keys = EntryKeys::new([public(2), public(1)]);
    let standings: Vec<_> = entries.iter().map(|it| keys.standing(it)).collect();
    let signed = Ok(EntryStanding::Signed(public(1)));
    let silent = Ok(EntryStanding::Silent);
    assert_eq!(standings, [signed, signed, silent, silent, silent]);
    // What readers and observers are given is what was written.
    let read = journal.tail(TailQuery {
        limit: 10,
        ..TailQuery::default()
    });
    let read = read.await.unwrap();
    let signature = read[0].event.signature.as_ref().unwrap();
    assert!(SIGNED.contains(signature.as_str()));
    assert_eq!(read[4].event.signature, None);
}

#[tokio::test]
async fn i13_whatever_byte_of_an_entry_is_altered_its_signature_is_not_of_it() {
    let keys = EntryKeys::new([public(1)]);
    let signed = |entry: &[u8]| matches!(keys.standing(entry), Ok(EntryStanding::Signed(_)));
    assert!(signed(SIGNED.as_bytes()));
    for at in 0..SIGNED.len() {
        for bit in 0..8 {
            let mut altered = SIGNED.as_bytes().to_vec();
            altered[at] ^= 1 << bit;
            assert!(!signed(&altered), "{at} {bit}");
            // As a line of an export it is refused as well, or is another entry.
            if let Ok(bytes) = logged_bytes(&altered) {
                assert!(!signed(&bytes), "{at} {bit}");
            }
        }
        let mut shorter = SIGNED.as_bytes().to_vec();
        shorter.remove(at);
        assert!(!signed(&shorter), "{at}");
    }
    assert_eq!(
        EntryKeys::new([public(2)]).standing(SIGNED.as_bytes()),
        Ok(EntryStanding::OtherKey([0x34, 0x3d, 0x17, 0xb5]))
    );
    // Not what stands in the details, and not a name that stands twice.
    let nested = r#"{"action":"key.rotate","details":{"a":1,"signature":"none"}}"#;
    assert_eq!(keys.standing(nested.as_bytes()), Ok(EntryStanding::Silent));
    let twice = SIGNED.replacen(r#""node":"#, r#""node":"node-b","node":"#, 1);
    assert!(logged_bytes(twice.as_bytes()).is_err());
    let broken = SIGNED.replace("ND0X", "ND0");
    assert_eq!(keys.standing(broken.as_bytes()), Err(EntryFault::Form));
}

#[tokio::test]
async fn i13_without_a_key_an_entry_says_so_and_a_rotation_and_a_start_are_gone_through() {
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Always);
    let append = async |journal: &Arc<Journal>, name: &str| {
        journal.append(of(Action::KeyRotate, name)).await.unwrap();
    };
    append(&journal, "sealed").await;
    journal.sign_by(Some(key(1)));
    append(&journal, "first-key").await;
    journal.sign_by(Some(key(2)));
    append(&journal, "second-key").await;
    journal.sign_by(None);
    append(&journal, "sealed-again").await;
    // A key whose owner does not let it sign any more.
    journal.sign_by(Some(BatchKey::new(public(2), |_| None)));
    append(&journal, "revoked").await;
    journal.close().await;
    let journal = synced_journal(place.path(), SyncMode::Always);
    append(&journal, "started").await;
    journal.sign_by(Some(key(2)));
    append(&journal, "unsealed").await;

    let (first, second) = (public(1), public(2));
    let keys = EntryKeys::new([first, second]);
    let standings: Vec<_> = entries(&journal)
        .iter()
        .map(|it| keys.standing(it).unwrap())
        .collect();
    let keyless = EntryStanding::Keyless;
    let signed = EntryStanding::Signed;
    assert_eq!(
        standings,
        [
            keyless,
            signed(first),
            signed(second),
            keyless,
            keyless,
            keyless,
            signed(second)
        ]
    );
    // A journal that may lose what it answered signs nothing.
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Written);
    journal.sign_by(Some(key(1)));
    append(&journal, "written").await;
    let standing = keys.standing(&entries(&journal)[0]);
    assert_eq!(standing, Ok(keyless));
}

#[tokio::test]
async fn i13_the_same_change_has_the_same_bytes_on_every_node_that_has_the_key() {
    let mut written = Vec::new();
    for _ in 0..2 {
        let place = tempfile::tempdir().unwrap();
        let journal = synced_journal(place.path(), SyncMode::Always);
        journal.sign_by(Some(key(1)));
        let mut change = of(Action::RoleUpdate, "req-8");
        // Whatever stands there, such as in what was read from another journal.
        change.signature = Some(NodeSignature::NONE);
        journal.append(change).await.unwrap();
        written.extend(entries(&journal));
    }
    assert_eq!(text(&written[0]), text(&written[1]));
}

#[tokio::test]
async fn an_entry_is_no_larger_than_an_entry_may_be_with_its_signature() {
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Always);
    let mut large = of(Action::KeyRotate, "large");
    large.reason = Some(String::new());
    journal.sign_by(Some(key(1)));
    journal.append(large.clone()).await.unwrap();
    let room = 16 * 1024 - entries(&journal)[0].len();
    large.reason = Some("x".repeat(room));
    journal.append(large.clone()).await.unwrap();
    assert_eq!(entries(&journal)[1].len(), 16 * 1024);
    // What has no room for it is logged all the same: it says `none`, or nothing.
    let keys = EntryKeys::new([public(1)]);
    let (signature, none) = (92, 4);
    for (more, standing) in [
        (1, EntryStanding::Keyless),
        (signature - none, EntryStanding::Keyless),
        (signature - none + 1, EntryStanding::Silent),
        (15 + signature, EntryStanding::Silent),
    ] {
        large.reason = Some("x".repeat(room + more));
        journal.append(large.clone()).await.unwrap();
        let logged = entries(&journal).pop().unwrap();
        assert_eq!(keys.standing(&logged), Ok(standing), "{more}");
        let mut in_order = EntriesInOrder::new(&keys);
        assert_eq!(in_order.look(SIGNED.as_bytes()), Ok(()));
        assert_eq!(in_order.look(&logged), Ok(()), "{more}");
        let is_silent = standing == EntryStanding::Silent;
        assert_eq!(in_order.unsigned, u64::from(is_silent), "{more}");
    }
    large.reason = Some("x".repeat(room + 15 + signature + 1));
    let refused = journal.append(large).await.unwrap_err();
    assert!(matches!(refused, AuditError::EntryTooLarge { size, .. } if size == 16 * 1024 + 1));
}

#[tokio::test]
async fn i13_in_a_tree_entries_without_a_signature_are_counted_and_are_no_fault() {
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Always);
    journal
        .append(of(Action::KeyRotate, "sealed"))
        .await
        .unwrap();
    journal.sign_by(Some(key(1)));
    journal
        .append(of(Action::KeyRotate, "signed"))
        .await
        .unwrap();
    journal
        .append(of(Action::KeyEncrypt, "used"))
        .await
        .unwrap();
    let keys = EntryKeys::new([public(1)]);
    let found = Mutex::new(EntriesInOrder::new(&keys));
    let look = |entry: &[u8]| found.lock().look(entry);
    // Of a version that signed none, and of others' logs.
    let bare = r#"{"action":"key.rotate","actor":{"authentication":"system"}}"#;
    assert_eq!(look(bare.as_bytes()), Ok(()));
    assert_eq!(look(b"entry 0"), Ok(()));
    for entry in entries(&journal) {
        assert_eq!(look(&entry), Ok(()));
    }
    let counts = |of: &EntriesInOrder<'_>| (of.signed, of.keyless, of.of_other_keys, of.unsigned);
    assert_eq!(counts(&found.lock()), (1, 1, 0, 0));
    // An earlier version logged for a while, and then this one again.
    assert_eq!(look(bare.as_bytes()), Ok(()));
    assert_eq!(look(SIGNED.as_bytes()), Ok(()));
    assert_eq!(counts(&found.lock()), (2, 1, 0, 1));
    let later = bare.replace("key.rotate", "key.of_a_later_version");
    assert_eq!(look(later.as_bytes()), Ok(()));
    assert_eq!(counts(&found.lock()), (2, 1, 0, 1));
    let altered = SIGNED.replace("node-a", "node-b");
    assert_eq!(look(altered.as_bytes()), Err(EntryFault::NotValid));
}

#[test]
fn what_others_call_a_signature_is_not_judged() {
    let keys = EntryKeys::new([public(1)]);
    let mut found = EntriesInOrder::new(&keys);
    // Logs of other programs, and what a later version of this one may mean by it.
    for leaf in [
        r#"{"name":"module","signature":"MEUCIQ"}"#,
        r#"{"action":"push","signature":"MEUCIQ"}"#,
        r#"{"action":"Push.Image","signature":"MEUCIQ"}"#,
        r#"{"action":"key.of_a_later_version","signature":"MEUCIQ"}"#,
        r#"{"action":"key.encrypt","signature":"MEUCIQ"}"#,
        r#"{"action":"push","signature":"none"}"#,
    ] {
        assert_eq!(found.look(leaf.as_bytes()), Ok(()), "{leaf}");
    }
    let counts = (
        found.signed,
        found.keyless,
        found.of_other_keys,
        found.unsigned,
    );
    assert_eq!(counts, (0, 0, 0, 0));
    // Of an action whose entries are signed it is a fault.
    let broken = r#"{"action":"key.rotate","signature":"MEUCIQ"}"#;
    assert_eq!(found.look(broken.as_bytes()), Err(EntryFault::Form));
}

#[tokio::test]
async fn a_line_that_shows_more_is_checked_as_it_was_logged() {
    let place = tempfile::tempdir().unwrap();
    let journal = synced_journal(place.path(), SyncMode::Always);
    journal.sign_by(Some(key(1)));
    let mut change = of(Action::PrincipalDisable, "req-9");
    change.actor.address = Some("p:abcdefghijklmnopqrstuv".to_owned());
    journal.append(change).await.unwrap();
    let query = TailQuery {
        limit: 1,
        ..TailQuery::default()
    };
    let mut shown: Journaled = journal.tail(query).await.unwrap().remove(0);
    shown.as_logged = Some(AsLogged {
        address: shown.event.actor.address.replace("192.0.2.7".to_owned()),
        unnamed: true,
    });
    shown.event.resource.name = Some("dr.grey".to_owned());
    let line = serde_json::to_string(&shown).unwrap();
    let bytes = logged_bytes(line.as_bytes()).unwrap();
    assert_eq!(bytes, entries(&journal)[0]);
    let keys = EntryKeys::new([public(1)]);
    assert_eq!(keys.standing(&bytes), Ok(EntryStanding::Signed(public(1))));
    // Without what says so it is another entry.
    shown.as_logged = None;
    let line = serde_json::to_string(&shown).unwrap();
    let bytes = logged_bytes(line.as_bytes()).unwrap();
    assert_eq!(keys.standing(&bytes), Err(EntryFault::NotValid));
}
