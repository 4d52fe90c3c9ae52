//! A journal with entries that have few different values, and small blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_audit::index::AuditIndex;
use keyward_audit::{Begins, Journal, JournalConfig, SyncMode};
use keyward_core::audit::{
    Actor, AuditEvent, Authentication, Journaled, LeafMark, Outcome, Resource, Used,
};
use keyward_core::ids::{KeyId, PrincipalId, TenantId, VersionId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::{AuditLog, JournalObserver, TailQuery};
use keyward_core::port::audit_search::{
    SearchFilter, SearchQuery, WantedAction, WantedVersion, words,
};
use keyward_core::time::{Clock, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

/// 2026-11-18, a little before noon.
pub const BEGAN: i64 = 1_795_000_000_000_000;

pub const ACTIONS: [Action; 5] = [
    Action::KeyEncrypt,
    Action::KeyRotate,
    Action::TenantCreate,
    Action::AuditRead,
    Action::KeyDecrypt,
];
const NAMES: [&str; 5] = ["orders-2026", "Orders", "Lohn & Gehalt", "ÄRZTE", "2026"];
const REASONS: [&str; 3] = ["not_found", "asked for by orders", "forbidden"];

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGAN)
    }
}

/// Has seen entries up to this one.
struct Seen(u64);

impl JournalObserver for Seen {
    fn replay_after(&self) -> u64 {
        self.0
    }

    fn observe(&self, _: &[Journaled]) {}
}

pub fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

pub fn key(number: u128) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(1000 + number))
}

fn version(number: u128) -> VersionId {
    VersionId::from_uuid(Uuid::from_u128(2000 + number))
}

fn principal(number: u128) -> PrincipalId {
    PrincipalId::from_uuid(Uuid::from_u128(3000 + number))
}

fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_micros(BEGAN + seconds * 1_000_000)
}

/// What is different in an entry.
pub type Plain = (
    (i64, u128, usize, usize),
    (Option<u128>, Option<i64>, Vec<u128>),
    (Option<u128>, Option<u8>, u8),
    (Option<usize>, Option<usize>, bool),
);

pub fn plain() -> impl Strategy<Value = Plain> {
    (
        // Up to two days, in any order: clocks are set back.
        (0..172_800_i64, 0..3_u128, 0..ACTIONS.len(), 0..3_usize),
        (
            option::of(0..4_u128),
            option::of(1..4_i64),
            vec(0..4_u128, 0..3),
        ),
        (option::of(0..3_u128), option::of(0..3_u8), 0..20_u8),
        (
            option::of(0..NAMES.len()),
            option::of(0..REASONS.len()),
            any::<bool>(),
        ),
    )
}

