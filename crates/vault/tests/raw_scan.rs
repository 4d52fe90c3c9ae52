//! What is deleted is gone from the disk: after destructions, a shredded tenant, rewrapping and
//! writes that failed half-way, every file of the vault (pages, log, folders for what is half
//! written) is read as bytes, and every outer header found in it is one of a record that lives.
//! Without its outer header nothing of a record can be opened, whatever else is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::{StreamExt, stream};
use keyward_core::ids::RecordId;
use keyward_core::port::storage::{KeyHierarchy, RecordLedger, SecureStorage, StorageError};
use keyward_core::port::stream_storage::StreamStorage;
use keyward_core::time::Timestamp;
use keyward_crypto::SecretBytes;
use keyward_crypto::record::OUTER_LENGTH;
use world::{KINDS, Kind, World, label, new_record, tenant};

/// What an outer header begins with (docs/formats/record.md).
const MAGIC: &[u8] = b"KWO1\x01\x01";
const SIZES: [usize; 4] = [0, 100, 5_000, 200_000];

/// Every outer header in every file below a folder.
fn headers_below(folder: &Path, found: &mut BTreeSet<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            headers_below(&path, found);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let starts = bytes.windows(MAGIC.len()).enumerate();
        for (at, _) in starts.filter(|(_, window)| *window == MAGIC) {
            let end = bytes.len().min(at + OUTER_LENGTH);
            found.insert(bytes[at..end].to_vec());
        }
    }
}

/// The outer headers of what lives.
async fn living(world: &World) -> BTreeSet<Vec<u8>> {
    let mut headers = BTreeSet::new();
    for name in world.backend.list("", None, 10_000).await.unwrap() {
        let bytes = world.backend.read(&name).await.unwrap().unwrap();
        if bytes.starts_with(MAGIC) {
            headers.insert(bytes[..OUTER_LENGTH].to_vec());
        }
    }
    headers
}

/// Headers on the disk that belong to nothing that lives, and whether those of what lives are found
/// at all.
async fn check(world: &World, after: &str, kind: Kind) {
    let living = living(world).await;
    let mut found = BTreeSet::new();
    headers_below(world.folder.path(), &mut found);
    assert!(!found.is_empty(), "nothing is read at all on {kind:?}");
    let dead = found.difference(&living).count();
    assert_eq!(dead, 0, "{dead} dead headers after {after} on {kind:?}");
    if kind == Kind::File {
        assert_eq!(found.len(), living.len(), "{after}");
    }
}

impl World {
    async fn fill(&self, tenant_number: u128, first: u128) -> Vec<RecordId> {
        let mut ids = Vec::new();
        for (number, size) in (first..).zip(SIZES.into_iter().cycle().take(24)) {
            let label = label(tenant(tenant_number), number);
            let record = new_record(&label, &vec![0x5a; size]);
            self.vault.store(vec![record]).await.unwrap();
            ids.push(RecordId::from_uuid(label.record_id));
        }
        ids
    }

    async fn rotate(&self) {
        let current = self.ledger.tenant_keks(self.tenant).await.unwrap()[0].clone();
        let next = self.vault.next_tenant_kek(&current, Timestamp::default());
        self.ledger.add(next.await.unwrap());
        self.vault.forget_tenant(self.tenant);
        let slice = self.vault.rewrap_slice(self.tenant, None, 10_000).await;
        assert_eq!(slice.unwrap().failed, 0);
    }
}

#[tokio::test]
async fn what_was_destroyed_or_shredded_is_not_on_the_disk() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let other = world.add_tenant(tenant(2)).await;
        let ids = world.fill(1, 1000).await;
        world.fill(2, 2000).await;
        world.rotate().await;
        for id in &ids[..20] {
            world.vault.destroy(*id).await.unwrap();
        }
        check(&world, "destructions", kind).await;

        // A shredded tenant's records stay and cannot be opened: their key is not on the disk.
        let before = living(&world).await;
        world.vault.destroy_tenant_kek(&other).await.unwrap();
        assert_eq!(living(&world).await.len(), before.len() - 1);
        check(&world, "a tenant was shredded", kind).await;
    }
}

#[tokio::test]
async fn writes_that_failed_leave_nothing_that_could_be_opened() {
    for kind in KINDS {
        let world = World::new(kind).await;
        world.fill(1, 1000).await;
        // One of a batch exists already: on SQLite none of it is written.
        let taken = new_record(&label(world.tenant, 1000), b"again");
        let fresh = label(world.tenant, 3000);
        let batch = vec![new_record(&fresh, b"new"), taken];
        let refused = world.vault.store(batch).await;
        assert_eq!(refused, Err(StorageError::AlreadyExists), "{kind:?}");
        check(&world, "a batch was refused", kind).await;

        // A payload that breaks off.
        let broken = StorageError::Unavailable {
            cause: "the sender went away".to_owned(),
        };
        let pieces = (0..9).map(|_| Ok(SecretBytes::zeroed(1 << 20)));
        let pieces = stream::iter(pieces.chain([Err(broken)])).boxed();
        let label = label(world.tenant, 3001);
        let stored = world.vault.store_stream(&label, b"", pieces).await;
        assert!(stored.is_err());
        check(&world, "a payload broke off", kind).await;
    }
}
