//! A full backup and the segments behind it: verified, opened and restored.

use keyward_backup::{BackupKey, Identities, Place, Source, Target, restore, verify};
use keyward_core::caller::TenantRef;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::SecretName;
use keyward_core::ops::{backup, initialize, secret, token};
use keyward_store::migrate::KNOWN;
use keyward_testkit::world::restored::fresh_history;
use keyward_testkit::world::{BACKUP_IDENTITY, RegistryKind, VaultKind, World};
use keyward_vault::FileBackend;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

use crate::{copy, corpus, load, may_add, save, text, uses};

const FORMAT: &str = "backup/1";

/// A full backup, and behind it two segments: one of them with what holds for ever (a token revoked),
/// the other with another root key.
async fn make() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (node, root) = (&world.node, world.root());
    let some = [
        Algorithm::Aes256GcmCommit,
        Algorithm::Ed25519,
        Algorithm::MlKem768,
    ];
    let mut used = uses::make(&world, &clinic, &some, &uses::ALL).await;
    put(
        &world,
        &clinic.admin,
        &clinic.place,
        "large",
        &vec![7; 64 * 1024],
    )
    .await;
    backup::create(node, root, None).await.unwrap();
    assert!(backup::work(node).await.unwrap());
    world.clock.advance_seconds(1);
    used.extend(uses::make(&world, &clinic, &[Algorithm::Xaes256Gcm], &uses::ALL).await);
    let gone = world
        .member_token(&clinic.admin, &clinic.place, "gone", "crypto-user", None)
        .await;
    let lost = world.authenticated(&gone).await.token().unwrap();
    token::revoke(node, &clinic.admin, &clinic.place, lost, None)
        .await
        .unwrap();
    backup::segment(node).await.unwrap();
    world.clock.advance_seconds(1);
    put(&world, &clinic.admin, &clinic.place, "late", b"opensesame").await;
    let reader = world
        .member_token(&clinic.admin, &clinic.place, "reader", "crypto-user", None)
        .await;
    backup::segment(node).await.unwrap();
    let listing = world.backups.list().await.unwrap();
    let key = backup::public_key(node, root).await.unwrap();
    let key_file = std::fs::read(world.directory().join("seal.key")).unwrap();
    copy(
        &world.directory().join("backups/objects"),
        &corpus(&format!("{FORMAT}/objects")),
    );
    let told = json!({
        "full": listing.complete,
        "segments": listing.segments,
        "key": key,
        "identity": BACKUP_IDENTITY,
        "schema": KNOWN,
        "tenant": clinic.id.to_string(),
        "token": world.root_token(),
        "reader": reader,
        "revoked": gone,
        "key_file": data_encoding::HEXLOWER.encode(&key_file),
        "uses": used,
        "secrets": { "late": "opensesame" },
    });
    save(&format!("{FORMAT}/expected.json"), &told);
}

async fn put(
    world: &World,
    by: &keyward_core::caller::Caller,
    place: &TenantRef,
    name: &str,
    value: &[u8],
) {
    let new = uses::value(name, value);
    secret::put(&world.node, by, place, new, None)
        .await
        .unwrap();
}

fn ids(told: &Value, name: &str) -> Vec<Uuid> {
    serde_json::from_value(told[name].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_a_backup_of_every_format_verifies_and_restores() {
    if may_add() && !corpus(&format!("{FORMAT}/expected.json")).exists() {
        make().await;
    }
    let told = load(&format!("{FORMAT}/expected.json"));
    let folder = tempfile::tempdir().unwrap();
    copy(
        &corpus(&format!("{FORMAT}/objects")),
        &folder.path().join("objects"),
    );
    let place = Place::new(Arc::new(FileBackend::open(folder.path()).unwrap()));
    let key = BackupKey::parse(text(&told, "key")).unwrap();
    let identities = Identities::parse(text(&told, "identity")).unwrap();
    let mut verified = Vec::new();
    for id in [ids(&told, "full"), ids(&told, "segments")].concat() {
        // By what is readable alone, and by everything.
        let outside = verify(&place, id, Some(&key), None).await.unwrap();
        assert_eq!(outside.findings, []);
        let inside = verify(&place, id, Some(&key), Some(&identities))
            .await
            .unwrap();
        assert_eq!(inside.findings, []);
        verified.push(inside);
    }
    assert_eq!(verified.len(), 3);
    let full = verified.remove(0);

    // A registry is imported by a program of its own schema, which the refusal says by name.
    let world = World::new().await;
    let blank = world.blank(RegistryKind::Sqlite, VaultKind::Embedded).await;
    let source = Source {
        place: &place,
        full: &full,
        segments: &verified,
        to: None,
    };
    let target = Target {
        snapshot: blank.registry.clone(),
        registry: blank.registry.clone(),
        vault: blank.vault.clone(),
        clock: world.clock.clone(),
        node: "node-1".into(),
        history: fresh_history(),
        skips_versions: false,
    };
    let restored = restore(&source, &identities, &target).await;
    if told["schema"] != KNOWN {
        let refused = restored.expect_err("of another schema").to_string();
        assert!(refused.contains(&told["schema"].to_string()), "{refused}");
        return;
    }
    restored.unwrap();
    let key_file = crate::hex(&told, "key_file");
    let other = world
        .on_restored_with(blank, &key_file, text(&told, "token"))
        .await;
    let at = TenantRef::Id(text(&told, "tenant").parse().unwrap());
    let reader = other.authenticated(text(&told, "reader")).await;
    for one in told["uses"].as_array().unwrap() {
        uses::open(&other, &reader, &at, one).await;
    }
    let system = initialize::system_caller(&other.node).unwrap();
    let late = SecretName::new("late").unwrap();
    let got = secret::get(&other.node, &system, &at, &late, None)
        .await
        .unwrap();
    assert_eq!(got.value.expose(), b"opensesame");
}

/// The page about backups shows bytes of this one.
#[test]
fn the_page_about_backups_shows_a_backup_of_the_corpus() {
    let told = load(&format!("{FORMAT}/expected.json"));
    let last = ids(&told, "segments").pop().unwrap();
    let manifest = corpus(&format!("{FORMAT}/objects/{last}/segment="));
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let (first, second) = manifest.trim_end().split_once('\n').unwrap();
    let (signature, key) = second.split_once(' ').unwrap();
    let as_hex = |text: &str| {
        let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
        data_encoding::HEXLOWER.encode(&bytes)
    };
    let page = corpus("../docs/formats/backup.md");
    let page = std::fs::read_to_string(page).unwrap();
    let page: String = page.split_whitespace().collect();
    let root = load("hierarchy/1/vectors.json")["with_key_file"]["root/current"].clone();
    let root = root.as_str().unwrap().to_owned();
    let size = format!("{:08x}lengthofitsbytes{root}", root.len() / 2);
    let shown = [
        first.to_owned(),
        signature.to_owned(),
        key.to_owned(),
        as_hex(signature),
        as_hex(key),
        "000clengthofthename726f6f742f63757272656e74".to_owned(),
        size,
    ];
    for bytes in shown {
        let bytes: String = bytes.split_whitespace().collect();
        assert!(page.contains(&bytes), "the page does not show {bytes}");
    }
    assert_eq!(as_hex(key), as_hex(text(&told, "key")));
}
