//! A thousand mutations of what is stored, of every sort that somebody with the disk can think of:
//! each is noticed, named, and never returned as data; and put right, all is as before
//! (invariant 8).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod world;

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::storage::{
    KeyHierarchy, ObjectName, RecordLedger, SecureStorage, StorageError,
};
use keyward_core::port::stream_storage::{PayloadRange, StreamStorage};
use keyward_core::time::Timestamp;
use keyward_crypto::SecretBytes;
use keyward_crypto::record::{OUTER_LENGTH, RecordError, RecordLabel};
use world::{KINDS, Kind, World, label, new_record, object_name, tenant};

const MUTATIONS: usize = 1000;
/// The last is stored in parts.
const SIZES: [usize; 6] = [0, 32, 4_000, 65_000, 150_000, (4 << 20) + 1];

/// Choices that are the same in every run (splitmix64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// A stored record, with what is needed to know it again.
struct Stored {
    label: RecordLabel,
    digest: Digest,
    payload: Vec<u8>,
    /// Its objects.
    objects: Vec<(ObjectName, Vec<u8>)>,
    /// The objects of a genuine record with the same label that was destroyed before.
    replaced: Vec<(ObjectName, Vec<u8>)>,
}

struct Deployment {
    world: World,
    records: Vec<Stored>,
    /// Live key-encryption keys of both tenants, with their objects.
    keks: Vec<(TenantKek, ObjectName, Vec<u8>)>,
}

impl Deployment {
    /// Two tenants with two key-encryption keys each, and records of all sizes under both.
    async fn new(kind: Kind) -> Self {
        let world = World::new(kind).await;
        world.add_tenant(tenant(2)).await;
        let mut records = Vec::new();
        for generation in 0..2 {
            for number in [1, 2] {
                for size in SIZES {
                    let id = 100 + records.len() as u128;
                    records.push(Stored::new(&world, tenant(number), id, size).await);
                }
                if generation == 0 {
                    next_kek(&world, tenant(number)).await;
                }
            }
        }
        let mut keks = Vec::new();
        for number in [1, 2] {
            for kek in world.ledger.tenant_keks(tenant(number)).await.unwrap() {
                let name = format!("kek/{}/{}-{}", kek.tenant, kek.version, kek.record);
                let name = ObjectName::new(&name).unwrap();
                let bytes = world.backend.read(&name).await.unwrap().unwrap();
                keks.push((kek, name, bytes));
            }
        }
        Self {
            world,
            records,
            keks,
        }
    }

    async fn put(&self, name: &ObjectName, bytes: &[u8]) {
        self.world
            .backend
            .write(name, bytes.to_vec())
            .await
            .unwrap();
    }

    /// Reads as everybody does: what fits into one object whole, the rest in pieces.
    async fn read(&self, stored: &Stored) -> Result<Vec<u8>, StorageError> {
        for number in [1, 2] {
            self.world.vault.forget_tenant(tenant(number));
        }
        let vault = &self.world.vault;
        let digest = Some(&stored.digest);
        if stored.objects.len() <= 2 {
            let opened = vault.open(&stored.label, digest).await?;
            return Ok(opened.payload.expose().to_vec());
        }
        let all = PayloadRange::default();
        let opened = vault.open_stream(&stored.label, digest, all).await?;
        let add = |mut sum: Vec<u8>, piece: SecretBytes| async move {
            sum.extend_from_slice(piece.expose());
            Ok(sum)
        };
        opened.pieces.try_fold(Vec::new(), add).await
    }
}

impl Stored {
    /// Stores, destroys and stores again under the same label.
    async fn new(world: &World, tenant: TenantId, id: u128, size: usize) -> Self {
        let label = label(tenant, id);
        let (_, replaced) = store(world, &label, &vec![0x5a; size]).await;
        let record = RecordId::from_uuid(label.record_id);
        world.vault.destroy(record).await.unwrap();
        let payload: Vec<u8> = (0..size).map(|index| (index % 249) as u8).collect();
        let (digest, objects) = store(world, &label, &payload).await;
        Self {
            label,
            digest,
            payload,
            objects,
            replaced,
        }
    }
}

