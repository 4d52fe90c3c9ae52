//! The root key replaced, while everything goes on.

use std::sync::Arc;

use keyward_core::port::backup::SealedObjects;
use keyward_core::port::seal::{
    NewSeal, RootRotation, SealControl, SealFault, SealKeeping, SealKind, SealProof,
};
use keyward_core::port::storage::{KeyHierarchy, ObjectName, StorageBackend};
use keyward_crypto::record::{OUTER_LENGTH, peek_outer};
use keyward_vault::{EmbeddedBackend, SealedCopies, Vault};
use uuid::Uuid;

use crate::stage::{Stage, at, find, ids, late, names, passphrase, prove_with, tenant};

const WORDS: &str = "five words nobody would guess";

/// Every key-encryption key follows.
pub async fn finish(vault: &Vault) {
    for _ in 0..1000 {
        match vault.rewrap_under_root(2, late()).await.unwrap() {
            // Another node may have been faster.
            Some(seen) if seen.done => {
                vault.drop_previous_root().await.unwrap();
            }
            Some(_) => {}
            None => return,
        }
    }
    panic!("it does not end");
}

/// The root keys under which key-encryption keys are.
async fn roots(stage: &Stage) -> Vec<Uuid> {
    let mut roots = Vec::new();
    for name in names(&*stage.storage, "kek/").await {
        let name = ObjectName::new(&name).unwrap();
        let object = stage.storage.read(&name).await.unwrap().unwrap();
        roots.push(peek_outer(&object[..OUTER_LENGTH]).unwrap().id);
    }
    roots.sort();
    roots.dedup();
    roots
}

#[tokio::test]
async fn every_seal_takes_part_before_the_new_root_key_is_in_force() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let (shares_seal, shares) = stage.add_shares(&node).await;
    let words = NewSeal::Passphrase(passphrase("five words nobody would guess"));
    let words_seal = node.add_seal(words, at(1)).await.unwrap().seal.id;
    let before = node.overview().unwrap();

    let begun = node.begin_root_rotation(at(3)).await.unwrap();
    let Some(RootRotation::Collecting { next, missing }) = begun.rotation else {
        panic!()
    };
    assert_eq!(
        missing,
        [shares_seal, words_seal],
        "the key file holds it at once"
    );
    assert_eq!(begun.root_key, before.root_key, "nothing is in force yet");
    let refused = node.commit_root_rotation(at(4)).await;
    assert!(matches!(
        refused,
        Err(SealFault::PartsMissing { missing: 2 })
    ));
    let refused = node.add_seal(NewSeal::KeyFile, at(4)).await;
    assert!(matches!(refused, Err(SealFault::RotationUnderWay)));
    // Days later, on another start.
    let node = stage.node().await;
    prove_with(&node, shares_seal, &shares[1..]).await;
    assert!(find(&node, shares_seal).has_part);
    let proof = keyward_core::port::seal::SealProof::Passphrase(passphrase(
        "five words nobody would guess",
    ));
    node.prove_seal(words_seal, proof, at(5)).await.unwrap();

    let after = node.commit_root_rotation(at(6)).await.unwrap();
    assert_eq!((after.root_key, after.root_key_version), (next, 2));
    assert!(matches!(
        after.rotation,
        Some(RootRotation::Rewrapping { .. })
    ));
    stage.all_there(&node).await;
    // Half-way, each seal opens all of it.
    node.rewrap_under_root(1, late()).await.unwrap();
    assert_eq!(roots(&stage).await.len(), 2);
    stage.all_there(&stage.node().await).await;
    let by_shares = stage.sealed(&[]).await;
    for share in &shares[..2] {
        by_shares.submit_share(share).await.unwrap();
    }
    stage.all_there(&by_shares).await;

    finish(&by_shares).await;
    assert_eq!(roots(&stage).await, [next]);
    assert_eq!(by_shares.overview().unwrap().rotation, None);
    assert_eq!(
        names(&*stage.storage, "seal/").await.len(),
        3,
        "the old wrappings are gone"
    );
    stage.all_there(&stage.node().await).await;
    // The node that was open all the while goes on too.
    stage.all_there(&node).await;
    stage.add_tenant(&node, tenant(50)).await;
    assert_eq!(roots(&stage).await, [next]);
}

