//! The journal, its trees and its sealed segments, in turns as a server has them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use futures_util::future::join_all;
use keyward_audit::trees::{Forest, LogDirectory, Thinning};
use keyward_audit::{BatchKey, Journal, JournalConfig};
use keyward_core::audit::Journaled;
use keyward_core::port::audit_log::{AuditLog, JournalObserver};
use keyward_core::time::{Clock, Timestamp};
use uuid::Uuid;

use crate::entries::{BEGAN, event};
use crate::{per_second, size};

/// How many callers append at once.
const CALLERS: u64 = 2_000;
/// How many entries before the trees and the sealing have their turn.
const TURN: u64 = 500_000;

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

/// The key of batches and checkpoints.
pub fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

pub async fn write(place: &Path, entries: u64) -> (Arc<Journal>, Forest<LogDirectory>) {
    let (deployment, clock) = (Uuid::from_u128(7), Arc::new(Now));
    let node: Arc<str> = "node-a".into();
    let config = JournalConfig::default();
    let opened = Journal::open(place, config, node, deployment, clock, Arc::new(Nobody));
    let journal = Arc::new(opened.unwrap());
    let pair = pair();
    let public: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
    let sign = move |text: &[u8]| pair.sign(text).as_ref().try_into().ok();
    assert!(journal.sign_by(Some(BatchKey::new(public, sign))));
    let log = LogDirectory::new(&place.join("log")).unwrap();
    let mut forest = Forest::open(log, Arc::clone(&journal)).unwrap();
    forest.confirm(public);

    let [mut appending, mut growing, mut sealing, mut thinning] = [Duration::ZERO; 4];
    let (mut sealer, mut thinned) = (journal.sealer(), Thinning::default());
    let mut number = journal.last();
    while number < entries {
        let until = entries.min(number + TURN);
        let begun = Instant::now();
        while number < until {
            let to = until.min(number + CALLERS);
            let batch = (number..to).map(|number| journal.append(event(number)));
            for appended in join_all(batch).await {
                appended.unwrap();
            }
            number = to;
        }
        appending += begun.elapsed();
        let begun = Instant::now();
        while forest.grow().unwrap() {}
        forest.keep().unwrap();
        growing += begun.elapsed();
        let begun = Instant::now();
        while let Some(mut segment) = sealer.begin(journal.last()).unwrap() {
            while sealer.step(&mut segment).unwrap() {}
        }
        sealing += begun.elapsed();
        let begun = Instant::now();
        while forest.thin(&mut thinned).unwrap() {}
        thinning += begun.elapsed();
    }
    for (what, took) in [
        ("journal, synced and signed", appending),
        ("trees", growing),
        ("sealing", sealing),
        ("letting go of tiles", thinning),
    ] {
        let (seconds, rate) = (took.as_secs_f64(), per_second(entries, took));
        println!("{what}: {entries} entries in {seconds:.1} s, {rate:.0} entries/s");
    }
    let each = size(place) as f64 / entries as f64;
    println!("journal and trees: {each:.1} bytes an entry");
    (journal, forest)
}
