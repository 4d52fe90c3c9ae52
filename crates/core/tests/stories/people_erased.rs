//! A person's data is given out, and erased for ever: here, in the log, and in whatever is restored.

use keyward_backup::Chain;
use keyward_core::caller::{Caller, TenantRef};
use keyward_core::names::PrincipalName;
use keyward_core::ops::log::{self, SearchWish};
use keyward_core::ops::privacy::{self, Dossier, Erasure, PrivacySubject};
use keyward_core::ops::token::PrincipalRef;
use keyward_core::ops::{backup, clockwork, principal};
use keyward_core::port::registry::Registry as _;
use keyward_core::time::Clock as _;
use keyward_testkit::world::World;

use crate::backups::{elsewhere, made};
use crate::people::{
    ADDRESS, ANOTHER, STRANGE, changes_with, from, from_afar, holding, logged, member, overseer,
};
use crate::privacy_restores::forgotten;
use crate::script::code;

const NAME: &str = "dr.grey-goose";

fn named(text: &str) -> PrivacySubject {
    PrivacySubject::parse(text).unwrap()
}

pub async fn export(world: &World, by: &Caller, place: &TenantRef, subject: &str) -> Dossier {
    let subject = named(subject);
    let found = privacy::export(&world.node, by, place, &subject);
    found.await.unwrap()
}

pub async fn erase(world: &World, by: &Caller, place: &TenantRef, subject: &str) -> Erasure {
    let why = "asked to be forgotten".to_owned();
    let subject = named(subject);
    let done = privacy::erase(&world.node, by, place, &subject, why);
    done.await.unwrap()
}

pub async fn disable(world: &World, by: &Caller, place: &TenantRef, name: &str) {
    let named = PrincipalRef::Name(PrincipalName::new(name).unwrap());
    let done = principal::disable(&world.node, by, place, &named, None);
    done.await.unwrap();
}