#[tokio::test]
async fn a_rotation_can_be_cancelled_and_begun_again() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let refused = node.cancel_root_rotation().await;
    assert!(matches!(refused, Err(SealFault::NoRotation)));
    node.begin_root_rotation(at(1)).await.unwrap();
    node.cancel_root_rotation().await.unwrap();
    assert_eq!(names(&*stage.storage, "seal/").await.len(), 1);
    let made = node
        .add_seal(
            NewSeal::Shares {
                threshold: 2,
                total: 3,
            },
            at(2),
        )
        .await
        .unwrap();
    let refused = node.begin_root_rotation(at(3)).await;
    assert!(matches!(refused, Err(SealFault::SealPending)));
    node.remove_seal(made.seal.id, at(4)).await.unwrap();
    node.begin_root_rotation(at(5)).await.unwrap();
    node.begin_root_rotation(at(6)).await.unwrap();
    node.commit_root_rotation(at(7)).await.unwrap();
    let refused = node.begin_root_rotation(at(8)).await;
    assert!(matches!(refused, Err(SealFault::RotationUnderWay)));
    finish(&node).await;
    stage.all_there(&stage.node().await).await;
}

/// A key-encryption key that is made while the root key is rotated is under one that a seal holds.
#[tokio::test(flavor = "multi_thread")]
async fn i02_keys_made_meanwhile_on_any_node_are_never_left_under_a_root_key_that_is_gone() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let rotating = stage.node().await;
    let makers: Vec<_> = (0..2_u128)
        .map(|maker| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let node = stage.node().await;
                for number in 0..40 {
                    stage
                        .add_tenant(&node, tenant(1000 * (maker + 1) + number))
                        .await;
                }
                stage.all_there(&node).await;
            })
        })
        .collect();
    for round in 0..3 {
        rotating.begin_root_rotation(at(round)).await.unwrap();
        rotating.commit_root_rotation(at(round)).await.unwrap();
        finish(&rotating).await;
    }
    for maker in makers {
        maker.await.unwrap();
    }
    let node = stage.node().await;
    stage.all_there(&node).await;
    assert_eq!(roots(&stage).await, [node.overview().unwrap().root_key]);
    assert_eq!(node.overview().unwrap().root_key_version, 4);
    assert_eq!(ids(&node, SealKind::KeyFile).len(), 1);
}

#[tokio::test]
async fn i08_a_key_that_is_refused_keeps_the_root_key_before_until_it_is_mended() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let name = names(&*stage.storage, "kek/").await.remove(0);
    let name = ObjectName::new(&name).unwrap();
    let sound = stage.storage.read(&name).await.unwrap().unwrap();
    let mut altered = sound.clone();
    altered[OUTER_LENGTH - 1] ^= 1;
    stage.storage.write(&name, altered).await.unwrap();
    node.begin_root_rotation(at(1)).await.unwrap();
    node.commit_root_rotation(at(2)).await.unwrap();
    for _ in 0..4 {
        let seen = node.rewrap_under_root(100, late()).await.unwrap().unwrap();
        assert!(!seen.done && seen.failed == 1, "{seen:?}");
    }
    let Some(RootRotation::Rewrapping { seen, .. }) = node.overview().unwrap().rotation else {
        panic!()
    };
    assert_eq!(seen.failed, 1);
    // Put back from a backup, it follows.
    stage.storage.write(&name, sound).await.unwrap();
    finish(&node).await;
    assert_eq!(node.overview().unwrap().rotation, None);
    let node = stage.node().await;
    stage.all_there(&node).await;
    node.forget_tenant(tenant(1));
}

/// A deployment that only a passphrase opens, while a rotation of its root key collects its parts.
async fn collecting_of_people() -> (Stage, Vault) {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let words = NewSeal::Passphrase(passphrase(WORDS));
    let seal = node.add_seal(words, at(1)).await.unwrap().seal.id;
    let prove = || SealProof::Passphrase(passphrase(WORDS));
    node.prove_seal(seal, prove(), at(2)).await.unwrap();
    let by_file = ids(&node, SealKind::KeyFile)[0];
    node.remove_seal(by_file, at(3)).await.unwrap();
    node.begin_root_rotation(at(4)).await.unwrap();
    node.prove_seal(seal, prove(), at(5)).await.unwrap();
    (stage, node)
}

