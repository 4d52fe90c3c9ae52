//! From where people come while the server is sealed: it waits beside the journal, tells nobody anything there,
//! and is in the books after unsealing.

use std::path::PathBuf;

use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::names::{CorrelationId, SecretName};
use keyward_core::noun::condition::ConditionKind;
use keyward_core::ops::log::{self, SearchWish};
use keyward_core::ops::{clockwork, condition, privacy, seal};
use keyward_core::port::registry::Registry as _;
use keyward_testkit::world::{RegistryKind, World};

use crate::backups::made;
use crate::people::{
    ADDRESS, ANOTHER, STRANGE, changes_with, from, from_afar, holding, logged, member, overseer,
};
use crate::people_erased::{disable, erase, export};
use crate::script::code;

const SYSTEM: TenantRef = TenantRef::System;

async fn world() -> World {
    let world = World::keeping_addresses(RegistryKind::Sqlite).await;
    // The key is made with the first turn of the clock.
    clockwork::tick(&world.node).await.unwrap();
    world
}

fn waiting(world: &World) -> PathBuf {
    world.directory().join("audit/addresses/waiting")
}

/// Everything that waits.
fn files(world: &World) -> Vec<PathBuf> {
    let Ok(folder) = std::fs::read_dir(waiting(world)) else {
        return Vec::new();
    };
    let mut files: Vec<_> = folder.map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

/// Somebody whom nobody knows tries; as what his address stands in the log.
async fn tries(world: &World, address: &str) -> String {
    assert!(from(&world.node, "kw_nobody", address).await.is_err());
    let entry = world.last_entry().await.event;
    entry.actor.address.unwrap()
}

fn is_reference(text: &str) -> bool {
    text.len() == 24 && text.starts_with("s:")
}

/// The conditions that are open about what waits.
fn told(world: &World) -> Vec<String> {
    let open = condition::open_of(&world.node, &ConditionKind::AUDIT_ADDRESSES_DAMAGED);
    open.iter().map(|it| it.name().to_owned()).collect()
}

async fn seen(world: &World) -> Vec<String> {
    let auditor = overseer(world).await;
    seen_by(world, &auditor).await
}

async fn seen_by(world: &World, auditor: &Caller) -> Vec<String> {
    let tail = log::tail(&world.node, auditor, None, None, Some(1000));
    from_afar(tail.await.unwrap())
}

fn by_address(address: &str) -> SearchWish {
    SearchWish {
        address: Some(address.to_owned()),
        ..SearchWish::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_the_server_is_sealed_is_known_after_it_and_to_nobody_before() {
    for kind in [RegistryKind::Sqlite, RegistryKind::Postgres] {
        let world = World::keeping_addresses(kind).await;
        clockwork::tick(&world.node).await.unwrap();
        let clinic = world.tenant("clinic").await;
        let token = member(&world, &clinic, "one", "operator").await;
        world.seal(true);
        let stranger = tries(&world, STRANGE).await;
        assert!(is_reference(&stranger), "{stranger}");
        assert_eq!(tries(&world, &format!("::ffff:{STRANGE}")).await, stranger);
        let origin = Origin {
            address: Some(ANOTHER.to_owned()),
            correlation_id: CorrelationId::new("from-afar").unwrap(),
            leaf: LeafSlot::default(),
        };
        assert!(
            seal::submit_share(&world.node, origin, "no share")
                .await
                .is_err()
        );
        let unsealing = world.last_entry().await.event.actor.address.unwrap();
        assert!(is_reference(&unsealing) && unsealing != stranger);
        // A member is another than a stranger from the same place.
        let caller = from(&world.node, &token, STRANGE).await.unwrap();
        let of_member = logged(&world.node, &world, &caller, &clinic.place)
            .await
            .unwrap();
        assert!(is_reference(&of_member) && of_member != stranger);
        assert_eq!(files(&world).len(), 3);
        for clear in [STRANGE, ANOTHER] {
            assert_eq!(holding(&world.directory(), clear), [""; 0], "{clear}");
        }

        world.seal(false);
        clockwork::tick(&world.node).await.unwrap();
        assert_eq!(files(&world), Vec::<PathBuf>::new());
        while world.index.grow().unwrap() {}
        let auditor = overseer(&world).await;
        let all = seen_by(&world, &auditor).await;
        assert_eq!(all.iter().filter(|it| *it == STRANGE).count(), 3, "{all:?}");
        assert_eq!(all.iter().filter(|it| *it == ANOTHER).count(), 1);
        // Found by the address, by those who may see it in their own log alone.
        let wish = by_address(STRANGE);
        let found = log::search(&world.node, &auditor, None, &wish, None, None);
        assert_eq!(found.await.unwrap().entries.len(), 3);
        let place = Some(&clinic.place);
        let found = log::search(&world.node, &clinic.auditor, place, &wish, None, None);
        let found = found.await.unwrap().entries;
        assert_eq!(from_afar(found), [STRANGE]);
        // No secret of the registry's has it, nor what the journal and the backups have.
        made(&world).await;
        for clear in [STRANGE, ANOTHER] {
            assert_eq!(holding(&world.directory(), clear), [""; 0], "{clear}");
            assert_eq!(changes_with(&world, clear).await, 0, "{clear}");
        }
        // Unsealed there are pseudonyms again; sealed again, other references.
        assert!(tries(&world, STRANGE).await.starts_with("p:"));
        world.seal(true);
        let again = tries(&world, STRANGE).await;
        assert!(is_reference(&again) && again != stranger);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_survives_a_crash_on_either_side_of_the_book() {
    let world = world().await;
    world.seal(true);
    let first = tries(&world, STRANGE).await;
    let kept: Vec<_> = files(&world)
        .into_iter()
        .map(|file| (std::fs::read(&file).unwrap(), file))
        .collect();
    // Before it was taken to the vault.
    let world = world.restart().await;
    let root = world.root().clone();
    let subject = format!("address:{STRANGE}");
    // Asked for before the clock's turn it is no less there.
    let held = export(&world, &root, &SYSTEM, &subject).await.addresses;
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].pseudonym.as_str(), held[0].address.as_str()),
        (&*first, STRANGE)
    );
    assert!(files(&world).is_empty());
    // After it was, and before it was removed where it waited.
    for (bytes, file) in kept {
        std::fs::write(file, bytes).unwrap();
    }
    let name = SecretName::new(&format!(
        "keyward.strangers.{}",
        held[0].day.clone().unwrap()
    ));
    let version = |row: Option<keyward_core::noun::secret::Secret>| row.unwrap().latest_version;
    let name = name.unwrap();
    let before = version(world.registry.secret(None, &name).await.unwrap());
    let world = world.restart().await;
    clockwork::tick(&world.node).await.unwrap();
    assert!(files(&world).is_empty());
    assert_eq!(
        version(world.registry.secret(None, &name).await.unwrap()),
        before
    );
    assert_eq!(
        export(&world, &root, &SYSTEM, &subject).await.addresses,
        held
    );
    assert_eq!(told(&world), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_came_while_the_server_was_sealed_is_erased_with_the_rest() {
    let world = world().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "dr.grey", "operator").await;
    world.seal(true);
    let caller = from(&world.node, &token, ADDRESS).await.unwrap();
    logged(&world.node, &world, &caller, &clinic.place).await;
    for address in [STRANGE, ANOTHER] {
        tries(&world, address).await;
    }
    let root = world.root().clone();
    let subject = format!("address:{STRANGE}");
    // Nobody is told that there is nothing.
    let asked = privacy::PrivacySubject::parse(&subject).unwrap();
    let asked = privacy::export(&world.node, &root, &SYSTEM, &asked).await;
    assert_eq!(code(asked), "sealed");
    world.seal(false);
    // No turn of the clock: what waits goes as well.
    disable(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    let held = export(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    assert_eq!(held.addresses.len(), 1);
    let done = erase(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    assert!(done.destroyed && done.addresses == 1);
    assert_eq!(erase(&world, &root, &SYSTEM, &subject).await.addresses, 1);
    assert!(files(&world).is_empty());
    let all = seen(&world).await;
    assert!(all.iter().any(|it| it == ANOTHER), "{all:?}");
    assert!(
        !all.iter().any(|it| it == STRANGE || it == ADDRESS),
        "{all:?}"
    );
    let world = world.restart().await;
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(export(&world, &root, &SYSTEM, &subject).await.addresses, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_before_what_waits_is_taken_stays_erased() {
    let world = world().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "dr.grey", "operator").await;
    world.seal(true);
    let caller = from(&world.node, &token, ADDRESS).await.unwrap();
    logged(&world.node, &world, &caller, &clinic.place).await;
    let kept: Vec<_> = files(&world)
        .into_iter()
        .map(|file| (std::fs::read(&file).unwrap(), file))
        .collect();
    world.seal(false);
    disable(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    erase(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    // As it is where another node is unsealed later.
    for (bytes, file) in kept {
        std::fs::write(file, bytes).unwrap();
    }
    let world = world.restart().await;
    clockwork::tick(&world.node).await.unwrap();
    assert!(files(&world).is_empty());
    let all = seen(&world).await;
    assert!(!all.iter().any(|it| it == ADDRESS), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_is_told_and_keeps_nothing_else_from_its_place() {
    let world = world().await;
    world.seal(true);
    for address in [STRANGE, ANOTHER] {
        tries(&world, address).await;
    }
    let all = files(&world);
    let mut bytes = std::fs::read(&all[0]).unwrap();
    bytes[700] ^= 1;
    std::fs::write(&all[0], &bytes).unwrap();
    // Another's, an empty one, and what is nothing of ours.
    let another = all[1].with_file_name("AAECAwQFBgcICQoLDA0ODw");
    std::fs::copy(&all[1], &another).unwrap();
    std::fs::write(all[1].with_file_name("BBECAwQFBgcICQoLDA0ODw"), b"").unwrap();
    std::fs::write(all[1].with_file_name("something-else"), b"").unwrap();
    world.seal(false);
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(files(&world).len(), 4);
    assert!(told(&world).iter().any(|it| it.ends_with("/addresses")));
    let shown = seen(&world).await;
    let known = shown.iter().filter(|it| *it == STRANGE || *it == ANOTHER);
    assert_eq!(known.count(), 1, "{shown:?}");
    for file in files(&world) {
        std::fs::remove_file(file).unwrap();
    }
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(told(&world), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told_and_tried_again_and_keeps_nothing_else_from_its_place() {
    let world = world().await;
    world.seal(true);
    let file_of = |reference: &str| waiting(&world).join(reference.trim_start_matches("s:"));
    let one = file_of(&tries(&world, STRANGE).await);
    tries(&world, ANOTHER).await;
    let aside = world.directory().join("aside");
    std::fs::rename(&one, &aside).unwrap();
    std::fs::create_dir(&one).unwrap();
    world.seal(false);
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(files(&world), std::slice::from_ref(&one));
    assert!(told(&world).iter().any(|it| it.ends_with("/addresses")));
    let auditor = overseer(&world).await;
    let shown = seen_by(&world, &auditor).await;
    assert!(shown.iter().any(|it| it == ANOTHER), "{shown:?}");
    // Of an address that may be among them nobody says that it is gone.
    let root = world.root().clone();
    let subject = format!("address:{STRANGE}");
    assert!(!erase(&world, &root, &SYSTEM, &subject).await.destroyed);
    std::fs::remove_dir(&one).unwrap();
    std::fs::rename(&aside, &one).unwrap();
    world.clock.advance_seconds(11);
    clockwork::tick(&world.node).await.unwrap();
    assert!(files(&world).is_empty());
    assert_eq!(told(&world), [""; 0]);
    let shown = seen_by(&world, &auditor).await;
    assert!(shown.iter().any(|it| it == STRANGE), "{shown:?}");
    assert!(erase(&world, &root, &SYSTEM, &subject).await.destroyed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_an_address_that_was_erased_does_not_come_back_with_a_file_that_was_not_removed() {
    let world = world().await;
    world.seal(true);
    tries(&world, STRANGE).await;
    tries(&world, ANOTHER).await;
    let kept: Vec<_> = files(&world)
        .into_iter()
        .map(|file| (std::fs::read(&file).unwrap(), file))
        .collect();
    world.seal(false);
    let root = world.root().clone();
    let subject = format!("address:{STRANGE}");
    assert_eq!(erase(&world, &root, &SYSTEM, &subject).await.addresses, 1);
    for (bytes, file) in kept {
        std::fs::write(file, bytes).unwrap();
    }
    let world = world.restart().await;
    clockwork::tick(&world.node).await.unwrap();
    assert!(files(&world).is_empty());
    assert_eq!(export(&world, &root, &SYSTEM, &subject).await.addresses, []);
    let subject = format!("address:{ANOTHER}");
    let held = export(&world, &root, &SYSTEM, &subject).await.addresses;
    assert_eq!(held.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_to_be_erased_is_whatever_is_wrong_with_what_waits() {
    let world = world().await;
    let clinic = world.tenant("clinic").await;
    member(&world, &clinic, "dr.grey", "operator").await;
    disable(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    world.seal(true);
    tries(&world, STRANGE).await;
    world.seal(false);
    std::fs::rename(waiting(&world), world.directory().join("aside")).unwrap();
    std::fs::write(waiting(&world), b"no folder").unwrap();
    assert!(clockwork::tick(&world.node).await.is_err());
    assert!(told(&world).iter().any(|it| it.ends_with("/addresses")));
    let done = erase(&world, &clinic.admin, &clinic.place, "dr.grey").await;
    assert!(done.remains.iter().any(|it| it.what.contains("wait")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_somebody_put_there_is_not_used_and_is_told() {
    let world = world().await;
    let key = world.directory().join("audit/addresses/key");
    let right = std::fs::read(&key).unwrap();
    let foreign = keyward_crypto::hybrid::HybridSecret::from_seed(&[9; 32]).unwrap();
    std::fs::write(&key, foreign.public().to_bytes()).unwrap();
    // A server that starts sealed knows its key by the registry's digest of it alone.
    let world = world.restart().await;
    world.seal(true);
    assert_eq!(tries(&world, STRANGE).await, "withheld");
    assert!(world.node.address_withheld().is_some());
    world.seal(false);
    clockwork::tick(&world.node).await.unwrap();
    assert!(told(&world).iter().any(|it| it.ends_with("/addresses-key")));
    assert_eq!(std::fs::read(&key).unwrap(), right);
    // It stays told until a later unsealing finds that it is right.
    world.clock.advance_seconds(60);
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(told(&world).len(), 1);
    world.seal(true);
    assert!(is_reference(&tries(&world, STRANGE).await));
    world.seal(false);
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(told(&world), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_withheld_and_unsealing_waits_for_nothing() {
    let world = world().await;
    world.seal(true);
    std::fs::write(waiting(&world), b"no folder").unwrap();
    assert_eq!(tries(&world, STRANGE).await, "withheld");
    std::fs::remove_file(waiting(&world)).unwrap();
    // Not at once: every request would try it.
    assert_eq!(tries(&world, STRANGE).await, "withheld");
    world.clock.advance_seconds(11);
    assert!(is_reference(&tries(&world, STRANGE).await));
    std::fs::rename(waiting(&world), world.directory().join("aside")).unwrap();
    std::fs::write(waiting(&world), b"no folder").unwrap();
    world.seal(false);
    assert!(clockwork::tick(&world.node).await.is_err());
    let root = world.root().clone();
    assert!(tries(&world, ANOTHER).await.starts_with("p:"));
    // Nobody is told that there is nothing.
    let subject = privacy::PrivacySubject::parse(&format!("address:{STRANGE}")).unwrap();
    let asked = privacy::export(&world.node, &root, &SYSTEM, &subject).await;
    assert_eq!(code(asked), "audit_unavailable");
    std::fs::remove_file(waiting(&world)).unwrap();
    std::fs::rename(world.directory().join("aside"), waiting(&world)).unwrap();
    world.clock.advance_seconds(11);
    clockwork::tick(&world.node).await.unwrap();
    assert!(seen(&world).await.iter().any(|it| it == STRANGE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_wait_and_no_more() {
    let world = world().await;
    world.seal(true);
    assert!(is_reference(&tries(&world, STRANGE).await));
    for number in 1..1000 {
        let file = waiting(&world).join(format!("{number:022}"));
        std::fs::write(file, b"").unwrap();
    }
    // What this process wrote it counts; what lies there is counted when the next begins.
    world.seal(true);
    let known = tries(&world, STRANGE).await;
    assert_eq!(known, "withheld");
    world.clock.advance_seconds(11);
    assert_eq!(tries(&world, ANOTHER).await, "withheld");
    assert_eq!(files(&world).len(), 1000);
    world.seal(false);
    clockwork::tick(&world.node).await.unwrap();
    assert!(told(&world).iter().any(|it| it.ends_with("/addresses")));
}
