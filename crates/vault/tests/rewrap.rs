//! Wrapping records under a tenant's next key-encryption key, while everything goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::collections::BTreeMap;

use keyward_core::ids::RecordId;
use keyward_core::noun::tenant::{Digest, TenantKek};
use keyward_core::port::seal::SealControl;
use keyward_core::port::storage::{
    KeyHierarchy, ObjectName, RewrapSlice, SecureStorage, StorageError,
};
use keyward_core::time::Timestamp;
use keyward_crypto::record::{OUTER_LENGTH, RecordLabel, peek_outer};
use proptest::prelude::*;
use world::{KINDS, Kind, World, label, new_record, object_name, outer_name, tenant};

/// Larger than one object.
const LARGE: usize = 100 * 1024;

impl World {
    /// Makes the next key and commits it, as core does.
    async fn rotate(&self) -> TenantKek {
        let rows =
            keyward_core::port::storage::RecordLedger::tenant_keks(&*self.ledger, self.tenant);
        let current = rows.await.unwrap().remove(0);
        let next = self
            .vault
            .next_tenant_kek(&current, Timestamp::default())
            .await
            .unwrap();
        assert_eq!(next.version, current.version + 1);
        self.ledger.add(next.clone());
        self.vault.forget_tenant(self.tenant);
        next
    }

    /// A whole pass, in slices; what they add up to.
    async fn pass(&self, limit: usize) -> RewrapSlice {
        let mut sum = RewrapSlice::default();
        loop {
            let after = sum.next.take();
            let slice = self
                .vault
                .rewrap_slice(self.tenant, after.as_ref(), limit)
                .await
                .unwrap();
            sum.examined += slice.examined;
            sum.found += slice.found;
            sum.changed += slice.changed;
            sum.failed += slice.failed;
            sum.next = slice.next;
            if sum.next.is_none() {
                return sum;
            }
        }
    }

    /// Deletes a key-encryption key for good: what is still under it cannot be read any more.
    async fn lose(&self, kek: &TenantKek) {
        let name = format!("kek/{}/{}-{}", kek.tenant, kek.version, kek.record);
        let name = ObjectName::new(&name).unwrap();
        assert!(self.backend.read(&name).await.unwrap().is_some());
        self.backend.delete(&name).await.unwrap();
        self.ledger.change(|rows| rows.retain(|row| row != kek));
    }
}

fn counts(slice: &RewrapSlice) -> (u64, u64, u64) {
    (slice.found, slice.changed, slice.failed)
}

#[tokio::test]
async fn after_a_pass_nothing_needs_the_old_key_and_a_second_pass_proves_it() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let first = world.ledger_row().await;
        let mut records: Vec<(RecordLabel, Digest, Vec<u8>)> = Vec::new();
        for number in 1..=20 {
            let payload = vec![u8::try_from(number).unwrap(); 32];
            let (label, digest) = world.store(number, &payload).await;
            records.push((label, digest, payload));
        }
        let payload = vec![9; LARGE];
        let (large, digest) = world.store(100, &payload).await;
        records.push((large, digest, payload));
        let other = world.add_tenant(tenant(2)).await;
        let theirs = label(other.tenant, 200);
        let stored = world
            .vault
            .store(vec![new_record(&theirs, b"theirs")])
            .await;
        let their_digest = stored.unwrap()[0];
        let theirs_before = world.object(&theirs).await;

        world.rotate().await;
        let pass = world.pass(7).await;
        assert_eq!(counts(&pass), (21, 21, 0), "{kind:?}");
        assert_eq!(pass.examined, 23, "each object, the large record's two");
        assert_eq!(counts(&world.pass(1000).await), (0, 0, 0));
        assert_eq!(world.object(&theirs).await, theirs_before);

        world.lose(&first).await;
        let vault = world.restarted().await;
        for (label, digest, payload) in &records {
            let opened = vault.open(label, Some(digest)).await.unwrap();
            assert_eq!(opened.payload.expose(), payload);
        }
        assert!(vault.open(&theirs, Some(&their_digest)).await.is_ok());
    }
}

#[tokio::test]
async fn i08_a_record_that_is_refused_is_counted_and_does_not_keep_the_others() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (sound, digest) = world.store(1, b"sound").await;
        let (altered, _) = world.store(2, b"altered").await;
        let (cut, _) = world.store(3, b"cut").await;
        let mut object = world.object(&altered).await;
        object[OUTER_LENGTH - 1] ^= 1;
        world.put_object(&altered, object.clone()).await;
        world.put_object(&cut, b"KWO".to_vec()).await;
        let newest = world.rotate().await;
        assert_eq!(counts(&world.pass(1000).await), (3, 1, 2), "{kind:?}");
        // What was refused lies there as it was, for whoever looks into it.
        assert_eq!(world.object(&altered).await, object);
        let named = peek_outer(&world.object(&sound).await[..OUTER_LENGTH]).unwrap();
        assert_eq!(named.id, newest.record.uuid());
        assert!(world.vault.open(&sound, Some(&digest)).await.is_ok());
    }
}

