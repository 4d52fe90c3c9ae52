//! What encryption costs at each storage backend: records stored in the vault and opened from it,
//! beside the same number of bytes written to the bare backend and read from it. Both take turns in
//! short rounds, so that a machine or a disk that changes its pace changes it for both; the ratio
//! is that of the medians of the rounds.
//!
//! `KEYWARD_BENCH=file` one backend (file, sqlite, postgres, s3, azure, gcs). The real servers are
//! those of the tests. `KEYWARD_BENCH=rewrap` wraps the records of a tenant in `vault.db` under its
//! next key-encryption key (`KEYWARD_BENCH_RECORDS`, 100,000 unless told), and encrypts meanwhile.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::names::KeyName;
use keyward_core::noun::action::Action;
use keyward_core::ops::use_key::{self, UseItem};
use keyward_core::ops::{kek, key};
use keyward_core::port::registry::KeyRef;
use keyward_core::port::storage::{NewRecord, ObjectName, SecureStorage};
use keyward_core::port::stream_storage::{PayloadRange, StreamStorage};
use keyward_crypto::SecretBytes;
use keyward_crypto::record::{RecordKind, RecordLabel};
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use uuid::Uuid;

const BACKENDS: [(&str, VaultKind); 6] = [
    ("file", VaultKind::Files),
    ("sqlite", VaultKind::Embedded),
    ("postgres", VaultKind::Postgres),
    ("s3", VaultKind::S3),
    ("azure", VaultKind::Azure),
    ("gcs", VaultKind::Gcs),
];
/// Sizes with the number of records of a round.
const SIZES: [(usize, usize); 4] = [(32, 64), (4 << 10, 64), (64 << 10, 32), (1 << 20, 8)];
const ROUNDS: usize = 15;
const AT_ONCE: usize = 16;
/// A value that is stored in pieces.
const STREAM_PIECES: usize = 64;
const STREAM_PIECE: usize = 1 << 20;

struct Place {
    world: World,
    tenancy: Tenancy,
    next: u128,
}

impl Place {
    fn label(&mut self) -> RecordLabel {
        self.next += 1;
        RecordLabel {
            kind: RecordKind::KeyMaterial,
            record_id: Uuid::from_u128(0x1_0000_0000 * self.next),
            tenant: self.tenancy.id.uuid(),
            key_id: Uuid::from_u128(5),
            version: 1,
            algorithm: "aes-256-gcm-commit".to_owned(),
            usage: 1,
        }
    }

    /// Stores and opens a round in the vault.
    async fn in_vault(&mut self, size: usize, count: usize) -> [Duration; 2] {
        let labels: Vec<RecordLabel> = (0..count).map(|_| self.label()).collect();
        let vault = &*self.world.vault;
        let begun = Instant::now();
        let stores = labels.iter().map(|label| {
            let record = NewRecord {
                label: label.clone(),
                metadata: Vec::new(),
                payload: SecretBytes::new(vec![0x5a; size]),
            };
            vault.store(vec![record])
        });
        let digests: Vec<_> = stream::iter(stores)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .unwrap();
        let stored = begun.elapsed();
        let begun = Instant::now();
        let opens = labels
            .iter()
            .zip(&digests)
            .map(|(label, digest)| vault.open(label, Some(&digest[0])));
        let opened: Vec<_> = stream::iter(opens)
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .unwrap();
        assert!(opened.iter().all(|record| record.payload.len() == size));
        [stored, begun.elapsed()]
    }

    /// Writes and reads a round without the vault.
    async fn bare(&mut self, size: usize, count: usize) -> [Duration; 2] {
        let names: Vec<ObjectName> = (0..count)
            .map(|_| {
                self.next += 1;
                ObjectName::new(&format!("bare/{:02x}/{}", self.next % 256, self.next)).unwrap()
            })
            .collect();
        let backend = &*self.world.backend;
        let begun = Instant::now();
        let writes = names
            .iter()
            .map(|name| backend.put_many(vec![(name.clone(), vec![0x5a; size])]));
        stream::iter(writes)
            .buffered(AT_ONCE)
            .try_collect::<()>()
            .await
            .unwrap();
        let written = begun.elapsed();
        let begun = Instant::now();
        let read: Vec<_> = stream::iter(names.iter().map(|name| backend.read(name)))
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .unwrap();
        assert!(
            read.iter()
                .all(|bytes| bytes.as_ref().unwrap().len() == size)
        );
        [written, begun.elapsed()]
    }

    /// Stores and opens a value in pieces; MiB/s.
    async fn in_pieces(&mut self) -> [f64; 2] {
        let label = self.label();
        let vault = &*self.world.vault;
        let pieces = (0..STREAM_PIECES).map(|_| Ok(SecretBytes::new(vec![0x5a; STREAM_PIECE])));
        let begun = Instant::now();
        let pieces = stream::iter(pieces).boxed();
        let stored = vault.store_stream(&label, b"", pieces).await.unwrap();
        let storing = begun.elapsed();
        let begun = Instant::now();
        let whole = PayloadRange::default();
        let opened = vault.open_stream(&label, Some(&stored.digest), whole).await;
        let count = |sum: usize, piece: SecretBytes| async move { Ok(sum + piece.len()) };
        let read = opened.unwrap().pieces.try_fold(0, count).await.unwrap();
        assert_eq!(read, STREAM_PIECES * STREAM_PIECE);
        let mib = (STREAM_PIECES * STREAM_PIECE) as f64 / f64::from(1 << 20);
        [storing, begun.elapsed()].map(|time| mib / time.as_secs_f64())
    }
}

