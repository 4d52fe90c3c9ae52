//! What the audit log takes, and what it costs: entries appended by so many callers at once, each answered
//! after the sync of its batch and of the node's signature over it; and encryptions through the node, one by one and in batches, beside the same in a node whose
//! entries go nowhere.
//!
//! Last, encryptions of a tenant whose uses of keys are counted, beside the same each of which is an entry.
//!
//! With and without take turns in short rounds; ratios are those of the medians. `KEYWARD_BENCH_SECONDS`: how
//! long a round is (2 unless told).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keyward_audit::BatchKey;
use keyward_core::audit::AuditEvent;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::KeyName;
use keyward_core::noun::action::Action;
use keyward_core::ops::use_key::{self, UseItem};
use keyward_core::ops::{key, log};
use keyward_core::port::audit_log::AuditLog;
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::{Tenancy, World};

const ROUNDS: usize = 5;

/// What a round took.
struct Round {
    per_second: f64,
    /// How long each call took, in microseconds, in order.
    micros: Vec<f64>,
}

impl Round {
    /// Calls again and again by so many callers for so long; each call counts for so many.
    async fn run<F: Future<Output = ()> + Send + 'static>(
        callers: usize,
        each: usize,
        call: impl Fn() -> F + Send + Sync + Clone + 'static,
    ) -> Self {
        let long = Duration::from_secs_f64(seconds());
        let begun = Instant::now();
        let all = (0..callers).map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while begun.elapsed() < long {
                    let at = Instant::now();
                    call().await;
                    took.push(at.elapsed().as_secs_f64() * 1e6);
                }
                took
            })
        });
        let took = join_all(all).await;
        let passed = begun.elapsed().as_secs_f64();
        let mut micros: Vec<f64> = took.into_iter().flat_map(Result::unwrap).collect();
        micros.sort_by(f64::total_cmp);
        Self {
            per_second: (micros.len() * each) as f64 / passed,
            micros,
        }
    }

    fn percentile(&self, of_hundred: usize) -> f64 {
        let last = self.micros.len() - 1;
        self.micros[last * of_hundred / 100]
    }
}

fn seconds() -> f64 {
    let told = std::env::var("KEYWARD_BENCH_SECONDS").ok();
    told.map_or(2.0, |told| told.parse().expect("seconds"))
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[derive(Clone)]
struct Place {
    world: Arc<World>,
    tenancy: Arc<Tenancy>,
    key: KeyRef,
}

impl Place {
    async fn new() -> Self {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        let name = KeyName::new("records").unwrap();
        let mut new = key::NewKey::named(name.clone());
        new.activate = true;
        let made = key::create(&world.node, world.root(), &tenancy.place, new, None);
        made.await.unwrap();
        let (signer, _) = log::checkpoint_keys(&world.node).await.unwrap();
        let key = BatchKey::new(signer.public(), move |text| signer.sign(text).ok());
        assert!(world.journal.sign_by(Some(key)), "nothing can be signed");
        Self {
            world: Arc::new(world),
            tenancy: Arc::new(tenancy),
            key: KeyRef::Name(name),
        }
    }

    async fn encrypt(self, items: usize) {
        let item = || UseItem::Encrypt {
            plaintext: SecretBytes::new(vec![0x5a; 64]),
            oaep: None,
            context: BTreeMap::new(),
            version: None,
        };
        let (user, tenant) = (&self.tenancy.user, &self.tenancy.place);
        let (node, action) = (&self.world.node, Action::KeyEncrypt);
        if items == 1 {
            let done = use_key::perform_one(node, user, tenant, &self.key, action, item());
            done.await.unwrap();
        } else {
            let items = (0..items).map(|_| item()).collect();
            let done = use_key::perform(node, user, tenant, &self.key, action, items);
            assert!(done.await.unwrap().iter().all(Result::is_ok));
        }
    }
}

/// Entries as encryption makes them, straight into the journal.
async fn appends(place: &Place, entry: &AuditEvent) {
    println!("| callers | entries/s | p50 µs | p99 µs |\n|---:|---:|---:|---:|");
    for callers in [1, 16, 64, 512, 2048] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let (journal, entry) = (place.world.journal.clone(), entry.clone());
            let call = move || {
                let (journal, entry) = (journal.clone(), entry.clone());
                async move {
                    let _ = journal.append(entry).await.unwrap();
                }
            };
            rounds.push(Round::run(callers, 1, call).await);
        }
        println!(
            "| {callers} | {:.0} | {:.0} | {:.0} |",
            median(&rounds, |it| it.per_second),
            median(&rounds, |it| it.percentile(50)),
            median(&rounds, |it| it.percentile(99)),
        );
    }
}