async fn store(
    world: &World,
    label: &RecordLabel,
    payload: &[u8],
) -> (Digest, Vec<(ObjectName, Vec<u8>)>) {
    let digest = if payload.len() > 1 << 20 {
        let pieces = stream::iter([Ok(SecretBytes::copy_from(payload))]).boxed();
        let stored = world.vault.store_stream(label, b"metadata", pieces).await;
        stored.unwrap().digest
    } else {
        let record = new_record(label, payload);
        world.vault.store(vec![record]).await.unwrap()[0]
    };
    let prefix = object_name(label);
    let names = world.backend.list(prefix.as_str(), None, 100).await;
    let mut objects = Vec::new();
    for name in names.unwrap() {
        let bytes = world.backend.read(&name).await.unwrap().unwrap();
        objects.push((name, bytes));
    }
    (digest, objects)
}

async fn next_kek(world: &World, tenant: TenantId) {
    let current = world.ledger.tenant_keks(tenant).await.unwrap()[0].clone();
    let next = world.vault.next_tenant_kek(&current, Timestamp::default());
    world.ledger.add(next.await.unwrap());
    world.vault.forget_tenant(tenant);
}

/// Whether an object is the outer header of a record of several objects.
fn is_outer((name, _): &(ObjectName, Vec<u8>)) -> bool {
    name.as_str()
        .rsplit_once('.')
        .is_some_and(|(_, end)| end == "outer")
}

