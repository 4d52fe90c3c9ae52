//! What was erased stays erased: whichever part is restored, whoever answers late, and whatever was called
//! as an erased person will be.

use keyward_core::caller::TenantRef;
use keyward_core::error::OpError;
use keyward_core::ids::{PrincipalId, SecretId};
use keyward_core::names::{PrincipalName, SecretName};
use keyward_core::noun::action::Action;
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::secret::SecretState;
use keyward_core::ops::restore::{Part, Refusal, Report};
use keyward_core::ops::{clockwork, principal};
use keyward_core::port::registry::Registry as _;
use keyward_core::time::{Clock as _, Timestamp};
use keyward_testkit::world::{PartError, Tenancy, WantedPart, World};

use crate::backup_parts::{chain, lose, names};
use crate::backups::made;
use crate::people::{ADDRESS, STRANGE, changes_with, from, logged, member};
use crate::people_erased::{disable, erase, export};

const NAME: &str = "dr.grey-goose";

/// The clock goes on until the feed has forgotten who was erased.
pub async fn forgotten(world: &World) {
    for _ in 0..8 {
        clockwork::tick(&world.node).await.unwrap();
    }
}

/// A person whose address is known.
async fn somebody(world: &World, clinic: &Tenancy) -> PrincipalId {
    let token = member(world, clinic, NAME, "operator").await;
    let caller = from(&world.node, &token, ADDRESS).await.unwrap();
    logged(&world.node, world, &caller, &clinic.place).await;
    let held = export(world, &clinic.admin, &clinic.place, NAME).await;
    assert_eq!(held.addresses.len(), 1);
    held.principal.unwrap().id
}

fn book_of(id: PrincipalId) -> SecretName {
    SecretName::new(&format!("keyward.person.{id}")).unwrap()
}

async fn restored(world: &World, to: Timestamp, wanted: &WantedPart) -> Result<Report, PartError> {
    let (full, segments) = chain(world, Some(to)).await;
    let done = world.restore_part(world.root(), &full, &segments, Some(to), wanted);
    done.await.map(|(report, _)| report)
}

