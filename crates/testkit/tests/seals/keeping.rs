//! Seals added, removed, proven and wrapped anew.

use keyward_core::port::seal::{
    NewSeal, SealControl, SealFault, SealKeeping, SealKind, SealProof, SealRenewal, SealStanding,
    UnsealError,
};
use keyward_core::port::storage::{ObjectName, StorageBackend};

use crate::stage::{Stage, at, find, ids, names, passphrase, prove_with};

const WORDS: &str = "five words nobody would guess";

#[tokio::test]
async fn any_seal_opens_everything_and_losing_any_but_the_last_loses_nothing() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let (_, shares) = stage.add_shares(&node).await;
    let second = node.add_seal(NewSeal::KeyFile, at(3)).await.unwrap();
    assert!(matches!(second.seal.standing, SealStanding::Proven { .. }));
    let words = NewSeal::Passphrase(passphrase(WORDS));
    node.add_seal(words, at(4)).await.unwrap();
    assert_eq!(
        node.status().seals,
        ["key-file", "shares", "key-file", "passphrase"]
    );

    let by_first = stage.sealed(&["a.key"]).await;
    assert_eq!(by_first.unseal_automatically().await.unwrap().len(), 1);
    stage.all_there(&by_first).await;

    // The first file is gone: it is named, and the second one opens.
    std::fs::remove_file(stage.path("a.key")).unwrap();
    let by_second = stage.sealed(&["a.key", "b.key"]).await;
    let tries = by_second.unseal_automatically().await.unwrap();
    assert_eq!(tries.len(), 2, "{tries:?}");
    assert!(tries[0].failure.is_some() && tries[1].failure.is_none());
    stage.all_there(&by_second).await;

    // Both are gone: it stays sealed until people come.
    std::fs::remove_file(stage.path("b.key")).unwrap();
    let by_people = stage.sealed(&["a.key", "b.key"]).await;
    let tries = by_people.unseal_automatically().await.unwrap();
    assert!(by_people.is_sealed() && tries.iter().all(|tried| tried.failure.is_some()));
    let wrong = by_people
        .submit_passphrase(passphrase("not these words at all"))
        .await;
    assert!(matches!(wrong, Err(UnsealError::WrongPassphrase)));
    assert!(by_people.is_sealed());
    by_people
        .submit_passphrase(passphrase(WORDS))
        .await
        .unwrap();
    stage.all_there(&by_people).await;

    let by_shares = stage.sealed(&[]).await;
    for share in &shares[1..] {
        by_shares.submit_share(share).await.unwrap();
    }
    stage.all_there(&by_shares).await;
}

#[tokio::test]
async fn the_last_seal_stays_and_another_only_goes_when_one_was_opened_just_now() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let [first] = ids(&node, SealKind::KeyFile)[..] else {
        panic!()
    };
    assert!(matches!(
        node.remove_seal(first, at(1)).await,
        Err(SealFault::LastSeal)
    ));
    // A pending seal is none.
    let made = node
        .add_seal(
            NewSeal::Shares {
                threshold: 2,
                total: 3,
            },
            at(1),
        )
        .await
        .unwrap();
    assert!(matches!(
        node.remove_seal(first, at(1)).await,
        Err(SealFault::LastSeal)
    ));
    prove_with(&node, made.seal.id, &made.shares[..2]).await;
    // Proven long ago is not just now.
    let late = at(2 + 16 * 60);
    let refused = node.remove_seal(first, late).await;
    assert!(matches!(
        refused,
        Err(SealFault::NotProven { within_minutes: 15 })
    ));
    // The other way round the key file opens now.
    node.remove_seal(first, at(60)).await.unwrap();
    assert_eq!(node.status().seals, ["shares"]);
    assert_eq!(
        names(&*stage.storage, "seal/").await.len(),
        1,
        "its object is gone"
    );
    let after = stage.sealed(&["a.key"]).await;
    assert!(after.unseal_automatically().await.unwrap().is_empty());
    for share in &made.shares[..2] {
        after.submit_share(share).await.unwrap();
    }
    stage.all_there(&after).await;
}

#[tokio::test]
async fn a_seal_is_not_removed_on_the_word_of_one_that_is_gone() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let second = node
        .add_seal(NewSeal::KeyFile, at(1))
        .await
        .unwrap()
        .seal
        .id;
    let [first, _] = ids(&node, SealKind::KeyFile)[..] else {
        panic!()
    };
    std::fs::remove_file(stage.path("b.key")).unwrap();
    let refused = node.remove_seal(first, at(2)).await;
    assert!(matches!(refused, Err(SealFault::NotProven { .. })));
    let standing = find(&node, second).standing;
    assert!(
        matches!(standing, SealStanding::Failed { .. }),
        "{standing:?}"
    );
    // The one that is gone can go.
    node.remove_seal(second, at(3)).await.unwrap();
}