#[tokio::test]
async fn i09_a_rotation_that_was_copied_while_it_collected_can_be_committed_from_the_copy() {
    let (stage, _) = collecting_of_people().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = EmbeddedBackend::open(&folder.path().join("vault.db")).unwrap();
    let copy: Arc<dyn StorageBackend> = Arc::new(copy);
    copy.init().await.unwrap();
    let copies = SealedCopies::new(stage.storage.clone());
    for object in copies.of_root().await.unwrap().objects {
        copy.write_if_absent(&object.name, object.bytes)
            .await
            .unwrap();
    }
    for prefix in ["kek/", "rec/"] {
        for name in names(&*stage.storage, prefix).await {
            let name = ObjectName::new(&name).unwrap();
            let object = stage.storage.read(&name).await.unwrap().unwrap();
            copy.write(&name, object).await.unwrap();
        }
    }
    let restored = stage.sealed_by(copy.clone(), &[]).await;
    restored.submit_passphrase(passphrase(WORDS)).await.unwrap();
    restored.commit_root_rotation(at(6)).await.unwrap();
    finish(&restored).await;
    let again = stage.sealed_by(copy, &[]).await;
    again.submit_passphrase(passphrase(WORDS)).await.unwrap();
    stage.all_there(&again).await;
}

#[tokio::test]
async fn i08_a_root_key_is_not_put_in_force_over_a_seal_of_people_that_is_gone_or_altered() {
    let (stage, node) = collecting_of_people().await;
    let manifest = ObjectName::new("root/current").unwrap();
    let before = stage.storage.read(&manifest).await.unwrap();
    let text = String::from_utf8(before.clone().unwrap()).unwrap();
    let named: serde_json::Value = serde_json::from_str(&text).unwrap();
    let part = named["next"]["seals"][0]["object"].as_str().unwrap();
    let part = ObjectName::new(part).unwrap();
    let sound = stage.storage.read(&part).await.unwrap().unwrap();
    let altered = String::from_utf8(sound.clone()).unwrap();
    let altered = altered.replace("wrapped_root\":\"E", "wrapped_root\":\"F");
    assert_ne!(altered.as_bytes(), sound);
    for damage in [None, Some(altered.into_bytes()), Some(b"{}".to_vec())] {
        stage.storage.delete(&part).await.unwrap();
        if let Some(bytes) = damage {
            stage.storage.write(&part, bytes).await.unwrap();
        }
        let refused = node.commit_root_rotation(at(6)).await;
        assert!(
            matches!(refused, Err(SealFault::Damaged { .. })),
            "{refused:?}"
        );
        assert_eq!(stage.storage.read(&manifest).await.unwrap(), before);
    }
    stage.storage.write(&part, sound).await.unwrap();
    node.commit_root_rotation(at(7)).await.unwrap();
    finish(&node).await;
    let again = stage.sealed(&[]).await;
    again.submit_passphrase(passphrase(WORDS)).await.unwrap();
    stage.all_there(&again).await;
}

#[tokio::test]
async fn i08_a_key_that_is_missing_keeps_the_root_key_before_until_it_is_put_back() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    for name in names(&*stage.storage, "kek/").await {
        let name = ObjectName::new(&name).unwrap();
        let lost = stage.storage.read(&name).await.unwrap().unwrap();
        stage.storage.delete(&name).await.unwrap();
        node.begin_root_rotation(at(1)).await.unwrap();
        node.commit_root_rotation(at(2)).await.unwrap();
        for _ in 0..8 {
            let seen = node.rewrap_under_root(2, late()).await.unwrap().unwrap();
            assert!(!seen.done, "{seen:?}");
        }
        assert!(!node.drop_previous_root().await.unwrap());
        let Some(RootRotation::Rewrapping { seen, .. }) = node.overview().unwrap().rotation else {
            panic!()
        };
        assert_eq!(seen.failed, 1);
        // Put back as it was before the rotation, it follows.
        stage.storage.write(&name, lost).await.unwrap();
        finish(&node).await;
        stage.all_there(&stage.node().await).await;
    }
}
