//! What keeps people's books apart: nobody waits for another's, no tenant sees into another's or the system's,
//! and what cannot be read is not taken for nothing.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use keyward_core::caller::{Caller, TenantRef};
use keyward_core::error::OpError;
use keyward_core::ids::PrincipalId;
use keyward_core::names::{PrincipalName, SecretName};
use keyward_core::noun::secret::SecretState;
use keyward_core::ops::log::{self, SearchWish};
use keyward_core::ops::privacy::{self, PrivacySubject};
use keyward_core::ops::token::PrincipalRef;
use keyward_core::ops::{principal, secret};
use keyward_core::port::audit_search::{CountBy, CountEvery};
use keyward_core::port::registry::Registry as _;
use keyward_core::time::Clock as _;
use keyward_crypto::secret::SecretBytes;
use keyward_testkit::world::{Tenancy, World};
use tokio::time::MissedTickBehavior;

use crate::people::{ADDRESS, ANOTHER, STRANGE, from, from_afar, logged, member};
use crate::script::code;

/// Moves the clock until something is done: whoever waits loses patience, and nothing else happens.
async fn in_time<T>(world: &World, work: impl Future<Output = T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    // What a machine that stood still has missed is not caught up with at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ticking = async {
        for _ in 0..20_000 {
            ticks.tick().await;
            world.clock.advance_seconds(1);
        }
    };
    tokio::select! {
        done = work => done,
        () = ticking => panic!("it waits for what does not answer"),
    }
}

async fn id_of(world: &World, clinic: &Tenancy, name: &str) -> PrincipalId {
    let name = PrincipalName::new(name).unwrap();
    let row = world.registry.principal_by_name(Some(clinic.id), &name);
    row.await.unwrap().unwrap().id
}

async fn put(world: &World, by: &Caller, place: &TenantRef, name: &str) -> Result<(), OpError> {
    let new = secret::NewValue {
        name: SecretName::new(name).unwrap(),
        value: SecretBytes::copy_from(b"mine"),
        description: None,
        labels: None,
        keep: None,
        expected_version: None,
        if_match: None,
    };
    let done = secret::put(&world.node, by, place, new, None).await;
    done.map(drop)
}

