//! The seals, told as stories of people with shares and of a node with a key file (invariant 11).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use keyward_core::port::seal::{SealControl, UnsealError};
use keyward_core::port::storage::{ObjectName, SecureStorage, StorageBackend, StorageError};
use keyward_crypto::SystemRandom;
use keyward_vault::{SealError, SealSetup, Vault};
use uuid::Uuid;
use world::{KINDS, Kind, MemoryLedger, World, label, open_backend, open_vault, tenant};
use zeroize::Zeroizing;

const FIVE_OF_THREE: SealSetup = SealSetup::Shares {
    threshold: 3,
    total: 5,
};

async fn initialize(
    backend: &Arc<dyn StorageBackend>,
    setup: &SealSetup,
) -> Result<Vec<Zeroizing<String>>, SealError> {
    let outcome = Vault::initialize(&**backend, Uuid::from_u128(7), setup, &SystemRandom).await?;
    Ok(outcome.shares)
}

async fn with_shares(kind: Kind) -> (tempfile::TempDir, Vault, Vec<Zeroizing<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(kind, folder.path());
    let shares = initialize(&backend, &FIVE_OF_THREE).await.unwrap();
    let vault = open_vault(&backend, &Arc::new(MemoryLedger::default())).await;
    (folder, vault, shares)
}

/// Another share of the same set, index and format, with a wrong value and a right checksum.
fn forged(share: &str, by: &str) -> String {
    let decode = |text: &str| {
        let letters = text.strip_prefix("kwshare1-").unwrap().to_ascii_uppercase();
        data_encoding::BASE32_NOPAD
            .decode(letters.as_bytes())
            .unwrap()
    };
    let (mut bytes, other) = (decode(share), decode(by));
    bytes[18..50].copy_from_slice(&other[18..50]);
    let mut hasher = crc32(b"kwshare1-", 0);
    hasher = crc32(&bytes[..50], hasher);
    bytes[50..].copy_from_slice(&hasher.to_be_bytes());
    let text = data_encoding::BASE32_NOPAD
        .encode(&bytes)
        .to_ascii_lowercase();
    format!("kwshare1-{text}")
}

/// CRC-32 (IEEE 802.3), bit by bit, continuing from an earlier one.
fn crc32(bytes: &[u8], before: u32) -> u32 {
    let mut crc = !before;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[tokio::test]
async fn i11_any_three_of_five_holders_unseal_one_after_another() {
    for kind in KINDS {
        let (_folder, vault, shares) = with_shares(kind).await;
        assert_eq!(shares.len(), 5);
        let status = vault.status();
        assert!(status.initialized && status.sealed);
        assert_eq!(status.seals, ["shares"]);
        assert_eq!(
            (status.threshold, status.total, status.progress),
            (Some(3), Some(5), 0)
        );
        for combination in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            for (given, index) in combination.into_iter().enumerate() {
                assert!(vault.is_sealed());
                let status = vault.submit_share(&shares[index]).await.unwrap();
                let is_last = given == 2;
                assert_eq!(status.sealed, !is_last);
                assert_eq!(status.progress, if is_last { 0 } else { given as u8 + 1 });
            }
            assert!(!vault.is_sealed());
            vault.seal();
        }
    }
}

#[tokio::test]
async fn i11_a_forged_or_foreign_share_is_named_and_not_used() {
    let (_folder, vault, shares) = with_shares(Kind::Embedded).await;
    let (_other_folder, _other, foreign) = with_shares(Kind::Embedded).await;
    vault.submit_share(&shares[0]).await.unwrap();
    let fake = forged(&shares[1], &shares[2]);
    assert!(matches!(
        vault.submit_share(&fake).await,
        Err(UnsealError::Forged { index: 2 })
    ));
    assert!(matches!(
        vault.submit_share(&foreign[1]).await,
        Err(UnsealError::WrongSet)
    ));
    let again = vault.submit_share(&shares[0]).await;
    assert!(matches!(again, Err(UnsealError::Duplicate { index: 1 })));
    let mut mistyped = shares[1].to_string();
    mistyped.replace_range(20..21, if &mistyped[20..21] == "a" { "b" } else { "a" });
    for text in [
        mistyped.as_str(),
        "",
        "kwshare1-",
        "kwshare2-aaaa",
        "hunter2",
    ] {
        assert!(matches!(
            vault.submit_share(text).await,
            Err(UnsealError::Malformed)
        ));
    }
    assert_eq!(vault.status().progress, 1);
    vault.submit_share(&shares[1]).await.unwrap();
    // Copied with a line break at the end, as people do.
    let status = vault
        .submit_share(&format!("{}\n", *shares[4]))
        .await
        .unwrap();
    assert!(!status.sealed);
}

