//! Every write of the storage failing once, in every form, with the node gone at that instant: the
//! next one opens with every seal that was there, finds everything, and can do the rest.

use keyward_core::port::seal::{
    NewSeal, RootRotation, SealControl, SealFault, SealKeeping, SealKind, SealRenewal,
};
use keyward_core::port::storage::{ObjectName, StorageBackend};
use keyward_testkit::faulty::{FORMS, Form};
use keyward_vault::Vault;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::root::finish;
use crate::stage::{Stage, at, find, ids, late, prove_with};

/// Besides [`FORMS`]: a change that was made, and cannot be looked at.
const UNREAD: [Form; 2] = [Form::Unread, Form::LostUnread];

type Shares = Vec<Zeroizing<String>>;

/// Opens with the key files, and with the shares, and finds everything.
async fn both_open(stage: &Stage, shares: &[Shares]) {
    stage.all_there(&stage.node().await).await;
    let mut opened = false;
    for shares in shares {
        let by_shares = stage.sealed(&[]).await;
        for share in &shares[..2] {
            let _ = by_shares.submit_share(share).await;
        }
        if !by_shares.is_sealed() {
            stage.all_there(&by_shares).await;
            opened = true;
        }
    }
    assert!(opened, "no set of shares opens");
}

async fn prove(vault: &Vault, seal: Uuid, shares: &Shares) -> Result<(), SealFault> {
    for share in &shares[..2] {
        let proof = keyward_core::port::seal::SealProof::Share(share.clone());
        vault.prove_seal(seal, proof, at(9)).await?;
    }
    Ok(())
}

/// The whole rotation of the root key, from wherever it is.
async fn rotate(vault: &Vault, seal: Uuid, shares: &Shares) -> Result<(), SealFault> {
    let overview = vault.overview().unwrap();
    if overview.root_key_version == 1 {
        vault.begin_root_rotation(at(3)).await?;
        if !find(vault, seal).has_part {
            prove(vault, seal, shares).await?;
        }
        vault.commit_root_rotation(at(4)).await?;
    }
    while let Some(seen) = vault.rewrap_under_root(2, late()).await? {
        if seen.done {
            vault.drop_previous_root().await?;
        }
    }
    Ok(())
}

