//! What an entry costs on a real disk, journal and trees together: entries of operations as they are,
//! each with a correlation id that nothing can make smaller.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use futures_util::future::join_all;
use keyward_audit::trees::{Forest, LogDirectory, Thinning};
use keyward_audit::{BatchKey, Journal, JournalConfig, StdIo, SyncMode};
use keyward_core::audit::{Actor, AuditEvent, Authentication, Outcome, Resource, Used};
use keyward_core::ids::{KeyId, PrincipalId, TokenId, VersionId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::AuditLog;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::stage::{Nobody, Noon, tenant};

const ENTRIES: u64 = 50_000;
/// An eighth of what a server has, so that there are several.
const SEGMENT: u64 = 8 * 1024 * 1024;

/// The n-th number of a generator that looks random (splitmix64).
fn dice(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn id(kind: u64, of: u64) -> Uuid {
    let of = dice(kind << 32 | of);
    Uuid::from_u64_pair(dice(of), dice(of ^ 1))
}

/// One of a thousand keys of ten tenants, used by fifty services from forty addresses.
fn operation(number: u64) -> AuditEvent {
    let random = dice(number);
    // Few keys are used much, and most little.
    let of = (random % 1_000) * (random / 1_000 % 1_000) / 1_000;
    let by = (random >> 40) % 50;
    let used = Used {
        key: KeyId::from_uuid(id(1, of)),
        version: VersionId::from_uuid(id(2, of)),
        protects: 1,
        processes: 0,
        bytes: (random >> 50) as i64 % 4_096,
    };
    AuditEvent {
        time: Timestamp::from_micros(
            1_795_000_000_000_000 + number as i64 * 1_000 + random as i64 % 997,
        ),
        node: "node-a".into(),
        tenant: Some(tenant(u128::from(of % 10))),
        actor: Actor {
            principal: Some(PrincipalId::from_uuid(id(3, by))),
            token: Some(TokenId::from_uuid(id(4, by))),
            address: Some(format!("10.1.{}.{}", by % 4, 7 + (random >> 60))),
            authentication: Authentication::Token,
        },
        action: if random % 5 < 2 {
            Action::KeyDecrypt
        } else {
            Action::KeyEncrypt
        },
        resource: Resource {
            kind: "key".into(),
            id: Some(id(1, of)),
            name: Some(format!("records-{of}")),
            version: Some(1),
        },
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: CorrelationId::new(&id(5, number).to_string()).unwrap(),
        details: BTreeMap::new(),
        used: vec![used],
        revision: None,
        change: None,
        signature: None,
        leaf: keyward_core::audit::LeafMark::default(),
    }
}

/// What the files of a directory take of the disk, inodes of 256 bytes and all.
fn on_disk(place: &Path, counts: &impl Fn(&str) -> bool) -> u64 {
    let mut size = 0;
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.metadata().unwrap();
        if meta.is_dir() {
            size += on_disk(&path, counts);
        } else if counts(path.to_str().unwrap()) {
            size += meta.blocks() * 512 + 256;
        }
    }
    size
}

fn open(place: &Path, sync: SyncMode, segment_bytes: u64) -> Arc<Journal> {
    let config = JournalConfig {
        sync,
        segment_bytes,
        ..JournalConfig::default()
    };
    let io = Arc::new(StdIo::new(place).unwrap());
    let (node, of, clock) = ("node-a".into(), Uuid::from_u128(7), Arc::new(Noon));
    Arc::new(Journal::open_with(io, config, node, of, clock, Arc::new(Nobody)).unwrap())
}

/// A tile of leaves or of entries, or a segment that is not sealed.
fn is_hot(path: &str) -> bool {
    path.contains("/tile/0/")
        || path.contains("/tile/entries/")
        || path.rsplit('.').next() == Some("kwj")
}

#[tokio::test]
async fn a_sealed_entry_takes_at_most_a_hundred_bytes_of_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let journal = open(place.path(), SyncMode::Written, SEGMENT);
    for from in (0..ENTRIES).step_by(1_000) {
        let appends = (from..from + 1_000).map(|number| journal.append(operation(number)));
        for appended in join_all(appends).await {
            appended.unwrap();
        }
    }
    let log = place.path().join("log");
    let mut forest = Forest::open(LogDirectory::new(&log).unwrap(), journal.clone()).unwrap();
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    let hot = on_disk(place.path(), &|_| true) / ENTRIES;
    let hot_of_leaves = on_disk(place.path(), &is_hot);
    let mut sealer = journal.sealer();
    while let Some(mut sealing) = sealer.begin(journal.last()).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
    let mut thinning = Thinning::default();
    while forest.thin(&mut thinning).unwrap() {}
    let entries = journal.written(0, usize::MAX).unwrap();
    let open = entries
        .iter()
        .map(|entry| entry.place.segment)
        .max()
        .unwrap();
    // What is hot still is of the segment that is written to, or of tiles that reach into it.
    let left = on_disk(place.path(), &is_hot);
    assert!(left * 3 < hot_of_leaves, "{left} of {hot_of_leaves}");
    let sealed = on_disk(place.path(), &|path| !is_hot(path)) / (open - 1);
    // On ext4 1,231 and 93 without signatures, as docs/audit-retention.md has it; other file systems lay files out otherwise.
    assert!(hot > 1_000, "{hot} bytes an entry as it is written");
    assert!(sealed <= 100, "{sealed} bytes an entry");
    journal.close().await;
}

/// What an entry takes of finished segments, as they are written and sealed, each entry a batch of its own;
/// and whether there is a signature for each.
async fn one_by_one(sync: SyncMode, entries: u64) -> (u64, u64, bool) {
    let place = tempfile::tempdir().unwrap();
    let journal = open(place.path(), sync, SEGMENT / 4);
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    let sign = move |text: &[u8]| pair.sign(text).as_ref().try_into().ok();
    journal.sign_by(Some(BatchKey::new(public, sign)));
    for number in 0..entries {
        journal.append(operation(number)).await.unwrap();
    }
    let segments = |kind| {
        let of_kind = |path: &str| path.rsplit('.').next() == Some(kind);
        on_disk(place.path(), &of_kind)
    };
    let last = journal.written(entries - 1, usize::MAX).unwrap()[0].place;
    let finished = last.segment - 1;
    let hot = segments("kwj");
    let mut sealer = journal.sealer();
    while let Some(mut sealing) = sealer.begin(journal.last()).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
    let (open, sealed) = (segments("kwj"), segments("kws"));
    let signatures = journal.signatures(0, finished).unwrap().len() as u64;
    journal.close().await;
    let all = signatures == finished;
    ((hot - open) / finished, sealed / finished, all)
}

#[tokio::test]
async fn the_signature_of_a_batch_takes_the_room_that_is_said() {
    let (hot, sealed, all) = one_by_one(SyncMode::Always, 7_000).await;
    let (hot_without, sealed_without, any) = one_by_one(SyncMode::Written, 7_000).await;
    assert!(all && !any);
    // 96 bytes of it nothing makes smaller. docs/audit-retention.md has both.
    let (hot, sealed) = (hot - hot_without, sealed - sealed_without);
    assert!((280..340).contains(&hot), "{hot} bytes a signature");
    assert!((96..160).contains(&sealed), "{sealed} bytes a signature");
}
