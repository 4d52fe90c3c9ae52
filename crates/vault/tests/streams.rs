//! Payloads that come and go in pieces: what comes back is what went in, wholly or in ranges;
//! whatever was done to the parts is noticed and named (invariant 8); what fails leaves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::backup::SealedObjects;
use keyward_core::port::storage::{
    KeyHierarchy, ObjectName, RecordLedger, SecureStorage, StorageError,
};
use keyward_core::port::stream_storage::{PayloadRange, StoredPayload, StreamStorage};
use keyward_core::time::Timestamp;
use keyward_crypto::SecretBytes;
use keyward_crypto::record::{CHUNK_LENGTH, RecordError, RecordLabel};
use keyward_vault::SealedCopies;
use proptest::prelude::*;
use world::{KINDS, Kind, World, label, object_name, outer_name};

/// As `docs/formats/hierarchy.md` says.
const PART: usize = 4 << 20;

/// Bytes that differ from place to place.
fn payload(length: usize) -> Vec<u8> {
    let byte = |index: usize| (index % 251) as u8 ^ (index / 65_536) as u8;
    (0..length).map(byte).collect()
}

fn part_name(label: &RecordLabel, number: usize) -> ObjectName {
    ObjectName::new(&format!("{}.part-{number:06}", object_name(label).as_str())).unwrap()
}

impl World {
    async fn store_pieces(
        &self,
        record: u128,
        payload: &[u8],
        piece: usize,
    ) -> (RecordLabel, StoredPayload) {
        let label = label(self.tenant, record);
        let pieces = payload.chunks(piece).map(|p| Ok(SecretBytes::copy_from(p)));
        let stored = self
            .vault
            .store_stream(&label, b"metadata", stream::iter(pieces).boxed())
            .await
            .unwrap();
        assert_eq!(stored.payload_bytes, payload.len() as u64);
        (label, stored)
    }

    async fn read_range(
        &self,
        label: &RecordLabel,
        digest: &Digest,
        offset: u64,
        length: Option<u64>,
    ) -> Result<Vec<u8>, StorageError> {
        let range = PayloadRange { offset, length };
        let opened = self.vault.open_stream(label, Some(digest), range).await?;
        assert_eq!(opened.metadata, b"metadata");
        let add = |mut sum: Vec<u8>, piece: SecretBytes| async move {
            sum.extend_from_slice(piece.expose());
            Ok(sum)
        };
        opened.pieces.try_fold(Vec::new(), add).await
    }

    async fn read_all(
        &self,
        label: &RecordLabel,
        digest: &Digest,
    ) -> Result<Vec<u8>, StorageError> {
        self.read_range(label, digest, 0, None).await
    }