/// Nothing of the person is in registry, feed and vault.
async fn ensure_erased(world: &World, clinic: &Tenancy, id: PrincipalId, book: SecretId) {
    let row = world.registry.principal(id).await.unwrap().unwrap();
    assert!(row.name.as_str().starts_with("erased-") && row.disabled_at.is_some());
    let tokens = world.registry.tokens(Some(clinic.id), None, 500).await;
    let mut tokens = tokens.unwrap().rows;
    tokens.retain(|it| it.principal == id);
    assert!(!tokens.is_empty());
    let is_empty = |it: &keyward_core::noun::token::Token| it.label.is_empty();
    assert!(
        tokens
            .iter()
            .all(|it| is_empty(it) && it.revoked_at.is_some())
    );
    let secret = world.registry.secret(Some(clinic.id), &book_of(id)).await;
    assert!(
        secret
            .unwrap()
            .is_none_or(|it| it.state == SecretState::Deleted)
    );
    let versions = world.registry.secret_versions(book).await.unwrap();
    assert_eq!(versions, []);
    assert_eq!(changes_with(world, NAME).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_no_restore_of_a_part_brings_an_erased_person_back() {
    for mut world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let id = somebody(&world, &clinic).await;
        let book = world.registry.secret(Some(clinic.id), &book_of(id)).await;
        let book = book.unwrap().unwrap().id;
        let records = world.registry.secret_versions(book).await.unwrap();
        made(&world).await;
        let before = world.clock.now();
        world.clock.advance_seconds(10);
        disable(&world, &clinic.admin, &clinic.place, NAME).await;
        let done = erase(&world, &clinic.admin, &clinic.place, NAME).await;
        assert!(done.destroyed);
        forgotten(&world).await;
        ensure_erased(&world, &clinic, id, book).await;

        // By name it is refused, and its record does not come back.
        let wanted = WantedPart::of(clinic.place.clone(), Part::Secret(book_of(id)));
        match restored(&world, before, &wanted).await {
            Err(PartError::Refused(OpError::Restore(Refusal::Erased))) => {}
            other => panic!("{other:?}"),
        }
        // With everything else, and over what is newer, it stays as it is.
        let mut wanted = WantedPart::of(clinic.place.clone(), Part::Tenant);
        wanted.replaces_newer = true;
        let report = restored(&world, before, &wanted).await.unwrap();
        assert_eq!(report.rows["secrets"].forever, 1);
        assert!(!report.lines.concat().contains(NAME));
        ensure_erased(&world, &clinic, id, book).await;

        // Where all rows were lost, what was changed since tells it.
        lose(&world, clinic.id).await;
        world = world.restart().await;
        let wanted = WantedPart::of(clinic.place.clone(), Part::Tenant);
        let report = restored(&world, before, &wanted).await.unwrap();
        assert_eq!(report.rows["secrets"].forever, 1);
        ensure_erased(&world, &clinic, id, book).await;
        for record in records {
            for name in names(record.record) {
                assert_eq!(world.backend.read(&name).await.unwrap(), None);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_what_is_not_erased_comes_back_with_its_part() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let id = somebody(&world, &clinic).await;
    made(&world).await;
    let before = world.clock.now();
    lose(&world, clinic.id).await;
    let world = world.restart().await;
    let wanted = WantedPart::of(clinic.place.clone(), Part::Tenant);
    restored(&world, before, &wanted).await.unwrap();
    let world = world.restart().await;
    let held = export(&world, world.root(), &clinic.place, NAME).await;
    assert_eq!(held.principal.unwrap().id, id);
    assert_eq!(held.addresses[0].address, ADDRESS);
    assert!(held.tokens.iter().all(|it| !it.label.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_the_feed_is_cleaned_by_the_clock_and_once() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (admin, place) = (&clinic.admin, &clinic.place);
    let id = somebody(&world, &clinic).await;
    clockwork::tick(&world.node).await.unwrap();
    disable(&world, admin, place, NAME).await;
    erase(&world, admin, place, NAME).await;
    // The answer does not wait for it.
    assert!(changes_with(&world, NAME).await > 0);
    forgotten(&world).await;
    assert_eq!(changes_with(&world, NAME).await, 0);
    // Again it is logged and changes nothing.
    let revision = world.registry.revision().await.unwrap();
    erase(&world, admin, place, &id.to_string()).await;
    assert_eq!(world.registry.revision().await.unwrap(), revision);
    let entry = world.last_entry().await.event;
    assert_eq!(entry.action, Action::PrivacyErase);
    assert_eq!(entry.reason.as_deref(), Some("asked to be forgotten"));

    // What an interrupted pass left, or a restored feed has, the next start finds.
    let called = format!("erased-{}", id.uuid().simple());
    world.sql(&format!(
        "UPDATE changes SET writes = replace(writes, '{called}', '{NAME}')"
    ));
    assert!(changes_with(&world, NAME).await > 0);
    let world = world.restart().await;
    forgotten(&world).await;
    assert_eq!(changes_with(&world, NAME).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_what_the_vault_may_have_still_is_not_said_to_be_destroyed() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (admin, place) = (&clinic.admin, &clinic.place);
    let id = somebody(&world, &clinic).await;
    disable(&world, admin, place, NAME).await;
    world.sql(
        "CREATE TRIGGER kept BEFORE DELETE ON secret_versions BEGIN SELECT RAISE(ABORT, 'kept'); END",
    );
    assert!(!erase(&world, admin, place, NAME).await.destroyed);
    assert!(!erase(&world, admin, place, &id.to_string()).await.destroyed);
    world.sql("DROP TRIGGER kept");
    assert!(erase(&world, admin, place, &id.to_string()).await.destroyed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_nobody_keeps_an_erasure_away_by_taking_its_name() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (admin, place) = (&clinic.admin, &clinic.place);
    let id = somebody(&world, &clinic).await;
    let called = format!("erased-{}", id.uuid().simple());
    let new = principal::NewPrincipal {
        name: PrincipalName::new(&called).unwrap(),
        kind: PrincipalKind::Person,
    };
    let taker = principal::create(&world.node, admin, place, new, None);
    let taker = taker.await.unwrap().value;
    disable(&world, admin, place, NAME).await;
    assert!(erase(&world, admin, place, NAME).await.destroyed);
    let row = world.registry.principal(id).await.unwrap().unwrap();
    assert!(row.name.as_str().starts_with(&format!("{called}-")));
    // Who took it is nobody who was erased.
    let world = world.restart().await;
    forgotten(&world).await;
    assert_eq!(changes_with(&world, NAME).await, 0);
    let row = world.registry.principal(taker.id).await.unwrap().unwrap();
    assert_eq!(row.name.as_str(), called);
    assert_eq!(
        erase(&world, admin, place, &id.to_string()).await.addresses,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_that_an_address_is_to_be_erased_is_logged_before_it_goes() {
    let world = World::new().await;
    let (root, system) = (world.root().clone(), TenantRef::System);
    assert!(from(&world.node, "kw_nobody", STRANGE).await.is_err());
    let subject = format!("address:{STRANGE}");
    assert_eq!(erase(&world, &root, &system, &subject).await.addresses, 1);
    let entries = world.entries().await;
    let events: Vec<_> = entries.iter().map(|it| &it.event).collect();
    let at = |step: &str| {
        let is_it = |it: &&keyward_core::audit::AuditEvent| {
            it.action == Action::PrivacyErase && it.details.get("step").is_some_and(|it| it == step)
        };
        let mut all = events.iter().copied();
        all.position(|it| is_it(&it)).unwrap()
    };
    let (begun, done) = (at("begun"), at("done"));
    let struck = events.iter().rposition(|it| it.action == Action::SecretPut);
    assert!(begun < struck.unwrap() && struck.unwrap() < done);
    for at in [begun, done] {
        assert_eq!(events[at].reason.as_deref(), Some("asked to be forgotten"));
        assert!(
            !serde_json::to_string(&events[at])
                .unwrap()
                .contains(STRANGE)
        );
    }
}
