//! A backup and a rotation of the root key at once: whatever happens between two steps of the backup,
//! what it holds opens with the seals that it holds.

use std::pin::pin;

use keyward_core::ops::seal_keeping::{self, RootStep};
use keyward_core::ops::{backup, kek};
use keyward_testkit::world::World;

use crate::backups::{elsewhere, opens, ordered, used};

/// Rotates the root key, and takes every key-encryption key to it, as far as that is let.
async fn rotate_root(world: &World) {
    let (node, root) = (&world.node, world.root());
    // Refused while the last rotation is under way.
    if seal_keeping::rotate_root(node, root, RootStep::Begin, None)
        .await
        .is_ok()
    {
        seal_keeping::rotate_root(node, root, RootStep::Commit, None)
            .await
            .unwrap();
    }
    while seal_keeping::rewrap_slice(node).await.unwrap() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_root_key_rotated_between_any_two_steps_of_a_backup_leaves_it_openable() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let bank = world.tenant("bank").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        let (ledger, other_text) = used(&world, &bank, "ledger").await;
        kek::rotate(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();
        let id = ordered(&world).await.subject;
        let mut rotations = 0;
        {
            let mut backing_up = pin!(backup::work(&world.node));
            while futures_util::poll!(backing_up.as_mut()).is_pending() {
                rotate_root(&world).await;
                rotations += 1;
            }
        }
        assert!(
            rotations > 2,
            "the backup had no steps between which to rotate"
        );
        let verified = world.verified(id, None).await;
        assert_eq!(verified.findings, []);
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world
            .restore(&verified, &blank, false, false)
            .await
            .unwrap();
        let other = world.on_restored(blank).await;
        assert_eq!(opens(&other, &clinic, &notes, &text).await, "notes");
        assert_eq!(opens(&other, &bank, &ledger, &other_text).await, "ledger");
        // What was held back goes on.
        rotate_root(&world).await;
        assert!(!seal_keeping::rewrap_slice(&world.node).await.unwrap());
    }
}