    async fn names(&self) -> Vec<String> {
        let names = self.backend.list("rec/", None, 1000).await.unwrap();
        names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    async fn part(&self, name: &ObjectName) -> Vec<u8> {
        self.backend.read(name).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn what_comes_back_is_what_went_in_at_every_boundary() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let part_payload = PART - PART / CHUNK_LENGTH * 16;
        let lengths = [
            0,
            1,
            CHUNK_LENGTH - 1,
            CHUNK_LENGTH,
            CHUNK_LENGTH + 1,
            part_payload - 4096,
            part_payload,
            PART,
            3 * PART,
            3 * PART + CHUNK_LENGTH,
        ];
        for (record, length) in lengths.into_iter().enumerate() {
            let payload = payload(length);
            let piece = [1_000_003, CHUNK_LENGTH, 64 << 20][record % 3];
            let (label, stored) = world.store_pieces(record as u128, &payload, piece).await;
            let read = world.read_all(&label, &stored.digest).await.unwrap();
            assert!(read == payload, "{length} bytes on {kind:?}");
            let whole = world.vault.open(&label, Some(&stored.digest)).await;
            let fits = world
                .backend
                .list(part_name(&label, 1).as_str(), None, 1)
                .await;
            if fits.unwrap().is_empty() {
                assert!(whole.unwrap().payload.ct_eq(&payload));
            } else {
                assert!(matches!(whole, Err(StorageError::Refused(_))));
            }
        }
    }
}

#[tokio::test]
async fn records_written_whole_are_read_in_pieces() {
    let world = World::new(Kind::Embedded).await;
    for (record, length) in [(1, 0), (2, 70_000), (3, PART + 100_000)] {
        let payload = payload(length);
        let (label, digest) = world.store(record, &payload).await;
        assert!(world.read_all(&label, &digest).await.unwrap() == payload);
        if length > 0 {
            let offset = length as u64 - 50;
            let tail = world.read_range(&label, &digest, offset, None).await;
            assert!(tail.unwrap() == payload[length - 50..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn every_range_is_the_same_bytes(ranges in prop::collection::vec(
        (0_usize..2 * PART, prop::option::of(0_usize..PART)), 24,
    )) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let world = World::new(Kind::File).await;
            let payload = payload(PART + 300_000);
            let (label, stored) = world.store_pieces(1, &payload, 1 << 20).await;
            for (offset, length) in ranges {
                let from = offset.min(payload.len());
                let end = length.map_or(payload.len(), |l| (offset + l).min(payload.len()));
                let length = length.map(|l| l as u64);
                let read = world.read_range(&label, &stored.digest, offset as u64, length).await;
                assert!(read.unwrap() == payload[from..end.max(from)]);
            }
        });
    }
}

/// What lies behind the end is not there and no error; what was cut off is missing, wherever it is
/// looked for.
#[tokio::test]
async fn i08_a_range_at_the_end_or_behind_it_is_empty_only_if_that_is_the_end() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let part_payload = PART - PART / CHUNK_LENGTH * 16;
        let lengths = [
            0,
            1,
            CHUNK_LENGTH,
            3 * CHUNK_LENGTH,
            part_payload - 4096,
            part_payload + 4096,
            2 * PART + 5,
            // Its last chunk begins in one part and ends in the next.
            2 * PART + 200_000,
        ];
        for (record, length) in lengths.into_iter().enumerate() {
            let payload = payload(length);
            let (label, stored) = world.store_pieces(record as u128, &payload, 1 << 20).await;
            for behind in [
                0,
                1,
                CHUNK_LENGTH,
                3 * CHUNK_LENGTH,
                PART,
                9 * PART,
                9 << 30,
            ] {
                let offset = (length + behind) as u64;
                for wanted in [None, Some(1), Some(1 << 20)] {
                    let read = world
                        .read_range(&label, &stored.digest, offset, wanted)
                        .await;
                    assert_eq!(read, Ok(vec![]), "{behind} behind {length} on {kind:?}");
                }
            }
        }
        let (whole, digest) = world.store(100, &payload(2 * CHUNK_LENGTH)).await;
        let behind = 2 * CHUNK_LENGTH as u64;
        let read = world.read_range(&whole, &digest, behind, None).await;
        assert_eq!(read, Ok(vec![]));

        let (label, stored) = world.store_pieces(200, &payload(3 * PART), 1 << 20).await;
        let (behind, missing) = (9 * PART as u64, 2 * PART as u64);
        for gone in [3, 2, 1] {
            let name = part_name(&label, gone);
            world.backend.delete(&name).await.unwrap();
            for offset in [missing + 3 * CHUNK_LENGTH as u64, behind] {
                let read = world.read_range(&label, &stored.digest, offset, None).await;
                assert!(
                    matches!(read, Err(StorageError::Refused(_))),
                    "without part {gone}, from {offset} on {kind:?}: {:?}",
                    read.map(|bytes| bytes.len())
                );
            }
        }
    }
}

