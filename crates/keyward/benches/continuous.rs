//! What it costs that no change is answered before a segment holds it: keys made by so many callers at
//! once, with continuous backups into a directory beside without; and what it takes to find, verify and
//! read a chain of thousands of segments.
//!
//! Both take turns in short rounds; the ratio is that of the medians. `KEYWARD_BENCH_SEGMENTS`: how many
//! segments the chain has (2,000 unless told).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keyward_backup::Chain;
use keyward_core::names::KeyName;
use keyward_core::node::Node;
use keyward_core::ops::backup::{self, Continuous, OnFailure, continuous};
use keyward_core::ops::key;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};

const CALLERS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 9;
/// Keys of a round for each caller.
const EACH: usize = 8;

struct Place {
    world: World,
    tenancy: Tenancy,
    made: usize,
}

impl Place {
    async fn new(world: World) -> Self {
        let tenancy = world.tenant("clinic").await;
        Self {
            world,
            tenancy,
            made: 0,
        }
    }

    /// One round: how many keys a second.
    async fn round(&mut self, callers: usize) -> f64 {
        let first = self.made;
        self.made += callers * EACH;
        let (world, tenancy) = (&self.world, &self.tenancy);
        let begun = Instant::now();
        join_all((0..callers).map(|caller| async move {
            for step in 0..EACH {
                let name = format!("key-{}", first + caller * EACH + step);
                let mut new = key::NewKey::named(KeyName::new(&name).unwrap());
                new.activate = true;
                let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None);
                made.await.unwrap();
            }
        }))
        .await;
        (callers * EACH) as f64 / begun.elapsed().as_secs_f64()
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Makes segments and the backups that are due, as the server does.
async fn make_segments(node: Arc<Node>) {
    loop {
        continuous::wanted(&node).await;
        while continuous::cover(&node).await.is_err() {
            backup::work(&node).await.unwrap();
        }
    }
}

async fn chain(place: &mut Place, segments: usize) {
    while place.world.backups.list().await.unwrap().segments.len() < segments {
        for _ in 0..200 {
            place.round(1).await;
        }
    }
    let begun = Instant::now();
    let chain = Chain::find(&place.world.backups, None, None).await.unwrap();
    let found = begun.elapsed();
    let begun = Instant::now();
    let mut rows = 0;
    for id in chain.all() {
        let verified = place.world.verified(id, None).await;
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
        rows += verified.rows;
    }
    let verified = begun.elapsed();
    let per = |took: Duration| took.as_secs_f64() * 1e6 / chain.segments.len() as f64;
    println!(
        "| {} | {:.2} s ({:.0} us each) | {:.2} s ({:.0} us each) | {rows} |",
        chain.segments.len(),
        found.as_secs_f64(),
        per(found),
        verified.as_secs_f64(),
        per(verified)
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let segments = std::env::var("KEYWARD_BENCH_SEGMENTS").ok();
    let segments = segments.and_then(|it| it.parse().ok()).unwrap_or(2_000);
    runtime.block_on(async {
        let how = Continuous {
            on_failure: OnFailure::Refuse,
            segments_max: 1_000_000,
        };
        let covered = World::continuous(RegistryKind::Sqlite, how).await;
        continuous::begin(&covered.node);
        let maker = tokio::spawn(make_segments(covered.node.clone()));
        let mut covered = Place::new(covered).await;
        let bare = World::on(RegistryKind::Sqlite, VaultKind::Embedded).await;
        let mut bare = Place::new(bare).await;
        println!("| callers | continuous: changes/s | off | ratio | changes in a segment |");
        println!("|---:|---:|---:|---:|---:|");
        for callers in CALLERS {
            let (mut with, mut without) = (Vec::new(), Vec::new());
            let before = covered.world.backups.list().await.unwrap().segments.len();
            for _ in 0..ROUNDS {
                with.push(covered.round(callers).await);
                without.push(bare.round(callers).await);
            }
            let after = covered.world.backups.list().await.unwrap().segments.len();
            let each = (callers * EACH * ROUNDS) as f64 / (after - before) as f64;
            let (with, without) = (median(with), median(without));
            let ratio = with / without;
            println!("| {callers} | {with:.0} | {without:.0} | {ratio:.2} | {each:.1} |");
        }
        println!("\n| segments | found in | verified in | changes and rows |");
        println!("|---:|---:|---:|---:|");
        chain(&mut covered, segments).await;
        maker.abort();
    });
}