/// Encryptions through the node, with the log and without.
async fn operations(place: &Place) {
    println!(
        "\n| callers | in a batch | operations/s | without the log | × | p50 µs | without | p99 µs | without | p99 added µs |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    for (callers, items) in [(1, 1), (16, 1), (64, 1), (1, 100), (16, 100)] {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (is_silent, rounds) in [(false, &mut with), (true, &mut without)] {
                place.world.silent.set(is_silent);
                let place = place.clone();
                let call = move || place.clone().encrypt(items);
                rounds.push(Round::run(callers, items, call).await);
            }
        }
        place.world.silent.set(false);
        let both = |of: fn(&Round) -> f64| (median(&with, of), median(&without, of));
        let (rate, rate_without) = both(|it| it.per_second);
        let (half, half_without) = both(|it| it.percentile(50));
        let (most, most_without) = both(|it| it.percentile(99));
        println!(
            "| {callers} | {items} | {rate:.0} | {rate_without:.0} | {:.2} | {half:.0} | {half_without:.0} | \
             {most:.0} | {most_without:.0} | {:.0} |",
            rate / rate_without,
            most - most_without,
        );
    }
}

/// Encryptions through the node: each one an entry, and counted.
async fn counted(place: &Place) {
    use keyward_core::noun::tenant::AuditDetail;
    use keyward_core::ops::{audit_detail, clockwork};
    println!(
        "\n| callers | in a batch | each an entry/s | counted/s | × | p50 µs | counted | p99 µs | counted |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    let node = &place.world.node;
    let set = async |detail| {
        let (admin, tenant) = (&place.tenancy.admin, &place.tenancy.place);
        let why = Some("measured".to_owned());
        let set = audit_detail::set(node, admin, tenant, detail, why).await;
        set.unwrap();
        clockwork::tick(node).await.unwrap();
    };
    for (callers, items) in [(1, 1), (16, 1), (64, 1), (16, 100)] {
        let (mut each, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (detail, rounds) in [
                (AuditDetail::Each, &mut each),
                (AuditDetail::Counts, &mut counts),
            ] {
                set(detail).await;
                let place = place.clone();
                let call = move || place.clone().encrypt(items);
                rounds.push(Round::run(callers, items, call).await);
            }
        }
        set(AuditDetail::Each).await;
        let both = |of: fn(&Round) -> f64| (median(&each, of), median(&counts, of));
        let (rate, rate_counted) = both(|it| it.per_second);
        let (half, half_counted) = both(|it| it.percentile(50));
        let (most, most_counted) = both(|it| it.percentile(99));
        println!(
            "| {callers} | {items} | {rate:.0} | {rate_counted:.0} | {:.2} | {half:.0} | {half_counted:.0} | \
             {most:.0} | {most_counted:.0} |",
            rate_counted / rate,
        );
    }
}

fn main() {
    // Asked by test runners what there is to run: nothing, this is no test.
    if std::env::args().any(|word| word == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = Place::new().await;
        place.clone().encrypt(1).await;
        let entry = place.world.last_entry().await.event;
        appends(&place, &entry).await;
        operations(&place).await;
        counted(&place).await;
    });
}