pub fn event(plain: &Plain) -> AuditEvent {
    let (
        (seconds, of, action, outcome),
        (about, number, used),
        (by, from, request),
        (name, reason, other_node),
    ) = plain;
    let node = if *other_node { "node-b" } else { "node-a" };
    AuditEvent {
        time: instant(*seconds),
        node: node.into(),
        tenant: (*of > 0).then(|| tenant(*of)),
        actor: Actor {
            principal: by.map(principal),
            token: None,
            address: from.map(|from| format!("192.0.2.{from}")),
            authentication: Authentication::Token,
        },
        action: ACTIONS[*action],
        resource: Resource {
            // Ids of other things are no keys.
            kind: if *request % 5 == 0 { "token" } else { "key" }.into(),
            id: about.map(|about| key(about).uuid()),
            name: name.map(|name| NAMES[name].to_owned()),
            version: *number,
        },
        outcome: Outcome::ALL[*outcome],
        reason: reason.map(|reason| REASONS[reason].to_owned()),
        correlation_id: CorrelationId::new(&format!("request-{request}")).unwrap(),
        details: BTreeMap::new(),
        used: used
            .iter()
            .map(|used| Used {
                key: key(*used),
                version: version(*used),
                protects: 1,
                processes: 0,
                bytes: 16,
            })
            .collect(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

/// A filter of the same few values, most of it left open.
pub fn filter() -> impl Strategy<Value = SearchFilter> {
    let seldom = || prop::bool::weighted(0.2);
    (
        (
            seldom(),
            0..3_u128,
            seldom(),
            0..172_800_i64,
            seldom(),
            0..172_800_i64,
        ),
        (seldom(), 0..4_u128, seldom(), 0..7_u8, seldom(), 0..3_u128),
        (
            seldom(),
            0..7_usize,
            seldom(),
            0..3_usize,
            seldom(),
            0..3_u8,
        ),
        (
            seldom(),
            0..20_u8,
            seldom(),
            any::<bool>(),
            seldom(),
            0..5_usize,
        ),
    )
        .prop_map(|(first, second, third, fourth)| {
            let version = match second.3 {
                number @ 0..3 => WantedVersion::Number(i64::from(number) + 1),
                id => WantedVersion::Id(version(u128::from(id) - 3)),
            };
            let action = match third.1 {
                5 => WantedAction::Group("key".to_owned()),
                6 => WantedAction::Group("audit".to_owned()),
                one => WantedAction::One(ACTIONS[one]),
            };
            let text = ["orders", "2026", "ärzte", "found not", "gehalt lohn"][fourth.5];
            let node = if fourth.3 { "node-b" } else { "node-a" };
            let of = (first.1 > 0).then(|| tenant(first.1));
            SearchFilter {
                tenant: first.0.then_some(of),
                since: first.2.then(|| instant(first.3)),
                until: first.4.then(|| instant(first.5)),
                key: second.0.then(|| key(second.1)),
                version: second.2.then_some(version),
                principal: second.4.then(|| principal(second.5)),
                action: third.0.then_some(action),
                outcome: third.2.then(|| Outcome::ALL[third.3]),
                address: third.4.then(|| format!("192.0.2.{}", third.5)),
                correlation_id: fourth
                    .0
                    .then(|| CorrelationId::new(&format!("request-{}", fourth.1)).unwrap()),
                node: fourth.2.then(|| node.to_owned()),
                words: if fourth.4 {
                    words(text).collect()
                } else {
                    Vec::new()
                },
            }
        })
}

/// A journal, and the directory of its index.
pub struct Stage {
    place: TempDir,
    pub journal: Arc<Journal>,
}

impl Stage {
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let journal = open(place.path(), 0);
        Self { place, journal }
    }

    pub fn files(&self) -> PathBuf {
        self.place.path().join("index")
    }

    /// The names of the index's files.
    pub fn names(&self) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.files()).into_iter().flatten();
        let mut names: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    pub fn index(&self, size: u32) -> AuditIndex {
        AuditIndex::with_blocks(Arc::clone(&self.journal), &self.files(), size)
    }

    /// The same journal, opened again.
    pub async fn reopened(self) -> Self {
        self.reopened_after(0).await
    }

    /// The same after a loss: somebody has seen entries up to one that is not there any more.
    pub async fn reopened_after(self, seen: u64) -> Self {
        self.journal.close().await;
        let Self { place, journal } = self;
        drop(journal);
        let journal = open(place.path(), seen);
        Self { place, journal }
    }

    pub async fn log(&self, entries: &[Plain]) {
        for appended in
            futures_util::future::join_all(entries.iter().map(|it| self.journal.append(event(it))))
                .await
        {
            appended.unwrap();
        }
    }

    /// Everything that the journal has.
    pub async fn all(&self) -> Vec<Journaled> {
        let query = TailQuery {
            tenant: None,
            after: Some(0),
            limit: usize::MAX,
        };
        self.journal.tail(query).await.unwrap()
    }
}

fn open(place: &Path, seen: u64) -> Arc<Journal> {
    let config = JournalConfig {
        begins: Begins::WhereNoted,
        sync: SyncMode::Written,
        segment_bytes: 8 * 1024,
        ..JournalConfig::default()
    };
    let (id, clock) = (Uuid::from_u128(7), Arc::new(Noon));
    let opened = Journal::open(
        place,
        config,
        "node-a".into(),
        id,
        clock,
        Arc::new(Seen(seen)),
    );
    Arc::new(opened.unwrap())
}

/// Has the index take everything and make everything.
pub fn grow(index: &AuditIndex) {
    while index.grow().unwrap() {}
}

/// Every page of a search, put together.
pub fn search(index: &AuditIndex, filter: &SearchFilter, limit: usize) -> Vec<Journaled> {
    let mut query = SearchQuery {
        filter: filter.clone(),
        before: None,
        limit,
    };
    let mut found = Vec::new();
    loop {
        let page = index.search(&query).unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(page.entries);
        match page.next_before {
            Some(next) => {
                assert!(
                    query.before.is_none_or(|before| next < before),
                    "it goes on"
                );
                query.before = Some(next);
            }
            None => return found,
        }
    }
}
