//! The library beneath the server, a layer at a time: the cipher, the ciphertext and its text, a
//! stored record, an access decision, one use of a key in memory, and the journal's append. The
//! differences between the layers say where a request's time goes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use keyward_core::noun::action::Action;
use keyward_core::ops::use_key::{self, UseItem};
use keyward_core::ops::{kek, key};
use keyward_core::port::decide::{Grant, Target};
use keyward_core::port::registry::KeyRef;
use keyward_core::port::storage::{NewRecord, SecureStorage};
use keyward_crypto::envelope::Ciphertext;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::record::{self, KekRef, RecordKind, RecordLabel};
use keyward_crypto::{
    Algorithm, KeyMaterial, MessageContext, PreparedKey, SecretBytes, SystemRandom,
};
use keyward_testkit::world::{Tenancy, World};
use tokio::runtime::Runtime;
use uuid::Uuid;

const SIZES: [usize; 3] = [64, 1024, 4096];

fn context(pairs: &BTreeMap<String, String>) -> MessageContext<'_> {
    MessageContext {
        key_id: Uuid::from_u128(7),
        version: 1,
        context: pairs,
    }
}

fn ciphers(criterion: &mut Criterion) {
    for algorithm in [
        Algorithm::Aes256GcmCommit,
        Algorithm::Aes256Gcm,
        Algorithm::ChaCha20Poly1305,
    ] {
        let mut group = criterion.benchmark_group(format!("encrypt {algorithm}"));
        let material = KeyMaterial::generate(algorithm, &SystemRandom).unwrap();
        let key = PreparedKey::new(&material).unwrap();
        for size in SIZES {
            let message = vec![0x5a; size];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &message, |bencher, m| {
                bencher.iter(|| {
                    key.encrypt(&context(&BTreeMap::new()), black_box(m), &SystemRandom)
                        .unwrap()
                });
            });
        }
    }
}

fn envelopes(criterion: &mut Criterion) {
    let ciphertext = Ciphertext {
        key_id: Uuid::from_u128(7),
        version: 3,
        sealed: vec![0x5a; 145],
    };
    let text = ciphertext.to_string();
    criterion.bench_function("envelope to text", |b| {
        b.iter(|| black_box(&ciphertext).to_string());
    });
    criterion.bench_function("envelope from text", |b| {
        b.iter(|| black_box(&text).parse::<Ciphertext>().unwrap());
    });
}

fn records(criterion: &mut Criterion) {
    let kek = Kek::generate(&SystemRandom).unwrap();
    let kek_ref = KekRef {
        id: Uuid::from_u128(1),
        version: 1,
    };
    let label = RecordLabel {
        kind: RecordKind::KeyMaterial,
        record_id: Uuid::from_u128(2),
        tenant: Uuid::from_u128(3),
        key_id: Uuid::from_u128(4),
        version: 1,
        algorithm: "aes-256-gcm-commit".to_owned(),
        usage: 3,
    };
    let seal =
        |payload: &[u8]| record::seal(&label, &[], payload, &kek, kek_ref, &SystemRandom).unwrap();
    let sealed = seal(&[7; 43]);
    criterion.bench_function("record of a key, sealed", |b| {
        b.iter(|| seal(black_box(&[7; 43])));
    });
    criterion.bench_function("record of a key, opened", |b| {
        b.iter(|| record::open(&sealed.outer, &sealed.core, &kek, &label, None).unwrap());
    });
}

/// A key in a node on real parts: SQLite, vault.db, and a journal that is synced.
struct Place {
    world: World,
    tenancy: Tenancy,
    key: KeyRef,
}

impl Place {
    async fn new() -> Self {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        let name = keyward_core::names::KeyName::new("records").unwrap();
        let new = key::NewKey {
            activate: true,
            ..key::NewKey::named(name.clone())
        };
        key::create(&world.node, world.root(), &tenancy.place, new, None)
            .await
            .unwrap();
        Self {
            world,
            tenancy,
            key: KeyRef::Name(name),
        }
    }

    async fn encrypt(&self) {
        let item = UseItem::Encrypt {
            plaintext: SecretBytes::new(vec![0x5a; 64]),
            oaep: None,
            context: BTreeMap::new(),
            version: None,
        };
        let (user, place) = (&self.tenancy.user, &self.tenancy.place);
        let node = &self.world.node;
        use_key::perform_one(node, user, place, &self.key, Action::KeyEncrypt, item)
            .await
            .unwrap();
    }
}