fn from_there(address: &str) -> SearchWish {
    SearchWish {
        address: Some(address.to_owned()),
        ..SearchWish::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_hangs_holds_nobody_for_long_and_who_is_known_not_at_all() {
    let world = World::moving(false).await;
    let (clinic, lab) = (world.tenant("clinic").await, world.tenant("lab").await);
    let node = &world.node;
    let one = member(&world, &clinic, "one", "operator").await;
    let two = member(&world, &clinic, "two", "operator").await;
    let three = member(&world, &lab, "three", "operator").await;
    let known = from(node, &one, ADDRESS).await.unwrap();
    let known = logged(node, &world, &known, &clinic.place).await;
    assert_eq!(node.address_withheld(), None);
    world.on_its_way().from.fall_silent();
    world.on_its_way().to.fall_silent();

    let withheld = Some("withheld".to_owned());
    for (token, place) in [
        (&one, &clinic.place),
        (&two, &clinic.place),
        (&three, &lab.place),
    ] {
        let caller = in_time(&world, from(node, token, ANOTHER)).await;
        let stands = logged(node, &world, &caller.unwrap(), place).await;
        assert_eq!(stands, withheld);
    }
    let stranger = in_time(&world, from(node, "kw_nobody", STRANGE)).await;
    assert!(stranger.is_err());
    // It is said, and no address with it.
    let why = node.address_withheld();
    assert_eq!(why, Some("registry or vault did not answer in time"));

    // What is in memory asks nobody, and what was in vain is not tried again at once: the clock stands.
    let again = from(node, &one, ADDRESS).await.unwrap();
    assert_eq!(logged(node, &world, &again, &clinic.place).await, known);
    world.clock.advance_seconds(11);
    in_time(&world, from(node, &one, ANOTHER)).await.unwrap();
    let paused = from(node, &one, ANOTHER).await.unwrap();
    assert_eq!(logged(node, &world, &paused, &clinic.place).await, withheld);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_from_a_new_address_have_one_pseudonym() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "one", "operator").await;
    let eight = (0..8).map(|_| from(&world.node, &token, ADDRESS));
    let mut seen = Vec::new();
    for caller in futures_util::future::join_all(eight).await {
        seen.push(logged(&world.node, &world, &caller.unwrap(), &clinic.place).await);
    }
    assert!(
        seen.iter().flatten().all(|it| it.starts_with("p:")),
        "{seen:?}"
    );
    seen.dedup();
    assert_eq!(seen.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i06_i09_who_is_revoked_or_erased_while_his_address_is_written_does_not_pass() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "one", "operator").await;
    let (node, admin, place) = (&world.node, &clinic.admin, &clinic.place);
    // The token is known: only the address is looked for.
    from(node, &token, "127.0.0.1").await.unwrap();
    let id = id_of(&world, &clinic, "one").await;
    let mut waiting = pin!(from(node, &token, ADDRESS));
    let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
    assert!(polled.await.is_pending());

    let named = PrincipalRef::Id(id);
    principal::disable(node, admin, place, &named, None)
        .await
        .unwrap();
    let subject = PrivacySubject::Principal(named);
    let why = "asked to be forgotten".to_owned();
    let erased = privacy::erase(node, admin, place, &subject, why).await;
    assert_eq!(erased.unwrap().addresses, 0);

    assert_eq!(code(waiting.await), "unauthenticated");
    let book = SecretName::new(&format!("keyward.person.{id}")).unwrap();
    let row = world.registry.secret(Some(clinic.id), &book).await.unwrap();
    assert!(row.is_none_or(|row| row.state == SecretState::Deleted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_a_tenant_has_no_book_of_the_systems_strangers() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (node, admin, place) = (&world.node, &clinic.admin, &clinic.place);
    let by = |name, role| world.member(admin, place, name, role, None);
    let keeper = by("keeper", "secret-keeper").await;
    let reader = by("reader", "secret-reader").await;
    let today = format!("keyward.strangers.{}", world.clock.now().day());
    for name in [&*today, "keyward.person.mine", "keyward.mine"] {
        assert_eq!(code(put(&world, &keeper, place, name).await), "forbidden");
    }
    // One that was there before such names were the server's.
    put(&world, &keeper, place, "of-old").await.unwrap();
    world.sql(&format!(
        "UPDATE secrets SET name = '{today}' WHERE name = 'of-old'"
    ));
    assert!(from(node, "kw_nobody", STRANGE).await.is_err());
    let subject = PrivacySubject::parse(&format!("address:{STRANGE}")).unwrap();
    let system = TenantRef::System;
    let held = privacy::export(node, world.root(), &system, &subject).await;
    assert_eq!(held.unwrap().addresses.len(), 1);
    let held = privacy::export(node, admin, place, &subject).await.unwrap();
    assert_eq!(held.addresses, []);
    let wish = from_there(STRANGE);
    let found = log::search(node, &clinic.auditor, Some(place), &wish, None, None);
    assert!(found.await.unwrap().entries.is_empty());

    // It is still its owner's, to read and to be rid of; he does not write it again.
    let name = SecretName::new(&today).unwrap();
    let got = secret::get(node, &reader, place, &name, None)
        .await
        .unwrap();
    assert_eq!(got.value.expose(), b"mine");
    assert_eq!(code(put(&world, &keeper, place, &today).await), "forbidden");
    let request = secret::DeleteRequest::default();
    let gone = secret::delete(node, &keeper, place, &name, request).await;
    gone.unwrap();
    // A person's book is nobody's but the server's.
    let token = member(&world, &clinic, "one", "operator").await;
    from(node, &token, ADDRESS).await.unwrap();
    let book = format!("keyward.person.{}", id_of(&world, &clinic, "one").await);
    let book = SecretName::new(&book).unwrap();
    let got = secret::get(node, &reader, place, &book, None).await;
    assert_eq!(code(got.map(drop)), "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_no_tenant_learns_the_name_of_anothers_principal_by_its_id() {
    let world = World::new().await;
    let (clinic, lab) = (world.tenant("clinic").await, world.tenant("lab").await);
    let (node, place) = (&world.node, &clinic.place);
    for (tenancy, name) in [(&clinic, "dr.grey-goose"), (&lab, "dr.white-swan")] {
        member(&world, tenancy, name, "operator").await;
        let id = id_of(&world, tenancy, name).await;
        let subject = PrivacySubject::Principal(PrincipalRef::Id(id));
        // Allowed or refused, it is logged with the id.
        let _ = privacy::export(node, &clinic.admin, place, &subject).await;
        let entry = world.last_entry().await.event;
        assert_eq!(entry.resource.id, Some(id.uuid()));
    }
    let seen = log::tail(node, &clinic.auditor, Some(place), None, Some(500));
    let seen = seen.await.unwrap();
    let names = seen
        .iter()
        .filter_map(|it| it.event.resource.name.as_deref());
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"dr.grey-goose") && !names.contains(&"dr.white-swan"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_now_is_not_answered_as_nothing() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "one", "operator").await;
    let (node, place) = (&world.node, &clinic.place);
    let caller = from(node, &token, ADDRESS).await.unwrap();
    logged(node, &world, &caller, place).await;
    let auditor = &clinic.auditor;
    let wish = from_there(ADDRESS);
    let search = || log::search(node, auditor, Some(place), &wish, None, None);
    assert!(!search().await.unwrap().entries.is_empty());

    node.drop_secrets();
    assert_eq!(code(search().await), "sealed");
    let how = (CountBy::All, CountEvery::All);
    let counted = log::counts(node, auditor, Some(place), &wish, how, None);
    assert_eq!(code(counted.await), "sealed");
    // What is in no book is found all the same, and the log is read as it was written.
    let own = from_there("127.0.0.1");
    let found = log::search(node, auditor, Some(place), &own, None, None);
    found.await.unwrap();
    let seen = log::tail(node, auditor, Some(place), None, Some(500));
    let seen = from_afar(seen.await.unwrap());
    assert!(!seen.is_empty() && seen.iter().all(|it| it.starts_with("p:")));
}
