//! Letting go of a node's oldest entries, as the server puts it together.

use std::collections::BTreeMap;
use std::path::Path;

use keyward_audit::trees::{Forest, ToSign, Tree};
use keyward_audit::{Begins, JournalConfig, SyncMode};
use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::names::CorrelationId;
use keyward_core::node::UsageBook;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::AuditLog;
use keyward_core::time::Timestamp;
use keyward_sinks::witness::Gate;

use super::*;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_795_000_000_000_000)
    }
}

fn event(number: u32) -> AuditEvent {
    AuditEvent {
        time: Noon.now(),
        node: "node-a".into(),
        tenant: None,
        actor: Actor::system(),
        action: Action::AuditRead,
        resource: Resource::default(),
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: CorrelationId::new(&format!("entry-{number}")).unwrap(),
        details: BTreeMap::new(),
        used: Vec::new(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

async fn parts(place: &Path) -> Parts {
    let config = JournalConfig {
        begins: Begins::WhereNoted,
        sync: SyncMode::Written,
        segment_bytes: 8 * 1024,
        ..JournalConfig::default()
    };
    let (clock, book) = (Arc::new(Noon), Arc::new(UsageBook::new(0, 0)));
    let (name, id) = ("node-a".into(), Uuid::from_u128(7));
    let journal = Journal::open(place, config, name, id, clock.clone(), book).unwrap();
    for number in 0..200 {
        journal.append(event(number)).await.unwrap();
    }
    let journal = Arc::new(journal);
    Parts {
        oldest: Oldest::new(journal.clone()),
        index: Arc::new(AuditIndex::new(journal.clone(), &place.join("index"))),
        journal,
        published: Arc::new(Published::new(0, Gate::Open, Gate::Open)),
        clock,
        dir: place.to_owned(),
        deployment: id,
    }
}

#[tokio::test]
async fn what_anybody_still_needs_stays() {
    let place = tempfile::tempdir().unwrap();
    let parts = parts(place.path()).await;
    assert_eq!(parts.unneeded(&[]), Ok(0), "the trees are not open");
    let files = LogDirectory::new(&place.path().join("log")).unwrap();
    let mut forest = Forest::open(files, parts.journal.clone()).unwrap();
    while forest.grow().unwrap() {}
    forest.keep().unwrap();
    let head = forest.head(Tree::System);
    parts
        .published
        .opened(Arc::new(parking_lot::Mutex::new(forest)));
    assert_eq!(parts.unneeded(&[]), Ok(0), "nothing is signed");
    let files = LogDirectory::new(place.path()).unwrap();
    let signed = ToSign {
        head,
        through: 150,
        key: [1; 32],
    };
    let mut last = LastSigned::open(files).unwrap();
    last.keep(signed, (Uuid::from_u128(7), Uuid::from_u128(8)))
        .unwrap();
    assert_eq!(parts.unneeded(&[]), Ok(150));
    let sinks = ["splunk".to_owned()];
    assert_eq!(parts.unneeded(&sinks), Ok(0), "a stream has kept nothing");
    let mut sealer = parts.journal.sealer();
    while let Some(mut sealing) = sealer.begin(150).unwrap() {
        while sealer.step(&mut sealing).unwrap() {}
    }
    let through = parts.unneeded(&[]).unwrap();
    assert_eq!(
        parts.oldest(9, through),
        Ok(Vec::new()),
        "the index is behind"
    );
    assert!(parts.let_go(10).is_err());
    while parts.index.grow().unwrap() {}
    let oldest = parts.oldest(9, through).unwrap();
    assert!(oldest.len() > 1 && oldest.iter().all(|it| it.last <= 150));
    assert!(parts.let_go(oldest[0].last - 1).is_err(), "it ends there");
    assert_eq!(parts.journal.beginning(), 1);
    parts.let_go(oldest[0].last).unwrap();
    assert_eq!(parts.journal.beginning(), oldest[1].first);
    assert_eq!(
        parts.let_go(oldest[0].last),
        Ok(()),
        "again it changes nothing"
    );
    // Its last block is made again without what is gone.
    while parts.index.grow().unwrap() {}
    assert_eq!(parts.oldest(9, through).unwrap(), oldest[1..]);
    parts.journal.close().await;
}