/// One run with one failing write. Whether there was such a write.
async fn rotate_with_fault(place: usize, form: Form) -> bool {
    let stage = Stage::new().await;
    let (seal, shares) = {
        let node = stage.node().await;
        stage.add_shares(&node).await
    };
    let at_fault = format!("write {place} failing {form:?}");
    let node = stage.node().await;
    stage.storage.fail_after(place, form);
    let result = rotate(&node, seal, &shares).await;
    let happened = stage.storage.mend();
    // The node that saw the failure and lives on reads everything.
    stage.all_there(&node).await;
    drop(node);
    let sets = [shares];
    both_open(&stage, &sets).await;
    let node = stage.node().await;
    let again = rotate(&node, seal, &sets[0]).await;
    assert!(again.is_ok(), "{at_fault}: {result:?}, then {again:?}");
    finish(&node).await;
    let after = node.overview().unwrap();
    assert_eq!(
        (after.root_key_version, after.rotation),
        (2, None),
        "{at_fault}"
    );
    both_open(&stage, &sets).await;
    happened
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_rotation_of_the_root_key_may_end_at_any_write_and_is_finished_by_the_next_start() {
    for form in FORMS.into_iter().chain(UNREAD) {
        let mut place = 0;
        while rotate_with_fault(place, form).await {
            place += 1;
        }
        assert!(place >= 10, "only {place} writes");
    }
}

/// Another key file, new shares, a replaced key file, the first one gone.
async fn keep(vault: &Vault, shares_seal: Uuid, sets: &mut Vec<Shares>) -> Result<(), SealFault> {
    vault.add_seal(NewSeal::KeyFile, at(3)).await?;
    let made = vault
        .renew_seal(shares_seal, SealRenewal::default(), at(4))
        .await?;
    sets.push(made.shares.clone());
    prove(vault, made.seal.id, &made.shares).await?;
    let files = ids(vault, SealKind::KeyFile);
    vault.remove_seal(files[0], at(5)).await?;
    Ok(())
}

async fn keep_with_fault(place: usize, form: Form) -> bool {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let (seal, shares) = stage.add_shares(&node).await;
    let mut sets = vec![shares];
    stage.storage.fail_after(place, form);
    let result = keep(&node, seal, &mut sets).await;
    let happened = stage.storage.mend();
    stage.all_there(&node).await;
    drop(node);
    both_open(&stage, &sets).await;
    // What was left behind is deleted by the next check, and nothing else.
    let node = stage.node().await;
    node.check_seals(at(6)).await.unwrap();
    both_open(&stage, &sets).await;
    let seals = node.overview().unwrap().seals;
    assert!(
        seals.len() >= 2,
        "write {place} failing {form:?}: {result:?}"
    );
    assert!(!matches!(
        node.overview().unwrap().rotation,
        Some(RootRotation::Collecting { .. })
    ));
    // And the seals can be changed again.
    let made = node
        .add_seal(
            NewSeal::Shares {
                threshold: 2,
                total: 2,
            },
            at(7),
        )
        .await
        .unwrap();
    prove_with(&node, made.seal.id, &made.shares).await;
    happened
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_change_of_the_seals_may_end_at_any_write_and_every_former_seal_works() {
    for form in FORMS.into_iter().chain(UNREAD) {
        let mut place = 0;
        while keep_with_fault(place, form).await {
            place += 1;
        }
        assert!(place >= 9, "only {place} writes");
    }
}

/// What is stored of the seals, but for what is still to be deleted.
async fn stored(stage: &Stage) -> serde_json::Value {
    let name = ObjectName::new("root/current").unwrap();
    let bytes = stage.storage.read(&name).await.unwrap().unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let fields = manifest.as_object_mut().unwrap();
    fields.remove("discarded");
    fields.remove("format");
    manifest
}

/// One change with a fault at one write. Whether there was such a write; whether it was made and said
/// so, in spite of the fault.
async fn change_with_fault(change: &str, place: usize, form: Form) -> (bool, bool) {
    let stage = Stage::new().await;
    let node = stage.node().await;
    let second = node.add_seal(NewSeal::KeyFile, at(1)).await.unwrap();
    let second = second.seal.id;
    if matches!(change, "commit" | "cancel") {
        node.begin_root_rotation(at(2)).await.unwrap();
    }
    let before = stored(&stage).await;
    stage.storage.fail_after(place, form);
    let ended = match change {
        "add" => {
            let (threshold, total) = (2, 2);
            let new = NewSeal::Shares { threshold, total };
            node.add_seal(new, at(3)).await.map(drop)
        }
        "remove" => node.remove_seal(second, at(3)).await,
        "commit" => node.commit_root_rotation(at(3)).await.map(drop),
        _ => node.cancel_root_rotation().await,
    };
    let happened = stage.storage.mend();
    let is_changed = stored(&stage).await != before;
    let told = format!("{change}, write {place}, {form:?}: {ended:?}");
    match &ended {
        Ok(()) | Err(SealFault::InForceButUnread { .. }) => assert!(is_changed, "{told}"),
        Err(SealFault::OutcomeUnknown { .. }) => assert_eq!(form, Form::LostUnread, "{told}"),
        Err(_) => assert!(!is_changed, "{told}"),
    }
    stage.all_there(&node).await;
    stage.all_there(&stage.node().await).await;
    let said_so = matches!(ended, Err(SealFault::InForceButUnread { .. }));
    (happened, said_so)
}

#[tokio::test(flavor = "multi_thread")]
async fn i02_a_change_of_the_seals_that_took_effect_is_never_said_to_have_failed() {
    for change in ["add", "remove", "commit", "cancel"] {
        let mut told = 0;
        for form in FORMS.into_iter().chain(UNREAD) {
            for place in 0.. {
                let (happened, said_so) = change_with_fault(change, place, form).await;
                told += usize::from(said_so);
                if !happened {
                    break;
                }
            }
        }
        assert!(told > 0, "{change}: nothing took effect unread");
    }
}