fn node(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let place = Arc::new(runtime.block_on(Place::new()));
    let decide = keyward_access::RoleDecider;
    let grants: Vec<Grant> = keyward_access::builtin::roles()
        .into_iter()
        .map(|role| Grant {
            tenant: Some(place.tenancy.id),
            permissions: role.permissions,
            delegable: role.delegable,
            restriction: None,
        })
        .collect();
    let target = Target::Tenant(place.tenancy.id);
    criterion.bench_function("access decision", |bencher| {
        use keyward_core::port::decide::Decide as _;
        bencher.iter(|| decide.decide(black_box(&grants), Action::KeyEncrypt, &target));
    });
    let mut group = criterion.benchmark_group("encrypt 64 B through the node, entry synced");
    group.measurement_time(Duration::from_secs(8));
    for callers in [1_u64, 16, 64] {
        group.throughput(Throughput::Elements(callers));
        group.bench_function(BenchmarkId::new("callers", callers), |bencher| {
            bencher.iter(|| {
                runtime.block_on(join_all((0..callers).map(|_| place.encrypt())));
            });
        });
    }
    group.finish();
}

/// Records of a key's size in vault.db, wrapped under one new key-encryption key after another:
/// what a slice of a thousand takes, every one of them changed.
fn rewraps(criterion: &mut Criterion) {
    const RECORDS: u64 = 10_000;
    let runtime = Runtime::new().unwrap();
    let (world, tenant) = runtime.block_on(async {
        let world = World::new().await;
        let tenancy = world.tenant("clinic").await;
        for _ in 0..RECORDS / 1000 {
            let records = (0..1000).map(|_| NewRecord {
                label: RecordLabel {
                    kind: RecordKind::KeyMaterial,
                    record_id: Uuid::now_v7(),
                    tenant: tenancy.id.uuid(),
                    key_id: Uuid::from_u128(7),
                    version: 1,
                    algorithm: "aes-256-gcm-commit".to_owned(),
                    usage: 3,
                },
                metadata: Vec::new(),
                payload: SecretBytes::new(vec![7; 43]),
            });
            world.vault.store(records.collect()).await.unwrap();
        }
        (world, tenancy)
    });
    let mut group = criterion.benchmark_group("records wrapped under a new KEK");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(RECORDS));
    group.bench_function("vault.db", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let root = world.root();
                    kek::rotate(&world.node, root, &tenant.place, None)
                        .await
                        .unwrap();
                    let began = Instant::now();
                    while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
                    spent += began.elapsed();
                }
                spent
            })
        });
    });
    group.finish();
}

/// Names that no key has yet.
static NEXT: AtomicU64 = AtomicU64::new(0);

fn new_key() -> key::NewKey {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = keyward_core::names::KeyName::new(&format!("made-{number}")).unwrap();
    key::NewKey {
        activate: true,
        ..key::NewKey::named(name)
    }
}

/// Makes so many keys, or batches of them, by callers of which each waits for its answer before it
/// asks again.
async fn make_keys(place: Arc<Place>, callers: u64, requests: u64, in_batch: usize) {
    let left = Arc::new(AtomicU64::new(requests));
    let one = || {
        let (place, left) = (Arc::clone(&place), Arc::clone(&left));
        tokio::spawn(async move {
            let (node, root) = (&place.world.node, place.world.root());
            let tenant = &place.tenancy.place;
            let take = |left: u64| left.checked_sub(1);
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
            {
                if in_batch == 1 {
                    key::create(node, root, tenant, new_key(), None)
                        .await
                        .unwrap();
                } else {
                    let new = (0..in_batch).map(|_| new_key()).collect();
                    let made = key::create_many(node, root, tenant, new).await.unwrap();
                    assert!(made.iter().all(Result::is_ok));
                }
            }
        })
    };
    for caller in join_all((0..callers).map(|_| one())).await {
        caller.unwrap();
    }
}

fn making(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("make an AES key through the node");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(8));
    for (callers, in_batch) in [(1_u64, 1_usize), (64, 1), (16, 100)] {
        let place = Arc::new(runtime.block_on(Place::new()));
        group.throughput(Throughput::Elements(in_batch as u64));
        let id = BenchmarkId::new(format!("callers {callers}, at once"), in_batch);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|requests| {
                let begun = Instant::now();
                let place = Arc::clone(&place);
                runtime.block_on(make_keys(place, callers, requests, in_batch));
                begun.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = library;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = ciphers, envelopes, records, node, rewraps, making
}
criterion_main!(library);