#[tokio::test]
async fn a_tenant_without_keys_has_nothing_to_wrap() {
    let world = World::new(Kind::Embedded).await;
    world.store(1, b"x").await;
    world.ledger.change(Vec::clear);
    let refused = world.vault.rewrap_slice(world.tenant, None, 10).await;
    assert_eq!(refused.err(), Some(StorageError::NoTenantKek));
    world.vault.seal();
    let refused = world.vault.rewrap_slice(world.tenant, None, 10).await;
    assert_eq!(refused.err(), Some(StorageError::Sealed));
}

/// Records come and go, and are read, while passes run: no reader ever fails, and at the end
/// nothing is under the old key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i04_records_are_stored_read_and_destroyed_while_they_are_wrapped_anew() {
    for kind in KINDS {
        let world = std::sync::Arc::new(World::new(kind).await);
        let first = world.ledger_row().await;
        for number in 1..=60 {
            world.store(number, b"before").await;
        }
        world.rotate().await;
        let (reading, writing) = (world.clone(), world.clone());
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                for number in 1..=30 {
                    let opened = reading
                        .vault
                        .open(&label(reading.tenant, number), None)
                        .await;
                    assert_eq!(opened.unwrap().payload.expose(), b"before");
                }
            }
        });
        let writer = tokio::spawn(async move {
            for number in 31..=60 {
                let gone = RecordId::from_uuid(label(writing.tenant, number).record_id);
                writing.vault.destroy(gone).await.unwrap();
                writing.store(number + 1000, b"after").await;
            }
        });
        while world.pass(8).await.found > 0 {}
        reader.await.unwrap();
        writer.await.unwrap();
        assert_eq!(counts(&world.pass(1000).await), (0, 0, 0));
        world.lose(&first).await;
        let vault = world.restarted().await;
        for number in (1..=30).chain(1031..=1060) {
            assert!(vault.open(&label(world.tenant, number), None).await.is_ok());
        }
        for number in 31..=60 {
            let gone = vault.open(&label(world.tenant, number), None).await;
            assert_eq!(gone.err(), Some(StorageError::Missing));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Store(u8, bool),
    Destroy(u8),
    Rotate,
    Slice(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<u8>(), prop::bool::weighted(0.05)).prop_map(|(n, large)| Step::Store(n, large)),
        2 => any::<u8>().prop_map(Step::Destroy),
        1 => Just(Step::Rotate),
        4 => (1_usize..6).prop_map(Step::Slice),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any order of stores, destructions, rotations, slices and restarts: what was stored is what
    /// is read, and when a pass has found nothing the newest key alone is enough.
    #[test]
    fn i04_whatever_happens_between_slices_every_record_stays_what_it_was(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(Kind::Embedded).await;
            let mut model: BTreeMap<u128, Vec<u8>> = BTreeMap::new();
            let mut next = None;
            for step in steps {
                match step {
                    Step::Store(number, large) => {
                        let number = u128::from(number);
                        if model.contains_key(&number) {
                            continue;
                        }
                        let payload = vec![number as u8; if large { LARGE } else { 32 }];
                        world.store(number, &payload).await;
                        model.insert(number, payload);
                    }
                    Step::Destroy(number) => {
                        let label = label(world.tenant, u128::from(number));
                        let id = RecordId::from_uuid(label.record_id);
                        world.vault.destroy(id).await.unwrap();
                        model.remove(&u128::from(number));
                    }
                    Step::Rotate => {
                        world.rotate().await;
                        next = None;
                    }
                    Step::Slice(limit) => {
                        let slice = world.vault.rewrap_slice(world.tenant, next.as_ref(), limit);
                        let slice = slice.await.unwrap();
                        assert_eq!(slice.failed, 0);
                        next = slice.next;
                    }
                    Step::Restart => world.vault = world.restarted().await,
                }
            }
            while world.pass(5).await.found > 0 {}
            let rows =
                keyward_core::port::storage::RecordLedger::tenant_keks(&*world.ledger, world.tenant);
            for old in rows.await.unwrap().split_off(1) {
                world.lose(&old).await;
            }
            let vault = world.restarted().await;
            for (number, payload) in &model {
                let opened = vault.open(&label(world.tenant, *number), None).await.unwrap();
                assert_eq!(opened.payload.expose(), payload);
            }
            // A destroyed large record leaves neither of its objects.
            for number in (0..=255).filter(|number| !model.contains_key(number)) {
                let label = label(world.tenant, number);
                for name in [object_name(&label), outer_name(&label)] {
                    assert_eq!(world.backend.read(&name).await.unwrap(), None);
                }
            }
        });
    }
}

impl World {
    async fn ledger_row(&self) -> TenantKek {
        let rows =
            keyward_core::port::storage::RecordLedger::tenant_keks(&*self.ledger, self.tenant);
        rows.await.unwrap().remove(0)
    }
}