#[tokio::test]
async fn i11_two_of_three_shares_do_not_unseal_and_can_be_taken_back() {
    let (_folder, vault, shares) = with_shares(Kind::File).await;
    for index in [0, 1] {
        vault.submit_share(&shares[index]).await.unwrap();
    }
    assert!(vault.is_sealed());
    let refused = vault.open(&label(tenant(1), 1), None).await;
    assert_eq!(refused.err(), Some(StorageError::Sealed));
    vault.reset_shares();
    assert_eq!(vault.status().progress, 0);
    vault.submit_share(&shares[2]).await.unwrap();
    assert!(vault.is_sealed());
}

#[tokio::test]
async fn i11_impossible_numbers_of_shares_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::Embedded, folder.path());
    for (threshold, total) in [(1, 1), (0, 5), (4, 3), (2, 33)] {
        let refused = initialize(&backend, &SealSetup::Shares { threshold, total }).await;
        assert!(
            matches!(refused, Err(SealError::Shares(_))),
            "{threshold} of {total}"
        );
    }
    assert_eq!(backend.list("", None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_seal_altered_on_the_disk_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::File, folder.path());
    let shares = initialize(&backend, &FIVE_OF_THREE).await.unwrap();
    let name = backend
        .list("seal/shares/", None, 1)
        .await
        .unwrap()
        .remove(0);
    let stored = String::from_utf8(backend.read(&name).await.unwrap().unwrap()).unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    // The wrapped root key: noticed when it is opened.
    let start = stored.find("wrapped_root").unwrap() + 60;
    let mut altered = stored.clone();
    altered.replace_range(
        start..=start,
        if &stored[start..=start] == "A" {
            "B"
        } else {
            "A"
        },
    );
    backend.write(&name, altered.into_bytes()).await.unwrap();
    let vault = open_vault(&backend, &ledger).await;
    for index in [0, 1] {
        vault.submit_share(&shares[index]).await.unwrap();
    }
    let refused = vault.submit_share(&shares[2]).await;
    assert!(matches!(
        refused,
        Err(UnsealError::Storage(StorageError::Refused(_)))
    ));
    assert!(vault.is_sealed());
    assert_eq!(vault.status().progress, 0);
    // The public set, or the whole: noticed at once.
    for bad in [
        stored.replacen("share_set\":\"S", "share_set\":\"T", 1),
        String::new(),
    ] {
        backend.write(&name, bad.into_bytes()).await.unwrap();
        let opened = Vault::open(
            Arc::clone(&backend),
            Arc::clone(&ledger) as _,
            Arc::new(SystemRandom),
        );
        assert!(matches!(opened.await, Err(SealError::Damaged { .. })));
    }
}

#[tokio::test]
async fn a_deployment_that_is_not_initialised_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::Embedded, folder.path());
    let vault = open_vault(&backend, &Arc::new(MemoryLedger::default())).await;
    let status = vault.status();
    assert!(!status.initialized && status.sealed && vault.is_sealed());
    let share = vault.submit_share("kwshare1-").await;
    assert!(matches!(share, Err(UnsealError::NotInitialized)));
    let key_file = vault.unseal_with_key_file(&folder.path().join("root.key"));
    assert!(matches!(key_file, Err(SealError::NotInitialized)));
}

#[tokio::test]
async fn a_deployment_is_initialised_once() {
    for kind in KINDS {
        let world = World::new(kind).await;
        let (record, digest) = world.store(1, b"x").await;
        let before = world.backend.list("", None, 100).await.unwrap();
        for setup in [SealSetup::KeyFile(world.key_file()), FIVE_OF_THREE] {
            let again = initialize(&world.backend, &setup).await;
            assert!(matches!(again, Err(SealError::AlreadyInitialized)));
        }
        assert_eq!(world.backend.list("", None, 100).await.unwrap(), before);
        assert!(
            world
                .restarted()
                .await
                .open(&record, Some(&digest))
                .await
                .is_ok()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_initialise_at_once_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::Embedded, folder.path());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let backend = Arc::clone(&backend);
        tasks.spawn(async move { initialize(&backend, &FIVE_OF_THREE).await });
    }
    let mut winners = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok(shares) => winners.push(shares),
            Err(error) => assert!(matches!(error, SealError::AlreadyInitialized)),
        }
    }
    assert_eq!(winners.len(), 1);
    let vault = open_vault(&backend, &Arc::new(MemoryLedger::default())).await;
    for share in &winners[0][..3] {
        vault.submit_share(share).await.unwrap();
    }
    assert!(!vault.is_sealed());
}