/// A mutation: what it is called, and the objects that are different afterwards, gone if none.
type Mutation = (&'static str, Vec<(ObjectName, Option<Vec<u8>>)>);

impl Deployment {
    /// What is done to the record `victim`.
    fn mutate(&self, sort: usize, victim: usize, choices: &mut Choices) -> Mutation {
        let stored = &self.records[victim];
        let object = choices.below(stored.objects.len());
        let (name, genuine) = &stored.objects[object];
        let place = choices.below(genuine.len());
        let one = |bytes: Option<Vec<u8>>| vec![(name.clone(), bytes)];
        // Of the same size: whoever puts one record in another's place takes care of that.
        let same_size = |tenant_differs: bool| {
            let fits = |other: &&Stored| {
                other.payload.len() == stored.payload.len()
                    && other.label.record_id != stored.label.record_id
                    && (other.label.tenant != stored.label.tenant) == tenant_differs
            };
            self.records.iter().find(fits).unwrap()
        };
        let all_of = |other: &[(ObjectName, Vec<u8>)]| {
            let pairs = stored.objects.iter().zip(other);
            pairs
                .map(|((name, _), (_, bytes))| (name.clone(), Some(bytes.clone())))
                .collect()
        };
        match sort {
            0 => {
                let mut bytes = genuine.clone();
                bytes[place] ^= 1 << choices.below(8);
                ("a bit flipped", one(Some(bytes)))
            }
            1 => ("cut short", one(Some(genuine[..place].to_vec()))),
            2 => {
                let more = vec![0; 1 + choices.below(100)];
                (
                    "bytes appended",
                    one(Some([&genuine[..], &more[..]].concat())),
                )
            }
            3 => (
                "another record of the tenant",
                all_of(&same_size(false).objects),
            ),
            4 => ("another tenant's record", all_of(&same_size(true).objects)),
            5 => ("an old copy put back", all_of(&stored.replaced)),
            6 => {
                // Its own core behind the outer header of the record that was here before.
                let (first, rest) = stored.objects.split_first().unwrap();
                let (_, old) = &stored.replaced[0];
                if rest.is_empty() {
                    let mixed = [&old[..OUTER_LENGTH], &first.1[OUTER_LENGTH..]].concat();
                    ("an old outer header", vec![(first.0.clone(), Some(mixed))])
                } else {
                    let (name, _) = stored
                        .objects
                        .iter()
                        .find(|object| is_outer(object))
                        .unwrap();
                    let (_, old) = stored
                        .replaced
                        .iter()
                        .find(|object| is_outer(object))
                        .unwrap();
                    (
                        "an old outer header",
                        vec![(name.clone(), Some(old.clone()))],
                    )
                }
            }
            7 => ("an object deleted", one(None)),
            8 => {
                let (name, mut bytes) = self.kek_of(victim);
                let place = choices.below(bytes.len());
                bytes[place] ^= 1 << choices.below(8);
                (
                    "a bit of its key-encryption key flipped",
                    vec![(name, Some(bytes))],
                )
            }
            _ => {
                let (name, own) = self.kek_of(victim);
                let others: Vec<_> = self
                    .keks
                    .iter()
                    .filter(|(_, other, _)| *other != name)
                    .collect();
                let (_, _, bytes) = others[choices.below(others.len())];
                assert_ne!(*bytes, own);
                (
                    "another key-encryption key",
                    vec![(name, Some(bytes.clone()))],
                )
            }
        }
    }

    /// The key-encryption key a record is under, as its outer header says (docs/formats/record.md:
    /// the version stands at bytes 22 to 25).
    fn kek_of(&self, victim: usize) -> (ObjectName, Vec<u8>) {
        let stored = &self.records[victim];

        let (_, outer) = stored
            .objects
            .iter()
            .find(|object| is_outer(object))
            .unwrap_or(&stored.objects[0]);
        let named = keyward_crypto::record::peek_outer(&outer[..OUTER_LENGTH]).unwrap();
        let (_, name, bytes) = self
            .keks
            .iter()
            .find(|(kek, _, _)| {
                kek.tenant.uuid() == stored.label.tenant && kek.version == i64::from(named.version)
            })
            .unwrap();
        (name.clone(), bytes.clone())
    }
}

/// What a refusal says.
fn named(error: &StorageError) -> String {
    match error {
        StorageError::Missing => "missing".to_owned(),
        StorageError::Refused(RecordError::Poisoned | RecordError::Crypto(_)) => {
            panic!("not named: {error}")
        }
        StorageError::Refused(RecordError::WrongKek { .. }) => {
            "another key-encryption key".to_owned()
        }
        StorageError::Refused(refusal) => refusal.to_string(),
        other => panic!("not a refusal: {other}"),
    }
}

#[tokio::test]
async fn i08_a_thousand_mutations_are_all_noticed_and_named() {
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for (index, kind) in KINDS.into_iter().enumerate() {
        let deployment = Deployment::new(kind).await;
        let mut choices = Choices(index as u64);
        for round in 0..MUTATIONS / KINDS.len() {
            let victim = choices.below(deployment.records.len());
            let stored = &deployment.records[victim];
            let (sort, changes) = deployment.mutate(round % 10, victim, &mut choices);
            let mut genuine = Vec::new();
            for (name, bytes) in &changes {
                let before = deployment.world.backend.read(name).await.unwrap().unwrap();
                assert_ne!(Some(&before), bytes.as_ref(), "{sort} changes nothing");
                genuine.push((name, before));
                match bytes {
                    Some(bytes) => deployment.put(name, bytes).await,
                    None => deployment.world.backend.delete(name).await.unwrap(),
                }
            }
            let Err(error) = deployment.read(stored).await else {
                panic!("{sort} was not noticed in round {round} on {kind:?}");
            };
            *seen.entry((sort, named(&error))).or_default() += 1;
            for (name, bytes) in genuine {
                deployment.put(name, &bytes).await;
            }
            assert!(deployment.read(stored).await.unwrap() == stored.payload);
        }
    }
    for ((sort, named), count) in &seen {
        println!("{count:5}  {sort}: {named}");
    }
    assert_eq!(seen.values().sum::<usize>(), MUTATIONS);
}
