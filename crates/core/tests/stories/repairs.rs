//! What a check finds damaged or missing is put back from a replica or a backup: the very record that
//! the registry names, or nothing; and never what was destroyed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use keyward_backup::signature::Signer;
use keyward_core::audit::Outcome;
use keyward_core::crypto_types::{Algorithm, SecretBytes};
use keyward_core::ids::RecordId;
use keyward_core::noun::action::Action;
use keyward_core::noun::condition::{ConditionKind, Subject};
use keyward_core::noun::state::State;
use keyward_core::ops::condition::is_open;
use keyward_core::ops::secret::{DeleteRequest, delete, put};
use keyward_core::ops::storage::sweep;
use keyward_core::ops::{backup, clockwork, initialize, kek, key, secret, tenant};
use keyward_core::port::registry::Registry as _;
use keyward_core::port::repair::{Copies, RecordRepair, RepairFault, Wanted};
use keyward_core::port::storage::{
    NewRecord, ObjectName, SecureStorage as _, StorageBackend, StorageError,
};
use keyward_crypto::record::{OUTER_LENGTH, peek_core, peek_outer};
use keyward_testkit::faulty::FaultyBackend;
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use uuid::Uuid;

use crate::script::{Story, activate, schedule_destruction};
use crate::secrets::{name, value};
use crate::storage_check::{bytes, check, confirm, fill, findings, records, seen};

const CHOSEN: Algorithm = Algorithm::Aes256GcmCommit;
const LARGE: usize = 64 * 1024;

/// Where copies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Replica,
    Backup,
}

/// A way to harm an object.
fn harmed(number: usize, whole: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    match number % 6 {
        0 => {
            let mut flipped = whole.to_vec();
            *flipped.last_mut().unwrap() ^= 1;
            Some(flipped)
        }
        1 => Some(whole[..whole.len() / 2].to_vec()),
        2 => None,
        3 => Some(other.to_vec()),
        4 => Some(Vec::new()),
        _ => {
            let mut flipped = whole.to_vec();
            flipped[40] ^= 0x80;
            Some(flipped)
        }
    }
}

async fn set(world: &World, name: &ObjectName, bytes: Option<Vec<u8>>) {
    match bytes {
        Some(bytes) => world.backend.write(name, bytes).await.unwrap(),
        None => world.backend.delete(name).await.unwrap(),
    }
}

/// Whether an object is the outer header of a large record.
fn is_outer(name: &ObjectName) -> bool {
    name.as_str().split('.').nth(1) == Some("outer")
}

/// Where the outer header of this record is, if it is a large one.
fn outer_of(name: &ObjectName) -> ObjectName {
    ObjectName::new(&format!("{}.outer", name.as_str())).unwrap()
}

/// The record that an object belongs to.
fn record_of(name: &ObjectName) -> String {
    let last = name.as_str().rsplit('/').next().unwrap();
    last.trim_end_matches(".outer").to_owned()
}

async fn make_backup(world: &World) {
    backup::create(&world.node, world.root(), None)
        .await
        .unwrap();
    assert!(backup::work(&world.node).await.unwrap());
}

async fn put_large(world: &World, tenancy: &Tenancy, bytes: u8) {
    let large = value("large", &vec![bytes; LARGE]);
    put(&world.node, &tenancy.admin, &tenancy.place, large, None)
        .await
        .unwrap();
}

/// A deployment on this backend with copies of everything.
async fn copied(kind: VaultKind, from: From) -> (World, Tenancy, Made, Arc<FaultyBackend>) {
    let world = World::on(RegistryKind::Sqlite, kind).await;
    let (world, replica) = world.repairing().await;
    let clinic = world.tenant("clinic").await;
    fill(&world, &clinic).await;
    put_large(&world, &clinic, 7).await;
    let story = Story::new(&world, &clinic, "notes", CHOSEN, None).await;
    activate(&story, &clinic.operator).await.unwrap();
    let text = story.encrypt("a note").await.unwrap();
    let key = story.key.clone();
    match from {
        From::Replica => world.copy_vault_to(&*replica).await,
        From::Backup => make_backup(&world).await,
    }
    (world, clinic, Made { key, text }, replica)
}

/// A key and something encrypted under it.
struct Made {
    key: keyward_core::port::registry::KeyRef,
    text: String,
}

async fn everything_opens(world: &World, tenancy: &Tenancy, made: &Made) {
    let story = Story {
        world,
        tenancy,
        key: made.key.clone(),
    };
    assert_eq!(story.decrypt(&made.text).await.unwrap(), "a note");
    let system = initialize::system_caller(&world.node).unwrap();
    let large = secret::get(&world.node, &system, &tenancy.place, &name("large"), None).await;
    assert_eq!(large.unwrap().value.expose(), vec![7; LARGE]);
}

