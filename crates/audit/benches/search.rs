//! What it takes to search a long log: a journal of realistic entries, its index made from it, then a page
//! of 50 by each field, with values of which there are many and few, and counts by each field.
//!
//! `KEYWARD_BENCH_ENTRIES`: how many entries (3,000,000 unless told). `KEYWARD_BENCH_DIR`: where they are
//! written (a directory that is removed afterwards, below the temporary one, unless told; 100 million
//! take about 60 GB).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keyward_audit::index::AuditIndex;
use keyward_audit::{Journal, JournalConfig, SyncMode};
use keyward_core::audit::{
    Actor, AuditEvent, Authentication, Journaled, LeafMark, Outcome, Resource, Used,
};
use keyward_core::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditLog, JournalObserver};
use keyward_core::port::audit_search::{
    CountBy, CountEvery, CountQuery, SearchFilter, SearchQuery, WantedAction, WantedVersion,
};
use keyward_core::time::{Clock, Timestamp};
use uuid::Uuid;

const TENANTS: u64 = 50;
const KEYS: u64 = 20_000;
const PRINCIPALS: u64 = 500;
const ADDRESSES: u64 = 2_000;
/// 50 a second.
const MICROS_EACH: i64 = 20_000;
const BEGAN: i64 = 1_795_000_000_000_000;
const ROUNDS: u64 = 21;

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGAN)
    }
}

/// Nothing is counted.
struct Nobody;

impl JournalObserver for Nobody {
    fn replay_after(&self) -> u64 {
        0
    }

    fn observe(&self, _: &[Journaled]) {}
}