#[tokio::test]
async fn new_shares_count_when_they_were_given_back_and_the_old_ones_hold_until_then() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let (seal, old) = stage.add_shares(&node).await;
    let renewal = SealRenewal {
        threshold: Some(3),
        total: Some(4),
        ..SealRenewal::default()
    };
    let made = node.renew_seal(seal, renewal, at(3)).await.unwrap();
    assert_eq!(made.seal.replaces, Some(seal));
    let by_old = stage.sealed(&[]).await;
    for share in &old[..2] {
        by_old.submit_share(share).await.unwrap();
    }
    stage.all_there(&by_old).await;
    // A share of the old set does not prove the new one.
    let proof = SealProof::Share(old[0].clone());
    let refused = node.prove_seal(made.seal.id, proof, at(4)).await;
    assert!(matches!(
        refused,
        Err(SealFault::Proof(UnsealError::WrongSet))
    ));
    prove_with(&node, made.seal.id, &made.shares[..2]).await;
    assert!(find(&node, made.seal.id).pending, "two of three do not do");
    prove_with(&node, made.seal.id, &made.shares[3..]).await;
    let info = find(&node, made.seal.id);
    assert!(!info.pending && info.threshold == Some(3) && info.total == Some(4));
    let by_new = stage.sealed(&[]).await;
    let refused = by_new.submit_share(&old[0]).await;
    assert!(matches!(refused, Err(UnsealError::WrongSet)));
    for share in &made.shares[1..] {
        by_new.submit_share(share).await.unwrap();
    }
    stage.all_there(&by_new).await;
}

#[tokio::test]
async fn a_key_file_and_a_passphrase_are_replaced() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let words = NewSeal::Passphrase(passphrase(WORDS));
    let by_words = node.add_seal(words, at(1)).await.unwrap().seal.id;
    let [file] = ids(&node, SealKind::KeyFile)[..] else {
        panic!()
    };
    let renewed = node
        .renew_seal(file, SealRenewal::default(), at(2))
        .await
        .unwrap();
    assert_eq!(renewed.seal.id, file, "it stays the same seal");
    assert!(stage.path("b.key").exists());
    let short = SealRenewal {
        passphrase: Some(passphrase("too short")),
        ..SealRenewal::default()
    };
    let refused = node.renew_seal(by_words, short, at(3)).await;
    assert!(matches!(
        refused,
        Err(SealFault::Invalid {
            field: "passphrase",
            ..
        })
    ));
    let other = SealRenewal {
        passphrase: Some(passphrase("other words, and more of them")),
        ..SealRenewal::default()
    };
    node.renew_seal(by_words, other, at(4)).await.unwrap();

    let by_old_file = stage.sealed(&["a.key"]).await;
    let tries = by_old_file.unseal_automatically().await.unwrap();
    assert!(by_old_file.is_sealed() && tries[0].failure.is_some());
    let refused = by_old_file.submit_passphrase(passphrase(WORDS)).await;
    assert!(matches!(refused, Err(UnsealError::WrongPassphrase)));
    let by_new_file = stage.sealed(&["b.key"]).await;
    by_new_file.unseal_automatically().await.unwrap();
    stage.all_there(&by_new_file).await;
}

#[tokio::test]
async fn a_check_opens_each_seal_really_and_says_which_is_gone() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let second = node
        .add_seal(NewSeal::KeyFile, at(1))
        .await
        .unwrap()
        .seal
        .id;
    let [first, _] = ids(&node, SealKind::KeyFile)[..] else {
        panic!()
    };
    std::fs::rename(stage.path("a.key"), stage.path("elsewhere")).unwrap();
    node.check_seals(at(2)).await.unwrap();
    assert!(matches!(
        find(&node, first).standing,
        SealStanding::Failed { .. }
    ));
    assert_eq!(
        find(&node, second).standing,
        SealStanding::Proven { at: at(2) }
    );
    std::fs::rename(stage.path("elsewhere"), stage.path("a.key")).unwrap();
    node.check_seals(at(3)).await.unwrap();
    assert_eq!(
        find(&node, first).standing,
        SealStanding::Proven { at: at(3) }
    );
    // What is stored of one is altered: that one is told, and the other opens.
    let name = names(&*stage.storage, "seal/").await.remove(0);
    let name = ObjectName::new(&name).unwrap();
    stage.storage.write(&name, b"{}".to_vec()).await.unwrap();
    node.check_seals(at(4)).await.unwrap();
    let failed = |id| matches!(find(&node, id).standing, SealStanding::Failed { .. });
    assert!(failed(first) != failed(second));
    let again = stage.node().await;
    stage.all_there(&again).await;
}

#[tokio::test]
async fn a_stored_cost_that_makes_guessing_cheap_or_takes_all_memory_is_refused() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let words = NewSeal::Passphrase(passphrase(WORDS));
    node.add_seal(words, at(1)).await.unwrap();
    let name = names(&*stage.storage, "seal/passphrase/").await.remove(0);
    let name = ObjectName::new(&name).unwrap();
    let stored = stage.storage.read(&name).await.unwrap().unwrap();
    let stored = String::from_utf8(stored).unwrap();
    for cost in ["8", "4000000000"] {
        let altered = stored.replace("65536", cost);
        assert_ne!(altered, stored);
        stage
            .storage
            .write(&name, altered.into_bytes())
            .await
            .unwrap();
        let vault = stage.sealed(&[]).await;
        let refused = vault.submit_passphrase(passphrase(WORDS)).await;
        assert!(matches!(refused, Err(UnsealError::NoPassphrase)), "{cost}");
    }
}

