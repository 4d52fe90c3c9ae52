//! Several nodes on one storage: one rotates the root key while another is anywhere in its work.

use std::pin::pin;

use keyward_core::port::seal::{SealControl, SealFault, SealKeeping};
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_crypto::record::OUTER_LENGTH;
use keyward_vault::Vault;

use crate::root::finish;
use crate::stage::{Stage, at, late, names};
use crate::stopping::{Stop, Stopping};

async fn rotate(node: &Vault) {
    node.begin_root_rotation(at(3)).await.unwrap();
    node.commit_root_rotation(at(4)).await.unwrap();
}

/// Wraps what is left anew, proves that nothing is, and drops the root key before.
async fn end(node: &Vault) -> Result<(), SealFault> {
    while let Some(seen) = node.rewrap_under_root(100, late()).await? {
        if seen.done {
            node.drop_previous_root().await?;
        }
    }
    Ok(())
}

/// One node proves that nothing is left under the root key before; at one step of that the other one
/// finishes too and rotates on. Whether there was such a step.
async fn rotate_on_at(step: usize) -> bool {
    let stage = Stage::new().await;
    let way = Stopping::over(stage.storage.clone());
    let (one, other) = (stage.node_by(way.clone()).await, stage.node().await);
    rotate(&other).await;
    one.check_seals(at(5)).await.unwrap();
    let seen = one.rewrap_under_root(100, late()).await.unwrap().unwrap();
    assert!(seen.changed == 3 && !seen.done, "{seen:?}");
    let Stop { reached, go } = way.stop_after(step);
    let mut proving = pin!(end(&one));
    let stopped = tokio::select! {
        _ = &mut proving => false,
        reached = reached => reached.is_ok(),
    };
    if stopped {
        finish(&other).await;
        rotate(&other).await;
        go.send(()).unwrap();
        match proving.await {
            Ok(()) | Err(SealFault::Conflict) => {}
            Err(error) => panic!("step {step}: {error}"),
        }
    }
    way.let_go();
    // With what is stored now every key-encryption key opens, for whoever starts and for both.
    stage.all_there(&stage.node().await).await;
    finish(&one).await;
    finish(&other).await;
    stage.all_there(&stage.node().await).await;
    stopped
}

#[tokio::test]
async fn i02_whoever_proves_a_rotation_to_be_over_never_ends_the_next_one() {
    let mut step = 0;
    while rotate_on_at(step).await {
        step += 1;
    }
    assert!(step >= 6, "only {step} steps");
}

#[tokio::test]
async fn i08_a_pass_that_was_begun_in_one_rotation_proves_nothing_of_the_next() {
    let stage = Stage::new().await;
    let (one, other) = (stage.node().await, stage.node().await);
    rotate(&other).await;
    one.check_seals(at(5)).await.unwrap();
    one.rewrap_under_root(100, late()).await.unwrap();
    // Half of the pass that finds nothing.
    let seen = one.rewrap_under_root(2, late()).await.unwrap().unwrap();
    assert!(seen.examined == 2 && !seen.done, "{seen:?}");
    finish(&other).await;
    one.check_seals(at(6)).await.unwrap();
    let nothing = one.rewrap_under_root(2, late()).await.unwrap();
    assert_eq!(nothing, None);
    // The first key cannot follow the next rotation.
    let name = names(&*stage.storage, "kek/").await.remove(0);
    let name = ObjectName::new(&name).unwrap();
    let sound = stage.storage.read(&name).await.unwrap().unwrap();
    let mut altered = sound.clone();
    altered[OUTER_LENGTH - 1] ^= 1;
    stage.storage.write(&name, altered).await.unwrap();
    rotate(&other).await;
    let seen = other.rewrap_under_root(100, late()).await.unwrap().unwrap();
    assert_eq!((seen.changed, seen.failed), (2, 1));
    one.check_seals(at(7)).await.unwrap();
    for _ in 0..4 {
        let seen = one.rewrap_under_root(2, late()).await.unwrap().unwrap();
        assert!(!seen.done, "{seen:?}");
    }
    stage.storage.write(&name, sound).await.unwrap();
    finish(&one).await;
    stage.all_there(&stage.node().await).await;
}

/// Two nodes give a seal its part in a rotation; one of them is somewhere in the middle of it when the
/// other one does. Whether there was such a step.
async fn take_part_at(step: usize) -> bool {
    let stage = Stage::new().await;
    let way = Stopping::over(stage.storage.clone());
    let (one, other) = (stage.node_by(way.clone()).await, stage.node().await);
    let Stop { reached, go } = way.stop_after(step);
    let mut beginning = pin!(one.begin_root_rotation(at(1)));
    let stopped = tokio::select! {
        _ = &mut beginning => false,
        reached = reached => reached.is_ok(),
    };
    if stopped {
        other.begin_root_rotation(at(1)).await.unwrap();
        go.send(()).unwrap();
        match beginning.await {
            Ok(_) | Err(SealFault::Conflict) => {}
            Err(error) => panic!("step {step}: {error}"),
        }
    }
    way.let_go();
    // The seal in force, and the one for the next root key.
    assert_eq!(
        names(&*stage.storage, "seal/").await.len(),
        2,
        "step {step}"
    );
    other.commit_root_rotation(at(2)).await.unwrap();
    finish(&other).await;
    stage.all_there(&stage.node().await).await;
    stopped
}

#[tokio::test]
async fn of_two_nodes_that_give_a_seal_its_part_at_once_none_leaves_a_seal_behind() {
    let mut step = 0;
    while take_part_at(step).await {
        step += 1;
    }
    assert!(step >= 6, "only {step} steps");
}

#[tokio::test]
async fn the_root_key_before_stays_until_other_nodes_have_heard_of_the_rotation() {
    let stage = Stage::new().await;
    let (one, other) = (stage.node().await, stage.node().await);
    rotate(&other).await;
    let committed_at = 4;
    // Everything follows at once; what was before stays.
    for second in [5, 100, 599] {
        for _ in 0..6 {
            let now = at(committed_at + second);
            let seen = other.rewrap_under_root(100, now).await.unwrap();
            assert!(!seen.unwrap().done, "after {second} s");
        }
        let dropped = other.drop_previous_root().await.unwrap();
        assert!(!dropped, "after {second} s");
    }
    // The other one hears of it by its own work, without being asked for a key.
    let seen = one.rewrap_under_root(100, at(6)).await.unwrap();
    assert!(seen.is_some());
    let in_force = other.overview().unwrap().root_key;
    assert_eq!(one.overview().unwrap().root_key, in_force);
    let mut seen = None;
    for _ in 0..6 {
        seen = other.rewrap_under_root(100, at(4 + 600)).await.unwrap();
    }
    assert!(seen.unwrap().done);
    assert!(other.drop_previous_root().await.unwrap());
    stage.all_there(&one).await;
    let seen = one.rewrap_under_root(100, at(700)).await.unwrap();
    assert!(seen.is_none() && !one.is_sealed());
    stage.all_there(&stage.node().await).await;
}

#[tokio::test]
async fn a_node_that_was_cut_off_for_a_whole_rotation_seals_itself_and_says_so() {
    let stage = Stage::new().await;
    let (one, other) = (stage.node().await, stage.node().await);
    rotate(&other).await;
    finish(&other).await;
    let refused = one.rewrap_under_root(100, late()).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(one.is_sealed() && one.is_outdated());
    one.unseal_automatically().await.unwrap();
    assert!(!one.is_sealed() && !one.is_outdated());
    stage.all_there(&one).await;
}
