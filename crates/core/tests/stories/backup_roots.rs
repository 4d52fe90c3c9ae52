//! A backup and a rotation of the root key at once: whatever happens between two steps of the backup,
//! what it holds opens with the seals that it holds.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use keyward_core::ops::seal_keeping::{self, RootStep};
use keyward_core::ops::{backup, kek};
use keyward_core::port::seal::SealKeeping;
use keyward_core::time::Clock;
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
        // So much later that the root key before may go too.
        world.clock.advance_seconds(601);
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
            while let Poll::Pending = futures_util::poll!(backing_up.as_mut()) {
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

/// Polls so often, each time something has happened. Whether it is still under way.
async fn part_of<F: Future>(mut work: Pin<&mut F>, polls: usize) -> bool {
    let mut left = polls;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending if left == 0 => Poll::Ready(true),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Another node rotates the root key and is done with it, whatever this one copies.
async fn rotate_elsewhere(world: &World, other: &impl SealKeeping) {
    let now = world.clock.now();
    other.begin_root_rotation(now).await.unwrap();
    other.commit_root_rotation(now).await.unwrap();
    while let Some(seen) = other.rewrap_under_root(100, now).await.unwrap() {
        if seen.done {
            other.drop_previous_root().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_root_key_rotated_by_another_node_in_the_middle_of_a_backup_leaves_it_openable() {
    let mut step = 0;
    loop {
        let world = World::new().await;
        let clinic = world.tenant("clinic").await;
        let (notes, text) = used(&world, &clinic, "notes").await;
        let other = world.another_vault().await;
        let id = ordered(&world).await.subject;
        let is_amid = {
            let mut backing_up = pin!(backup::work(&world.node));
            let is_amid = part_of(backing_up.as_mut(), step).await;
            if is_amid {
                rotate_elsewhere(&world, &other).await;
                let _ = backing_up.await;
            }
            is_amid
        };
        if !is_amid {
            break;
        }
        // The node opens again, and begins the backup again if it must.
        for _ in 0..10 {
            let _ = seal_keeping::rewrap_slice(&world.node).await;
            let _ = backup::work(&world.node).await;
            world.clock.advance_seconds(31);
        }
        let verified = world.verified(id, None).await;
        assert_eq!(verified.findings, [], "step {step}");
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        let restored = world.restore(&verified, &blank, false, false).await;
        restored.unwrap();
        let restored = world.on_restored(blank).await;
        let told = opens(&restored, &clinic, &notes, &text).await;
        assert_eq!(told, "notes", "step {step}");
        step += 3;
    }
    assert!(step > 12, "only {step} steps");
}