#[tokio::test]
async fn of_two_who_change_the_seals_at_once_one_is_told() {
    let stage = Stage::new().await;
    let (one, other) = (stage.node().await, stage.node().await);
    let (first, second) = tokio::join!(
        one.add_seal(
            NewSeal::Shares {
                threshold: 2,
                total: 2
            },
            at(1)
        ),
        other.add_seal(
            NewSeal::Shares {
                threshold: 2,
                total: 2
            },
            at(1)
        ),
    );
    let told = |result: &Result<_, _>| match result {
        Ok(_) => false,
        Err(SealFault::Conflict) => true,
        Err(error) => panic!("{error}"),
    };
    let conflicts = usize::from(told(&first)) + usize::from(told(&second));
    one.check_seals(at(2)).await.unwrap();
    assert_eq!(one.overview().unwrap().seals.len(), 3 - conflicts);
    assert_eq!(names(&*stage.storage, "seal/").await.len(), 3 - conflicts);
}

#[tokio::test]
async fn a_passphrase_seal_that_was_damaged_does_not_keep_the_others_from_opening() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let mut first = None;
    for words in [WORDS, "other words, and more of them"] {
        let new = NewSeal::Passphrase(passphrase(words));
        let made = node.add_seal(new, at(1)).await.unwrap();
        first = first.or(Some(made.seal.id));
    }
    let first = format!("seal/passphrase/{}", first.unwrap());
    let mut stored = names(&*stage.storage, "seal/passphrase/").await;
    stored.retain(|name| name.starts_with(&first));
    let name = ObjectName::new(&stored[0]).unwrap();
    let sound = stage.storage.read(&name).await.unwrap().unwrap();
    let altered = String::from_utf8(sound).unwrap();
    let altered = altered.replace("wrapped_root\":\"", "wrapped_root\":\"?");
    stage
        .storage
        .write(&name, altered.into_bytes())
        .await
        .unwrap();
    let by_second = stage.sealed(&[]).await;
    // None is the first one's any more: that it is damaged is said.
    let refused = by_second.submit_passphrase(passphrase(WORDS)).await;
    assert!(
        matches!(refused, Err(UnsealError::Storage(_))),
        "{refused:?}"
    );
    by_second
        .submit_passphrase(passphrase("other words, and more of them"))
        .await
        .unwrap();
    stage.all_there(&by_second).await;
}

#[tokio::test]
async fn a_share_that_was_given_to_a_proof_is_forgotten_when_the_others_do_not_come() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let (seal, shares) = stage.add_shares(&node).await;
    let give = async |share: usize, second: i64| {
        let proof = SealProof::Share(shares[share].clone());
        node.prove_seal(seal, proof, at(second)).await.unwrap()
    };
    assert_eq!(give(0, 100).await.progress, 1);
    let late = 101 + 15 * 60;
    // It counts no more for one that comes too late, which counts for the next.
    let info = give(1, late).await;
    assert_eq!(info.progress, 1);
    assert_eq!(info.standing, SealStanding::Proven { at: at(2) });
    let info = give(0, late + 15 * 60).await;
    assert_eq!(info.progress, 0);
    let proven = SealStanding::Proven {
        at: at(late + 15 * 60),
    };
    assert_eq!(info.standing, proven);
    // And if nobody comes, the next check forgets it.
    let later = 10_000;
    assert_eq!(give(2, later).await.progress, 1);
    node.check_seals(at(later + 15 * 60)).await.unwrap();
    assert_eq!(find(&node, seal).progress, 1);
    node.check_seals(at(later + 15 * 60 + 1)).await.unwrap();
    assert_eq!(find(&node, seal).progress, 0);
}

#[tokio::test]
async fn a_seal_that_a_crash_left_behind_is_deleted_and_none_that_counts() {
    let stage = Stage::new().await;
    let node = stage.node().await;
    stage.add_shares(&node).await;
    node.begin_root_rotation(at(1)).await.unwrap();
    let sound = names(&*stage.storage, "seal/").await;
    // As it is between writing a seal and naming it.
    let stray = ObjectName::new("seal/key-file/0f1e.2d3c").unwrap();
    stage.storage.write(&stray, b"{}".to_vec()).await.unwrap();
    node.check_seals(at(100)).await.unwrap();
    node.check_seals(at(100 + 3599)).await.unwrap();
    let stored = stage.storage.read(&stray).await.unwrap();
    assert!(stored.is_some(), "somebody may be about to name it");
    node.check_seals(at(100 + 3600)).await.unwrap();
    assert_eq!(names(&*stage.storage, "seal/").await, sound);
    stage.all_there(&stage.node().await).await;
}