/// What a rotation of a tenant's key-encryption key costs, and those who encrypt meanwhile.
async fn rewrap(records: u128, table: &mut String) {
    let world = World::on(RegistryKind::Sqlite, VaultKind::Embedded).await;
    let tenancy = world.tenant("bench").await;
    let mut new = key::NewKey::named(KeyName::new("probe").unwrap());
    new.activate = true;
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
    let probe = KeyRef::Id(made.unwrap().value.key.id);
    let mut place = Place {
        world,
        tenancy,
        next: 0,
    };
    let begun = Instant::now();
    while place.next < records {
        let new = (0..1000).map(|_| NewRecord {
            label: place.label(),
            metadata: Vec::new(),
            payload: SecretBytes::new(vec![7; 43]),
        });
        let new = new.collect();
        place.world.vault.store(new).await.unwrap();
    }
    let stored = begun.elapsed();
    let idle = place
        .probes(&probe, stream::pending::<()>().boxed(), 2000)
        .await;
    let resident = resident_mib();
    let node = &place.world.node;
    let root = place.world.root();
    kek::rotate(node, root, &place.tenancy.place, None)
        .await
        .unwrap();
    let begun = Instant::now();
    let slices = stream::unfold((), |()| async {
        kek::rewrap_slice(node).await.unwrap().map(|_| ((), ()))
    });
    let busy = place.probes(&probe, slices.boxed(), usize::MAX).await;
    let spent = begun.elapsed();
    let rate = |time: Duration| records as f64 / time.as_secs_f64();
    writeln!(
        table,
        "\n{records} records stored ({:.0}/s, in batches of 1,000) and wrapped under a new key in {:.1} s: {:.0}/s; resident {resident} MiB before, {} after.\n\
         Encrypt of 64 B through the node, one caller, audit synced: p50 {:.0} µs and p99 {:.0} while idle; {:.0} and {:.0} meanwhile ({:.2} and {:.2} times).",
        rate(stored),
        spent.as_secs_f64(),
        rate(spent),
        resident_mib(),
        idle[0], idle[1], busy[0], busy[1],
        busy[0] / idle[0], busy[1] / idle[1],
    )
    .unwrap();
}

impl Place {
    /// Encrypts one after the other, so often or until the work beside it ends; p50 and p99 in µs.
    async fn probes(&self, key: &KeyRef, mut work: BoxStream<'_, ()>, count: usize) -> [f64; 2] {
        let mut times = Vec::new();
        let probing = async {
            while times.len() < count {
                let begun = Instant::now();
                let item = UseItem::Encrypt {
                    plaintext: SecretBytes::new(vec![7; 64]),
                    context: std::collections::BTreeMap::new(),
                    oaep: None,
                    version: None,
                };
                let (node, user) = (&self.world.node, &self.tenancy.user);
                let action = Action::KeyEncrypt;
                use_key::perform_one(node, user, &self.tenancy.place, key, action, item)
                    .await
                    .unwrap();
                times.push(begun.elapsed());
            }
        };
        let working = async { while work.next().await.is_some() {} };
        futures_util::future::select(std::pin::pin!(probing), std::pin::pin!(working)).await;
        times.sort_unstable();
        [50, 99].map(|percent| times[times.len() * percent / 100].as_secs_f64() * 1e6)
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn measure(name: &str, kind: VaultKind, table: &mut String) {
    let world = World::on(RegistryKind::Sqlite, kind).await;
    let tenancy = world.tenant("bench").await;
    let mut place = Place {
        world,
        tenancy,
        next: 0,
    };
    for (size, count) in SIZES {
        let mut vault: [Vec<Duration>; 2] = Default::default();
        let mut bare: [Vec<Duration>; 2] = Default::default();
        for round in 0..=ROUNDS {
            let with = place.in_vault(size, count).await;
            let without = place.bare(size, count).await;
            // The first round makes the connections and fills the caches.
            if round > 0 {
                for verb in 0..2 {
                    vault[verb].push(with[verb]);
                    bare[verb].push(without[verb]);
                }
            }
        }
        let each = |times: &mut [Duration]| median(times).as_secs_f64() * 1e6 / count as f64;
        let [stored, opened] = vault.each_mut().map(|times| each(times));
        let [written, read] = bare.each_mut().map(|times| each(times));
        writeln!(
            table,
            "| {name} | {size} | {stored:.0} | {written:.0} | {:.2} | {opened:.0} | {read:.0} | {:.2} |",
            stored / written,
            opened / read
        )
        .unwrap();
        eprintln!("{}", table.lines().last().unwrap());
    }
    let [storing, opening] = place.in_pieces().await;
    writeln!(
        table,
        "| {name} | 64 MiB in pieces | {storing:.0} MiB/s | | | {opening:.0} MiB/s | | |"
    )
    .unwrap();
    eprintln!("{}", table.lines().last().unwrap());
}

fn main() {
    let only = std::env::var("KEYWARD_BENCH").ok();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut table = String::from(
        "| backend | bytes | store µs | bare write µs | × | open µs | bare read µs | × |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    if only.as_deref() == Some("rewrap") {
        let records = std::env::var("KEYWARD_BENCH_RECORDS").ok();
        let records = records.map_or(100_000, |text| text.parse().unwrap());
        table.clear();
        runtime.block_on(rewrap(records, &mut table));
    }
    for (name, kind) in BACKENDS {
        if only.as_deref().is_none_or(|only| only == name) {
            runtime.block_on(measure(name, kind, &mut table));
        }
    }
    println!("{table}");
}