/// The world that comes out of a second, with the backups that there are.
async fn restored(world: &World, to: keyward_core::time::Timestamp) -> World {
    let chain = Chain::find(&world.backups, None, Some(to)).await.unwrap();
    let full = world.verified(chain.full, None).await;
    let mut behind = Vec::new();
    for id in &chain.segments {
        behind.push(world.verified(*id, None).await);
    }
    let (registry, vault) = elsewhere(world);
    let blank = world.blank(registry, vault).await;
    let done = world.restore_to(&full, &behind, Some(to), &blank, false, false);
    done.await.unwrap();
    world.on_restored(blank).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_an_erased_person_is_nowhere_and_no_restore_brings_it_back() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (admin, place) = (&clinic.admin, &clinic.place);
        let token = member(&world, &clinic, NAME, "operator").await;
        for address in [ADDRESS, ANOTHER] {
            let caller = from(&world.node, &token, address).await.unwrap();
            logged(&world.node, &world, &caller, place).await;
        }
        while world.index.grow().unwrap() {}
        let held = export(&world, admin, place, NAME).await;
        let id = held.principal.unwrap().id;
        let mut addresses: Vec<_> = held.addresses.iter().map(|it| &*it.address).collect();
        addresses.sort_unstable();
        assert_eq!(addresses, [ADDRESS, ANOTHER]);
        assert_eq!(
            (held.roles.join(","), held.tokens.len()),
            ("operator".to_owned(), 1)
        );
        assert!(held.entries.unwrap() >= 2);
        let by_address = export(&world, admin, place, &format!("address:{ADDRESS}")).await;
        assert_eq!(by_address.addresses[0].principal, Some(id));

        made(&world).await;
        let before = world.clock.now();
        world.clock.advance_seconds(10);
        let entries = world.entries().await;

        // Whoever may still act is not erased.
        let why = "asked".to_owned();
        let subject = named(NAME);
        let early = privacy::erase(&world.node, admin, place, &subject, why);
        assert_eq!(code(early.await), "invalid_request");
        disable(&world, admin, place, NAME).await;
        let done = erase(&world, admin, place, NAME).await;
        assert!(done.destroyed && done.addresses == 2);
        assert!(done.remains.iter().any(|it| it.what.contains("backups")));
        assert!(done.remains[0].count.unwrap() >= 2);

        // Nobody sees it, and nobody finds it; what was logged is as it was.
        let tail = log::tail(&world.node, &clinic.auditor, Some(place), None, Some(500));
        let seen = from_afar(tail.await.unwrap());
        assert!(
            seen.len() >= 2 && seen.iter().all(|it| it.starts_with("p:")),
            "{seen:?}"
        );
        let wish = SearchWish {
            address: Some(ADDRESS.to_owned()),
            ..SearchWish::default()
        };
        let found = log::search(&world.node, &clinic.auditor, Some(place), &wish, None, None);
        assert!(found.await.unwrap().entries.is_empty());
        let after = world.entries().await;
        assert_eq!(after[..entries.len()], entries[..]);
        let book = keyward_core::names::SecretName::new(&format!("keyward.person.{id}")).unwrap();
        let row = world
            .registry
            .secret(Some(clinic.id), &book)
            .await
            .unwrap()
            .unwrap();
        assert!(
            world
                .registry
                .secret_versions(row.id)
                .await
                .unwrap()
                .is_empty()
        );

        // With the clock the feed forgets it.
        forgotten(&world).await;
        // Its name is in no file, nor in what the database keeps of earlier rows.
        assert_eq!(changes_with(&world, NAME).await, 0);
        assert!(!serde_json::to_string(&after).unwrap().contains("goose"));
        let mut files = holding(&world.directory(), NAME);
        files.retain(|file| !file.contains("/backups/"));
        assert_eq!(files, [""; 0]);
        // Done again it finishes what is left.
        let again = erase(&world, admin, place, &id.to_string()).await;
        assert_eq!(again.addresses, 0);

        assert!(backup::segment(&world.node).await.unwrap());
        let other = restored(&world, before).await;
        let row = other.registry.principal(id).await.unwrap().unwrap();
        assert!(row.name.as_str().starts_with("erased-") && row.disabled_at.is_some());
        let root = other.root().clone();
        let auditor = overseer(&other).await;
        let held = other
            .registry
            .secret(Some(clinic.id), &book)
            .await
            .unwrap()
            .unwrap();
        assert!(
            other
                .registry
                .secret_versions(held.id)
                .await
                .unwrap()
                .is_empty()
        );
        let dossier = export(&other, &root, place, &id.to_string()).await;
        assert_eq!(dossier.addresses, []);
        assert!(
            dossier
                .tokens
                .iter()
                .all(|it| it.label.is_empty() && it.revoked_at.is_some())
        );
        drop(auditor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_a_stranger_left_is_erased_and_others_are_still_known() {
    let world = World::new().await;
    let system = TenantRef::System;
    let another = "203.0.113.100";
    for address in [STRANGE, another] {
        assert!(from(&world.node, "kw_nobody", address).await.is_err());
    }
    made(&world).await;
    let before = world.clock.now();
    world.clock.advance_seconds(10);
    let root = world.root().clone();
    let subject = format!("address:{STRANGE}");
    assert_eq!(
        export(&world, &root, &system, &subject)
            .await
            .addresses
            .len(),
        1
    );
    assert_eq!(erase(&world, &root, &system, &subject).await.addresses, 1);
    clockwork::tick(&world.node).await.unwrap();
    assert_eq!(export(&world, &root, &system, &subject).await.addresses, []);
    let auditor = overseer(&world).await;
    let tail = log::tail(&world.node, &auditor, None, None, Some(1000));
    let seen = from_afar(tail.await.unwrap());
    assert!(seen.iter().any(|it| it == another) && seen.iter().any(|it| it.starts_with("p:")));
    assert!(!seen.iter().any(|it| it == STRANGE), "{seen:?}");

    assert!(backup::segment(&world.node).await.unwrap());
    let other = restored(&world, before).await;
    let root = other.root().clone();
    assert_eq!(export(&other, &root, &system, &subject).await.addresses, []);
    // A book begins anew.
    assert!(from(&other.node, "kw_nobody", STRANGE).await.is_err());
    assert_eq!(
        export(&other, &root, &system, &subject)
            .await
            .addresses
            .len(),
        1
    );
}