#[tokio::test]
async fn an_interrupted_initialisation_is_simply_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let backend = open_backend(Kind::File, folder.path());
    let path = folder.path().join("root.key");
    let setup = SealSetup::KeyFile(path.clone());
    initialize(&backend, &setup).await.unwrap();
    // As if the power had gone before the manifest was written: key file and seal are there.
    backend
        .delete(&ObjectName::new("root/current").unwrap())
        .await
        .unwrap();
    let key = std::fs::read(&path).unwrap();
    initialize(&backend, &setup).await.unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        key,
        "the key file was taken over"
    );
    let vault = open_vault(&backend, &Arc::new(MemoryLedger::default())).await;
    assert!(!vault.unseal_with_key_file(&path).unwrap().sealed);
}

#[tokio::test]
async fn a_key_file_is_made_for_its_owner_alone_and_opens_what_it_sealed() {
    let world = World::new(Kind::Embedded).await;
    let metadata = std::fs::metadata(world.key_file()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), 32);
    let status = world.restarted().await.status();
    assert_eq!(status.seals, ["key-file"]);
    assert_eq!((status.threshold, status.total), (None, None));
    let share = world.vault.submit_share("kwshare1-").await;
    assert!(matches!(share, Err(UnsealError::NoShares)));
    let names: Vec<_> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("root.key"))
        .collect();
    assert_eq!(names, ["root.key"], "no copy is left behind");
}

#[tokio::test]
async fn a_wrong_missing_or_exposed_key_file_is_named() {
    let world = World::new(Kind::Embedded).await;
    world.vault.seal();
    let path = world.key_file();
    let genuine = std::fs::read(&path).unwrap();
    let unseal = |path: &Path| world.vault.unseal_with_key_file(path);
    let private = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };

    std::fs::write(&path, [7; 32]).unwrap();
    assert!(matches!(unseal(&path), Err(SealError::WrongKeyFile)));
    std::fs::write(&path, &genuine[..31]).unwrap();
    assert!(matches!(unseal(&path), Err(SealError::KeyFileMalformed)));
    std::fs::write(&path, &genuine).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o660, 0o644, 0o777] {
        private(&path, mode);
        assert!(
            matches!(unseal(&path), Err(SealError::KeyFileExposed)),
            "{mode:o}"
        );
    }
    private(&path, 0o600);
    let link = world.folder.path().join("link.key");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(
        unseal(&link),
        Err(SealError::KeyFileUnavailable(_))
    ));
    assert!(unseal(world.folder.path()).is_err(), "a directory");
    let missing = world.folder.path().join("no.key");
    assert!(matches!(unseal(&missing), Err(SealError::KeyFileMissing)));
    assert!(world.vault.is_sealed());
    assert!(!unseal(&path).unwrap().sealed);
}

#[tokio::test]
async fn a_key_file_of_another_deployment_does_not_open_even_if_its_seal_is_copied() {
    let (ours, theirs) = (World::new(Kind::File).await, World::new(Kind::File).await);
    ours.vault.seal();
    let refused = ours.vault.unseal_with_key_file(&theirs.key_file());
    assert!(matches!(refused, Err(SealError::WrongKeyFile)));
    // Their seal in place of ours: their key opens it, but it is bound to their root key.
    let seal_of = async |world: &World| {
        let name = world
            .backend
            .list("seal/key-file/", None, 1)
            .await
            .unwrap()
            .remove(0);
        (world.backend.read(&name).await.unwrap().unwrap(), name)
    };
    let (their_seal, _) = seal_of(&theirs).await;
    let (_, our_name) = seal_of(&ours).await;
    ours.backend.write(&our_name, their_seal).await.unwrap();
    let vault = open_vault(&ours.backend, &ours.ledger).await;
    let refused = vault.unseal_with_key_file(&theirs.key_file());
    assert!(matches!(refused, Err(SealError::Damaged { .. })));
}