async fn entries(world: &World, outcome: Outcome) -> usize {
    let entries = world.entries().await.into_iter();
    let repairs = entries.filter(|it| it.event.action == Action::StorageRepair);
    repairs.filter(|it| it.event.outcome == outcome).count()
}

/// Puts another genuine record with the same label in a record's place: what a backend that was rolled
/// back has there.
async fn put_an_older_one(world: &World, name: &ObjectName) {
    let whole = bytes(world, name).await;
    let (label, _) = peek_core(&whole[OUTER_LENGTH..]).unwrap();
    world.backend.delete(name).await.unwrap();
    let record = NewRecord {
        label,
        metadata: Vec::new(),
        payload: SecretBytes::new(vec![9; 32]),
    };
    world.vault.store(vec![record]).await.unwrap();
    assert_ne!(bytes(world, name).await, whole);
}

fn repaired() -> (ConditionKind, Subject) {
    (ConditionKind::STORAGE_REPAIRED, Subject::system("storage"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_whatever_was_damaged_lost_or_rolled_back_is_put_back() {
    for kind in [VaultKind::Files, VaultKind::S3] {
        for from in [From::Replica, From::Backup] {
            let (world, clinic, made, _) = copied(kind, from).await;
            // The copies are under an older key by the time they are needed.
            kek::rotate(&world.node, world.root(), &clinic.place, None)
                .await
                .unwrap();
            while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
            assert_eq!(check(&world).await.progress.failed, 0);

            let names = records(&world).await;
            let whole: Vec<Vec<u8>> = {
                let mut whole = Vec::new();
                for name in &names {
                    whole.push(bytes(&world, name).await);
                }
                whole
            };
            let rolled = names
                .iter()
                .zip(&whole)
                .position(|(name, bytes)| !is_outer(name) && bytes.starts_with(b"KWO1"));
            let rolled = rolled.unwrap();
            for (number, name) in names.iter().enumerate() {
                let other = &whole[(number + 1) % whole.len()];
                if number == rolled {
                    put_an_older_one(&world, name).await;
                } else {
                    set(&world, name, harmed(number, &whole[number], other)).await;
                }
            }
            let lost: BTreeSet<String> = names.iter().map(record_of).collect();
            world.clock.advance_seconds(10);
            let job = check(&world).await;
            let got = (job.progress.failed, job.progress.changed);
            let open = findings(&world, &clinic).await;
            assert_eq!(got, (0, lost.len() as i64), "{kind:?} {from:?}: {open:?}");
            everything_opens(&world, &clinic, &made).await;
            assert_eq!(entries(&world, Outcome::Ok).await, lost.len());
            assert_eq!(entries(&world, Outcome::Failed).await, 0);
            assert!(open.is_empty());
            let (repaired, subject) = repaired();
            assert!(is_open(&world.node, &repaired, &subject));
            // Nothing is left under the key before.
            let keks = world.registry.tenant_keks(clinic.id).await.unwrap();
            for name in records(&world).await {
                let object = bytes(&world, &name).await;
                if let Ok(named) = peek_outer(&object[..OUTER_LENGTH.min(object.len())]) {
                    assert_ne!(named.id, keks[1].record.uuid(), "{name:?}");
                }
            }
            world.clock.advance_seconds(10);
            let job = check(&world).await;
            assert_eq!((job.progress.failed, job.progress.changed), (0, 0));
            assert!(!is_open(&world.node, &repaired, &subject));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_lost_or_exchanged_tenant_key_is_put_back_and_all_beneath_it_opens() {
    for (kind, from) in [
        (VaultKind::Files, From::Backup),
        (VaultKind::S3, From::Replica),
    ] {
        let (world, clinic, made, _) = copied(kind, from).await;
        let bank = world.tenant("bank").await;
        let keks = world.backend.list("kek/", None, 10).await.unwrap();
        let is_of =
            |tenancy: &Tenancy, name: &ObjectName| name.as_str().contains(&tenancy.id.to_string());
        let of_clinic = keks.iter().find(|name| is_of(&clinic, name)).unwrap();
        let of_bank = keks.iter().find(|name| is_of(&bank, name)).unwrap();
        let (whole, other) = (bytes(&world, of_clinic).await, bytes(&world, of_bank).await);
        for harm in [None, Some(other), Some(whole[..100].to_vec())] {
            set(&world, of_clinic, harm).await;
            world.clock.advance_seconds(10);
            let job = check(&world).await;
            assert_eq!(
                (job.progress.failed, job.progress.changed),
                (0, 1),
                "{kind:?}"
            );
            assert_eq!(bytes(&world, of_clinic).await, whole);
            everything_opens(&world, &clinic, &made).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_was_destroyed_or_is_about_to_be_never_comes_back() {
    for from in [From::Replica, From::Backup] {
        let (world, clinic, _, replica) = copied(VaultKind::Files, from).await;
        let node = &world.node;
        // One is destroyed, one is on its way and its record is gone already; a secret is deleted; a
        // tenant is shredded.
        let bank = world.tenant("bank").await;
        fill(&world, &bank).await;
        let story = |name: &'static str| Story::new(&world, &clinic, name, CHOSEN, None);
        let (gone, going) = (story("gone").await, story("going").await);
        let now = [gone.now().await, going.now().await];
        let record =
            |at: usize| -> RecordId { now[at].versions[0].provider_key_id.parse().unwrap() };
        let of = |record: RecordId| {
            let text = record.to_string();
            ObjectName::new(&format!("rec/{}/{text}", &text[text.len() - 2..])).unwrap()
        };
        let before = records(&world).await;
        match from {
            From::Replica => world.copy_vault_to(&*replica).await,
            From::Backup => make_backup(&world).await,
        }
        // A version that was never active may go at once.
        schedule_destruction(&gone, &clinic.admin).await.unwrap();
        clockwork::tick(node).await.unwrap();
        assert_eq!(gone.states().await.0, [State::Destroyed]);
        activate(&going, &clinic.operator).await.unwrap();
        going.rotate(&clinic.operator).await.unwrap();
        world.sql(&format!(
            "UPDATE key_versions SET state = 'pending_destruction', state_before = 'rotated', \
             destroy_at = 1, destroying = 1 WHERE version = 1 AND provider_key_id = '{}'",
            record(1)
        ));
        world.backend.delete(&of(record(1))).await.unwrap();
        delete(
            node,
            &clinic.admin,
            &clinic.place,
            &name("large"),
            DeleteRequest::default(),
        )
        .await
        .unwrap();
        tenant::suspend(node, world.root(), &bank.place, None)
            .await
            .unwrap();
        tenant::shred(node, world.root(), &bank.place, "over".to_owned())
            .await
            .unwrap();
        clockwork::tick(node).await.unwrap();
        let left = records(&world).await;
        assert!(left.len() < before.len());

        world.clock.advance_seconds(10);
        let job = check(&world).await;
        assert_eq!(
            (job.progress.failed, job.progress.changed),
            (0, 0),
            "{from:?}"
        );
        assert_eq!(records(&world).await, left);
        for at in [record(0), record(1)] {
            assert_eq!(world.backend.read(&of(at)).await.unwrap(), None);
        }
        let keks = world.backend.list("kek/", None, 10).await.unwrap();
        assert!(
            !keks
                .iter()
                .any(|it| it.as_str().contains(&bank.id.to_string()))
        );
        assert_eq!(entries(&world, Outcome::Ok).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_wrong_or_stale_replica_harms_nothing_and_is_said_to_be() {
    let (world, clinic, _, replica) = copied(VaultKind::Files, From::Replica).await;
    let names = records(&world).await;
    // A record in one object: the second object of a large one has no header that says its label, and
    // names are random, so that either may come first.
    let mut alone = names
        .iter()
        .filter(|it| !names.contains(&outer_of(it)) && !is_outer(it));
    let target = alone.next().unwrap();
    let whole = bytes(&world, target).await;
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let other = bytes(&world, alone.next().unwrap()).await;
    // Another genuine one with its label: a replica from before.
    put_an_older_one(&world, target).await;
    let older = bytes(&world, target).await;
    let wrong = [
        Some(flipped),
        Some(whole[..whole.len() - 1].to_vec()),
        Some(Vec::new()),
        Some(other),
        Some(older),
        None,
    ];
    let damaged = vec![1, 2, 3];
    for wrong in wrong {
        match wrong {
            Some(bytes) => replica.write(target, bytes).await.unwrap(),
            None => replica.delete(target).await.unwrap(),
        }
        set(&world, target, Some(damaged.clone())).await;
        world.clock.advance_seconds(10);
        let job = check(&world).await;
        assert_eq!((job.progress.failed, job.progress.changed), (1, 0));
        assert_eq!(bytes(&world, target).await, damaged, "nothing was written");
        let found = findings(&world, &clinic).await;
        assert_eq!(found.len(), 1);
        assert!(
            found[0].detail.contains("could not be put back: replica: "),
            "{found:?}"
        );
        assert!(found[0].detail.contains("backup: "), "{found:?}");
    }
    assert_eq!(entries(&world, Outcome::Ok).await, 0, "nothing was begun");
    // All of it wrong, and nothing to repair: nothing is touched.
    set(&world, target, Some(whole.clone())).await;
    for name in world.backend.list("", None, 1_000).await.unwrap() {
        replica.write(&name, vec![0; 200]).await.unwrap();
    }
    world.clock.advance_seconds(10);
    let job = check(&world).await;
    assert_eq!((job.progress.failed, job.progress.changed), (0, 0));
    assert!(findings(&world, &clinic).await.is_empty());
    let unusable = ConditionKind::REPAIR_SOURCE_UNUSABLE;
    assert!(is_open(&world.node, &unusable, &Subject::system("replica")));
    assert!(is_open(&world.node, &unusable, &Subject::system("backup")));
    world.copy_vault_to(&*replica).await;
    make_backup(&world).await;
    check(&world).await;
    assert!(!is_open(
        &world.node,
        &unusable,
        &Subject::system("replica")
    ));
    assert!(!is_open(&world.node, &unusable, &Subject::system("backup")));
    assert_eq!(seen(&world).await.last.unwrap().progress.changed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_meanwhile_wins() {
    for kind in [VaultKind::Files, VaultKind::S3] {
        let (world, clinic, made, _) = copied(kind, From::Replica).await;
        let row = key::read(&world.node, &clinic.admin, &clinic.place, &made.key)
            .await
            .unwrap();
        let version = &row.versions[0];
        let wanted = Wanted::Record {
            tenant: clinic.id,
            record: version.provider_key_id.parse().unwrap(),
            digest: version.record_digest.unwrap(),
        };
        let vault: &dyn RecordRepair = &*world.vault;
        let names = vault.objects(&wanted).unwrap();
        let target = names.last().unwrap();
        let whole = bytes(&world, target).await;
        let copies = Copies::from([(target.clone(), whole.clone())]);
        for (before, meanwhile) in [
            (None, vec![4, 4]),
            (Some(vec![1]), vec![4, 4]),
            (Some(vec![1]), whole.clone()),
        ] {
            set(&world, target, before.clone()).await;
            let prepared = vault.prepare(&wanted, &copies).await.unwrap();
            assert_eq!(prepared.len(), 1);
            set(&world, target, Some(meanwhile.clone())).await;
            let put_back = vault.put_back(&wanted, prepared).await;
            assert_eq!(put_back, Err(RepairFault::Changed), "{kind:?} {before:?}");
            assert_eq!(bytes(&world, target).await, meanwhile);
        }
        // What is there as it must be is not written again.
        assert!(vault.prepare(&wanted, &copies).await.unwrap().is_empty());
        // A storage that fails is not taken for a bad copy.
        let sealed = world.vault.as_ref();
        keyward_core::port::seal::SealControl::seal(sealed);
        let refused = vault.prepare(&wanted, &copies).await;
        assert_eq!(
            refused.err(),
            Some(RepairFault::Storage(StorageError::Sealed))
        );
    }
}

/// A registry that was put back to an older state names what was destroyed since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_nothing_is_put_back_while_the_registry_is_doubted() {
    let (world, clinic, made, _) = copied(VaultKind::Files, From::Replica).await;
    let names = records(&world).await;
    let target = names.iter().find(|it| !is_outer(it)).unwrap();
    set(&world, target, None).await;
    sweep::hold(&world.node, "restored from a backup").await;
    world.clock.advance_seconds(10);
    let job = check(&world).await;
    assert_eq!((job.progress.failed, job.progress.changed), (1, 0));
    let found = findings(&world, &clinic).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].detail.contains("sweep_held"), "{found:?}");
    assert_eq!(world.backend.read(target).await.unwrap(), None);
    assert_eq!(entries(&world, Outcome::Ok).await, 0, "nothing was begun");

    confirm(&world).await;
    world.clock.advance_seconds(10);
    let job = check(&world).await;
    assert_eq!((job.progress.failed, job.progress.changed), (0, 1));
    everything_opens(&world, &clinic, &made).await;
}

/// Whoever can write where backups lie can put a newer one there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_strangers_newer_backup_keeps_nothing_from_being_put_back() {
    let (world, clinic, made, _) = copied(VaultKind::Files, From::Backup).await;
    let ours = *world.backups.list().await.unwrap().complete.last().unwrap();
    let mut planted = world.verified(ours, None).await.signed.unwrap().manifest;
    let newest = Uuid::max();
    planted.backup = newest;
    planted.revision += 1;
    planted.parts = Vec::new();
    let (secret, _) = Signer::generate(&keyward_crypto::SystemRandom).unwrap();
    let signer = Signer::new(&secret).unwrap();
    let folder = world.directory().join(format!("backups/objects/{newest}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join("manifest=")).unwrap();
    file.write_all(&planted.sign(&signer).unwrap()).unwrap();

    let names = records(&world).await;
    let target = names.iter().find(|it| !is_outer(it)).unwrap();
    set(&world, target, None).await;
    world.clock.advance_seconds(10);
    let job = check(&world).await;
    assert_eq!((job.progress.failed, job.progress.changed), (0, 1));
    everything_opens(&world, &clinic, &made).await;
}
