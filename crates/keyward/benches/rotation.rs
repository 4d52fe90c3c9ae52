//! Many keys due at once, by one policy: how many are rotated in a second, how far behind it is meanwhile, and what
//! whoever uses other keys notices of it. `KEYWARD_BENCH_KEYS`: how many are due (10,000 unless told).
//!
//! Encryptions are made at a fixed rate before, during and after; the ratio is that of during to the mean of before
//! and after.
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::{KeyName, PolicyName};
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{self, NewKey};
use keyward_core::ops::policy::{self, NewPolicy};
use keyward_core::ops::rotation;
use keyward_core::ops::use_key::{self, UseItem};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use tokio::time::MissedTickBehavior;

/// How often somebody encrypts.
const EVERY: Duration = Duration::from_millis(2);
/// How long it is measured with nothing else to do, before and after.
const QUIET: Duration = Duration::from_secs(3);
const DAY: i64 = 86_400;

struct Place {
    world: World,
    tenancy: Tenancy,
}

impl Place {
    async fn new(world: World, keys: usize) -> Arc<Self> {
        let tenancy = world.tenant("clinic").await;
        let new = NewPolicy {
            name: PolicyName::new("daily").unwrap(),
            description: String::new(),
            rotation_interval_days: Some(1),
            schedule: None,
            rollback_window_seconds: DAY,
            overlap_seconds: 0,
        };
        let made = policy::create(&world.node, &tenancy.admin, &tenancy.place, new, None);
        made.await.unwrap();
        let place = Arc::new(Self { world, tenancy });
        place.key("used", None).await;
        let names = (0..keys).map(|number| format!("due-{number}"));
        futures_util::stream::iter(names)
            .for_each_concurrent(64, |name| {
                let place = place.clone();
                async move { place.key(&name, Some("daily")).await }
            })
            .await;
        place
    }

    async fn key(&self, name: &str, policy: Option<&str>) {
        let mut new = NewKey::named(KeyName::new(name).unwrap());
        new.rotation_policy = policy.map(|name| PolicyName::new(name).unwrap());
        new.activate = true;
        let Tenancy { admin, place, .. } = &self.tenancy;
        let made = key::create(&self.world.node, admin, place, new, None).await;
        made.unwrap();
    }

    async fn encrypt(&self) {
        let item = UseItem::Encrypt {
            plaintext: SecretBytes::new(vec![0x5a; 64]),
            oaep: None,
            context: BTreeMap::new(),
            version: None,
        };
        let key = KeyRef::Name(KeyName::new("used").unwrap());
        let (node, action) = (&self.world.node, Action::KeyEncrypt);
        let Tenancy { user, place, .. } = &self.tenancy;
        let done = use_key::perform_one(node, user, place, &key, action, item);
        done.await.unwrap();
    }
}

/// How long each encryption took, in microseconds, in order, until it is stopped. Measured from when it should have
/// begun, so that waiting counts.
async fn used(place: Arc<Place>, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await.into_std();
        place.encrypt().await;
        micros.push(due.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    micros
}

async fn quiet(place: &Arc<Place>) -> Vec<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let using = tokio::spawn(used(place.clone(), stop.clone()));
    tokio::time::sleep(QUIET).await;
    stop.store(true, Ordering::Relaxed);
    using.await.unwrap()
}

fn at(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((last as f64 * part) as usize).min(last)]
}

async fn measure(registry: RegistryKind, name: &str, keys: usize) {
    let place = Place::new(World::on(registry, VaultKind::Files).await, keys).await;
    let node = &place.world.node;
    assert!(rotation::keep_lease(node).await.unwrap());
    let before = quiet(&place).await;
    place.world.clock.advance_seconds(DAY + 60);
    assert!(rotation::keep_lease(node).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let using = tokio::spawn(used(place.clone(), stop.clone()));
    let begun = Instant::now();
    let (mut rotated, mut runs) = (0, 0);
    while rotated < keys {
        let last = rotation::check(node).await.unwrap().unwrap();
        assert_eq!((last.failed, last.error), (0, None));
        rotated += last.rotated;
        runs += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let during = using.await.unwrap();
    assert_eq!(rotated, keys, "each once");
    assert!(
        rotation::check(node)
            .await
            .unwrap()
            .is_none_or(|last| last.rotated == 0)
    );
    let after = quiet(&place).await;
    let ratio = |part| at(&during, part) / f64::midpoint(at(&before, part), at(&after, part));
    println!(
        "| {name} | {keys} | {runs} | {:.0} | {took:.1} | {:.0} | {:.0} | {:.1} | {:.0} | {:.0} | {:.1} |",
        keys as f64 / took,
        at(&before, 0.5),
        at(&during, 0.5),
        ratio(0.5),
        at(&before, 0.99),
        at(&during, 0.99),
        ratio(0.99),
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let keys = std::env::var("KEYWARD_BENCH_KEYS").ok();
    let keys = keys.and_then(|it| it.parse().ok()).unwrap_or(10_000);
    println!(
        "| registry | keys due | runs | rotated/s | behind by s | p50 µs | during | × | p99 µs | during | × |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    runtime.block_on(async {
        measure(RegistryKind::Sqlite, "SQLite", keys).await;
        measure(RegistryKind::Postgres, "PostgreSQL", keys).await;
    });
}