/// Numbers that look random and are the same each time.
fn dice(of: u64) -> u64 {
    let mixed = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn id(kind: u64, number: u64) -> Uuid {
    let (high, low) = (dice(kind << 40 | number), dice(kind << 41 | number));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
        .into_uuid()
}

fn tenant(number: u64) -> TenantId {
    TenantId::from_uuid(id(1, number))
}

fn key(number: u64) -> KeyId {
    KeyId::from_uuid(id(2, number))
}

fn principal(number: u64) -> PrincipalId {
    PrincipalId::from_uuid(id(3, number))
}

fn correlation(number: u64) -> CorrelationId {
    CorrelationId::new(&id(4, number).to_string()).unwrap()
}

fn address(number: u64) -> String {
    format!("10.1.{}.{}", number / 256, number % 256)
}

/// The entry with this number.
fn event(number: u64) -> AuditEvent {
    let dice = dice(number);
    // Few keys are used much, and most little.
    let of = (dice % KEYS) * (dice / KEYS % KEYS) / KEYS;
    let by = dice >> 20;
    let (action, outcome) = match dice % 1000 {
        0 => (Action::KeyRotate, Outcome::Ok),
        1..=4 => (Action::KeyCreate, Outcome::Ok),
        5..=20 => (Action::KeyRead, Outcome::Ok),
        21..=24 => (Action::KeyDecrypt, Outcome::Refused),
        25..=400 => (Action::KeyDecrypt, Outcome::Ok),
        _ => (Action::KeyEncrypt, Outcome::Ok),
    };
    let version = VersionId::from_uuid(id(5, of));
    let used = Used {
        key: key(of),
        version,
        protects: 1,
        processes: 0,
        bytes: 256,
    };
    AuditEvent {
        time: Timestamp::from_micros(BEGAN + number as i64 * MICROS_EACH),
        node: "node-a".into(),
        tenant: Some(tenant(of % TENANTS)),
        actor: Actor {
            principal: Some(principal(by % PRINCIPALS)),
            token: Some(TokenId::from_uuid(id(6, by % PRINCIPALS))),
            address: Some(address(by % ADDRESSES)),
            authentication: Authentication::Token,
        },
        action,
        resource: Resource {
            kind: "key".into(),
            id: Some(key(of).uuid()),
            name: Some(format!("records-{of}")),
            version: Some(1),
        },
        outcome,
        reason: (outcome != Outcome::Ok).then(|| "forbidden".to_owned()),
        correlation_id: correlation(number),
        details: BTreeMap::new(),
        used: if outcome == Outcome::Ok {
            vec![used]
        } else {
            Vec::new()
        },
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

fn main() {
    let entries = std::env::var("KEYWARD_BENCH_ENTRIES");
    let entries = entries.map_or(3_000_000, |text| text.parse().expect("a number"));
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var("KEYWARD_BENCH_DIR");
    let place = place.map_or_else(|_| temporary.path().to_owned(), Into::into);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let journal = runtime.block_on(write(&place, entries));
    let index = AuditIndex::new(journal.clone(), &place.join("index"));
    let begun = Instant::now();
    while index.grow().unwrap() {}
    let took = begun.elapsed();
    println!(
        "index: {:.1} s, {:.0} entries/s, {} blocks, {:.1} bytes an entry (journal: {:.0})",
        took.as_secs_f64(),
        entries as f64 / took.as_secs_f64(),
        index.blocks().0,
        size(&place.join("index")) as f64 / entries as f64,
        size(&place) as f64 / entries as f64,
    );
    let again = AuditIndex::new(journal.clone(), &place.join("index"));
    let begun = Instant::now();
    again.grow().unwrap();
    println!("taken up after a start: {:.0} ms", millis(begun.elapsed()));
    while again.grow().unwrap() {}
    pages(&again, entries);
    counts(&again);
    runtime.block_on(journal.close());
}

async fn write(place: &Path, entries: u64) -> Arc<Journal> {
    let config = JournalConfig {
        sync: SyncMode::Written,
        ..JournalConfig::default()
    };
    let (deployment, clock) = (Uuid::from_u128(7), Arc::new(Now));
    let node: Arc<str> = "node-a".into();
    let opened = Journal::open(place, config, node, deployment, clock, Arc::new(Nobody));
    let journal = Arc::new(opened.unwrap());
    let begun = Instant::now();
    let mut number = journal.last();
    while number < entries {
        let to = entries.min(number + 2_000);
        let batch = (number..to).map(|number| journal.append(event(number)));
        for appended in join_all(batch).await {
            appended.unwrap();
        }
        number = to;
    }
    println!(
        "journal: {entries} entries in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    journal
}

fn size(place: &Path) -> u64 {
    let entries = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    let sizes = entries.filter_map(|it| it.metadata().ok().filter(std::fs::Metadata::is_file));
    sizes.map(|it| it.len()).sum()
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// Median and most of some rounds.
fn measured(mut one: impl FnMut(u64) -> usize) -> (f64, f64, usize) {
    let (mut took, mut found) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        found += one(dice(round));
        took.push(millis(begun.elapsed()));
    }
    took.sort_unstable_by(f64::total_cmp);
    (
        took[took.len() / 2],
        took[took.len() - 1],
        found / ROUNDS as usize,
    )
}

fn pages(index: &AuditIndex, entries: u64) {
    type Make = Box<dyn Fn(u64) -> SearchFilter>;
    let everything = SearchFilter::default;
    let half = Timestamp::from_micros(BEGAN + entries as i64 / 2 * MICROS_EACH);
    let cases: Vec<(&str, Make)> = vec![
        ("nothing said", Box::new(move |_| everything())),
        (
            "until (half of the time)",
            Box::new(move |_| SearchFilter {
                until: Some(half),
                ..everything()
            }),
        ),
        (
            "tenant",
            Box::new(move |dice| SearchFilter {
                tenant: Some(Some(tenant(dice % TENANTS))),
                ..everything()
            }),
        ),
        (
            "key, used much",
            Box::new(move |dice| SearchFilter {
                key: Some(key(dice % 10)),
                ..everything()
            }),
        ),
        (
            "key, used little",
            Box::new(move |dice| SearchFilter {
                key: Some(key(KEYS - 200 + dice % 100)),
                ..everything()
            }),
        ),
        (
            "key that is nowhere",
            Box::new(move |dice| SearchFilter {
                key: Some(key(KEYS + dice)),
                ..everything()
            }),
        ),
        (
            "version 2 (nowhere)",
            Box::new(move |_| SearchFilter {
                version: Some(WantedVersion::Number(2)),
                ..everything()
            }),
        ),
        (
            "principal",
            Box::new(move |dice| SearchFilter {
                principal: Some(principal(dice % PRINCIPALS)),
                ..everything()
            }),
        ),
        (
            "action key.rotate",
            Box::new(move |_| SearchFilter {
                action: Some(WantedAction::One(Action::KeyRotate)),
                ..everything()
            }),
        ),
        (
            "outcome refused, tenant",
            Box::new(move |dice| SearchFilter {
                outcome: Some(Outcome::Refused),
                tenant: Some(Some(tenant(dice % TENANTS))),
                ..everything()
            }),
        ),
        (
            "address",
            Box::new(move |dice| SearchFilter {
                address: Some(address(dice % ADDRESSES)),
                ..everything()
            }),
        ),
        (
            "correlation id",
            Box::new(move |dice| SearchFilter {
                correlation_id: Some(correlation(dice % entries)),
                ..everything()
            }),
        ),
        (
            "node that is nowhere",
            Box::new(move |_| SearchFilter {
                node: Some("node-z".to_owned()),
                ..everything()
            }),
        ),
        (
            "text: forbidden",
            Box::new(move |_| SearchFilter {
                words: vec!["forbidden".to_owned()],
                ..everything()
            }),
        ),
        (
            "text: a key's number",
            Box::new(move |dice| SearchFilter {
                words: vec!["records".to_owned(), (KEYS - 1 - dice % 200).to_string()],
                ..everything()
            }),
        ),
    ];
    println!("\n| a page of 50 by | found | median ms | most ms |\n|---|---:|---:|---:|");
    for (name, make) in cases {
        let (median, most, found) = measured(|dice| {
            let query = SearchQuery {
                filter: make(dice),
                before: None,
                limit: 50,
            };
            let page = index.search(&query).unwrap();
            assert!(page.entries.len() == 50 || page.next_before.is_none());
            page.entries.len()
        });
        println!("| {name} | {found} | {median:.1} | {most:.1} |");
    }
}

fn counts(index: &AuditIndex) {
    println!(
        "\n| counts of each day by | of | counts | median ms | most ms |\n|---|---|---:|---:|---:|"
    );
    for by in CountBy::ALL {
        for whose in ["all", "a tenant", "a key"] {
            let (median, most, found) = measured(|dice| {
                let mut filter = SearchFilter::default();
                match whose {
                    "a tenant" => filter.tenant = Some(Some(tenant(dice % TENANTS))),
                    "a key" => filter.key = Some(key(dice % 10)),
                    _ => {}
                }
                let mut query = CountQuery {
                    filter,
                    by: *by,
                    every: CountEvery::Day,
                    before: None,
                };
                let mut found = 0;
                loop {
                    let part = index.counts(&query).unwrap();
                    found += part.counts.len();
                    query.before = part.next_before;
                    if query.before.is_none() {
                        return found;
                    }
                }
            });
            println!("| {by} | {whose} | {found} | {median:.1} | {most:.1} |");
        }
    }
}