#[tokio::test]
async fn i08_parts_that_are_missing_swapped_cut_or_too_many_are_noticed() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let bytes = payload(4 * PART);
        let (label, stored) = world.store_pieces(1, &bytes, 1 << 20).await;
        let (other, _) = world.store_pieces(2, &bytes, 1 << 20).await;
        let names: Vec<ObjectName> = (1..=4).map(|n| part_name(&label, n)).collect();
        let mut genuine = Vec::new();
        for name in &names {
            genuine.push(world.part(name).await);
        }
        let strange = world.part(&part_name(&other, 2)).await;
        let mut flipped = genuine[1].clone();
        flipped[70_000] ^= 1;
        let cut = |part: usize, by: usize| Some(genuine[part][..genuine[part].len() - by].to_vec());
        let cases = [
            (1, Some(flipped), RecordError::Altered),
            (1, Some(strange), RecordError::Altered),
            (1, Some(genuine[2].clone()), RecordError::Altered),
            (1, None, RecordError::Altered),
            (3, None, RecordError::Altered),
            (3, cut(3, 1), RecordError::Altered),
            (1, cut(1, 1), RecordError::Altered),
        ];
        for (index, (part, replaced, expected)) in cases.into_iter().enumerate() {
            match replaced {
                Some(bytes) => world.backend.write(&names[part], bytes).await.unwrap(),
                None => world.backend.delete(&names[part]).await.unwrap(),
            }
            let read = world.read_all(&label, &stored.digest).await.err();
            let named = Some(StorageError::Refused(expected));
            assert_eq!(read, named, "case {index} on {kind:?}");
            world
                .backend
                .write(&names[part], genuine[part].clone())
                .await
                .unwrap();
        }
        // What lies before the damage is genuine, and what is not asked for is not read.
        world.backend.delete(&names[3]).await.unwrap();
        let start = world
            .read_range(&label, &stored.digest, 100, Some(1000))
            .await;
        assert!(start.unwrap() == bytes[100..1100]);
        world
            .backend
            .write(&names[3], genuine[3].clone())
            .await
            .unwrap();
        let behind = part_name(&label, 5);
        world
            .backend
            .write(&behind, genuine[3].clone())
            .await
            .unwrap();
        let read = world.read_all(&label, &stored.digest).await.err();
        let named = Some(StorageError::Refused(RecordError::TrailingData));
        assert_eq!(read, named, "on {kind:?}");
    }
}

#[tokio::test]
async fn a_payload_that_breaks_off_leaves_nothing() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let label = label(world.tenant, 1);
        let broken = StorageError::Unavailable {
            cause: "the sender went away".to_owned(),
        };
        let last = broken.clone();
        let pieces = (0..10)
            .map(|_| Ok(SecretBytes::zeroed(1 << 20)))
            .chain([Err(last)]);
        let stored = world
            .vault
            .store_stream(&label, b"", stream::iter(pieces).boxed())
            .await;
        assert_eq!(stored, Err(broken));
        assert_eq!(world.names().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_record_is_not_overwritten_by_a_stream() {
    let world = World::new(Kind::File).await;
    let bytes = payload(2 * PART);
    let (label, stored) = world.store_pieces(1, &bytes, 1 << 20).await;
    let again = stream::iter([Ok(SecretBytes::zeroed(3 * PART))]).boxed();
    let again = world.vault.store_stream(&label, b"", again).await;
    assert_eq!(again, Err(StorageError::AlreadyExists));
    assert!(world.read_all(&label, &stored.digest).await.unwrap() == bytes);
}

/// Two who write the same record at once, and one of them fails: it takes back what it made, and
/// nothing of the other's.
#[tokio::test]
async fn i02_a_writing_that_fails_takes_nothing_of_another_with_it() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let bytes = payload(3 * PART);
        let label = label(world.tenant, 1);
        let broken = StorageError::Unavailable {
            cause: "the sender went away".to_owned(),
        };
        let (begun, stored) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let failing = async {
            let first = stream::once(async {
                begun.notify_one();
                // The other writes all of it meanwhile.
                stored.notified().await;
                Ok(SecretBytes::zeroed(1 << 20))
            });
            let pieces = first.chain(stream::once(async { Err(broken.clone()) }));
            let failed = world
                .vault
                .store_stream(&label, b"metadata", pieces.boxed());
            assert_eq!(failed.await, Err(broken.clone()));
        };
        let writing = async {
            begun.notified().await;
            let (_, stored_payload) = world.store_pieces(1, &bytes, 1 << 20).await;
            stored.notify_one();
            stored_payload
        };
        let ((), stored) = tokio::join!(failing, writing);
        let read = world.read_all(&label, &stored.digest).await.unwrap();
        assert!(read == bytes, "on {kind:?}");
    }
}

#[tokio::test]
async fn destroying_leaves_no_part() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, stored) = world.store_pieces(1, &payload(3 * PART), 1 << 20).await;
        assert_eq!(
            world.names().await.len(),
            5,
            "head, outer header, three parts"
        );
        let id = RecordId::from_uuid(label.record_id);
        world.vault.destroy(id).await.unwrap();
        assert_eq!(world.names().await, Vec::<String>::new());
        let gone = world.read_all(&label, &stored.digest).await;
        assert_eq!(gone, Err(StorageError::Missing));
    }
}

/// A backup has all of a record that came in pieces, or fails.
#[tokio::test]
async fn i02_a_copy_of_a_record_has_its_parts() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (label, _) = world.store_pieces(1, &payload(3 * PART), 1 << 20).await;
        let id = RecordId::from_uuid(label.record_id);
        let copies = SealedCopies::new(world.backend.clone());
        let copied = copies.of_record(id).await.unwrap();
        let mut names = Vec::new();
        for object in &copied.objects {
            assert_eq!(object.bytes, world.part(&object.name).await);
            names.push(object.name.as_str().to_owned());
        }
        assert_eq!(names.last().unwrap(), object_name(&label).as_str());
        let parts: Vec<ObjectName> = (1..=3).map(|n| part_name(&label, n)).collect();
        assert_eq!(copied.parts, parts);
        for name in &copied.parts {
            let object = copies.part(name).await.unwrap().unwrap();
            assert_eq!(object.bytes, world.part(name).await);
            names.push(name.as_str().to_owned());
        }
        names.sort();
        assert_eq!(names, world.names().await, "on {kind:?}");
        world.backend.delete(&part_name(&label, 2)).await.unwrap();
        let copied = copies.of_record(id).await;
        let named = StorageError::Refused(RecordError::Truncated);
        assert_eq!(copied.err(), Some(named), "on {kind:?}");
    }
}

#[tokio::test]
async fn a_new_key_encryption_key_takes_the_outer_header_and_leaves_the_parts() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let bytes = payload(2 * PART);
        let (label, stored) = world.store_pieces(1, &bytes, 1 << 20).await;
        let old = next_kek(&world).await;
        let slice = world
            .vault
            .rewrap_slice(world.tenant, None, 100)
            .await
            .unwrap();
        assert_eq!((slice.found, slice.changed, slice.failed), (1, 1, 0));
        world.vault.destroy_tenant_kek(&old).await.unwrap();
        world.vault.forget_tenant(world.tenant);
        assert!(world.read_all(&label, &stored.digest).await.unwrap() == bytes);
        assert!(
            world
                .backend
                .read(&outer_name(&label))
                .await
                .unwrap()
                .is_some()
        );
    }
}

/// Makes the next key count; the one before it.
async fn next_kek(world: &World) -> TenantKek {
    let rows = world.ledger.tenant_keks(world.tenant).await.unwrap();
    let current = rows[0].clone();
    let next = world.vault.next_tenant_kek(&current, Timestamp::default());
    world.ledger.add(next.await.unwrap());
    world.vault.forget_tenant(world.tenant);
    current
}

/// A payload may come for hours; whoever wraps records under a new key meanwhile does not see it yet.
#[tokio::test]
async fn what_was_begun_under_an_older_key_encryption_key_ends_under_the_newest() {
    for kind in KINDS {
        for length in [10, PART + 10] {
            let world = World::new(kind).await;
            let bytes = payload(length);
            let label = label(world.tenant, 1);
            let (first, rest) = bytes.split_at(5);
            let begin = stream::iter([Ok(SecretBytes::copy_from(first))]);
            let end = stream::once(async {
                let old = next_kek(&world).await;
                // Nothing that is stored is under the older key: it goes before the upload ends.
                world.vault.destroy_tenant_kek(&old).await.unwrap();
                world
                    .ledger
                    .change(|rows| rows.retain(|row| row.record != old.record));
                world.vault.forget_tenant(world.tenant);
                Ok(SecretBytes::copy_from(rest))
            });
            let pieces = begin.chain(end).boxed();
            let stored = world.vault.store_stream(&label, b"metadata", pieces).await;
            let stored = stored.unwrap();
            assert!(world.read_all(&label, &stored.digest).await.unwrap() == bytes);
        }
    }
}
