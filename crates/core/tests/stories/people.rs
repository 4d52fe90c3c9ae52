//! From where people come stands in the log as a pseudonym; who may see it sees the address.

use std::path::Path;
use std::sync::Arc;

use keyward_core::audit::Journaled;
use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::error::OpError;
use keyward_core::names::{CorrelationId, PrincipalName, RoleName};
use keyward_core::node::Node;
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::ops::log::{self, ExportRequest, SearchWish, Selection};
use keyward_core::ops::{authenticate, principal, role, tenant};
use keyward_core::port::audit_search::{CountBy, CountEvery};
use keyward_core::port::registry::Registry as _;
use keyward_testkit::world::{Tenancy, World};

use crate::backups::made;

pub const ADDRESS: &str = "198.51.100.23";
pub const ANOTHER: &str = "2001:db8:51::23";
pub const STRANGE: &str = "203.0.113.99";

pub async fn from(node: &Node, token: &str, address: &str) -> Result<Caller, OpError> {
    let origin = Origin {
        address: Some(address.to_owned()),
        correlation_id: CorrelationId::new("from-afar").unwrap(),
        leaf: LeafSlot::default(),
    };
    authenticate::authenticate(node, Some(token), origin).await
}

/// What the caller's entries have in the address's place.
pub async fn logged(
    node: &Node,
    world: &World,
    caller: &Caller,
    place: &TenantRef,
) -> Option<String> {
    // Allowed or refused, it is logged.
    let _ = tenant::read(node, caller, place).await;
    world.last_entry().await.event.actor.address
}

/// A member of the tenant and its token.
pub async fn member(world: &World, clinic: &Tenancy, name: &str, role: &str) -> String {
    let (admin, place) = (&clinic.admin, &clinic.place);
    world.member_token(admin, place, name, role, None).await
}

/// Who may read the log and not see who people are.
async fn reader(world: &World, clinic: &Tenancy) -> Caller {
    let new = role::NewRole {
        name: RoleName::new("log-reader").unwrap(),
        description: String::new(),
        permissions: ActionSet::of(&[Action::AuditRead]),
        delegable: ActionSet::EMPTY,
    };
    let made = role::create(&world.node, &clinic.admin, &clinic.place, new);
    made.await.unwrap();
    let token = member(world, clinic, "reader", "log-reader").await;
    world.authenticated(&token).await
}

pub fn from_afar(entries: Vec<Journaled>) -> Vec<String> {
    let of_it = entries.into_iter().filter(|entry| {
        let event = &entry.event;
        event.correlation_id.as_str() == "from-afar"
    });
    of_it
        .filter_map(|entry| entry.event.actor.address)
        .collect()
}

/// Every file below a directory that has these bytes.
pub fn holding(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let is_in = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            found.extend(is_in.then(|| path.display().to_string()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_an_address_or_a_name_and_who_may_see_sees_them() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let reader = reader(&world, &clinic).await;
        let token = member(&world, &clinic, "dr.grey-goose", "operator").await;
        let caller = from(&world.node, &token, ADDRESS).await.unwrap();
        let pseudonym = logged(&world.node, &world, &caller, &clinic.place).await;
        let pseudonym = pseudonym.unwrap();
        assert!(pseudonym.starts_with("p:") && pseudonym.len() == 24);
        let mapped = format!("::ffff:{ADDRESS}");
        let again = from(&world.node, &token, &mapped).await.unwrap();
        let same = logged(&world.node, &world, &again, &clinic.place).await;
        assert_eq!(same, Some(pseudonym.clone()));
        // Another address of the same person, and somebody whom nobody knows.
        let elsewhere = from(&world.node, &token, ANOTHER).await.unwrap();
        let other = logged(&world.node, &world, &elsewhere, &clinic.place).await;
        assert!(other.is_some_and(|other| other.starts_with("p:") && other != pseudonym));
        assert!(from(&world.node, "kw_nobody", STRANGE).await.is_err());
        while world.index.grow().unwrap() {}
        made(&world).await;

        // The journal, the index, the registry and its log, the vault, the backup.
        let entries = world.entries().await;
        for clear in [ADDRESS, ANOTHER, STRANGE] {
            assert_eq!(holding(&world.directory(), clear), [""; 0], "{clear}");
            assert_eq!(changes_with(&world, clear).await, 0, "{clear}");
        }
        let text = serde_json::to_string(&entries).unwrap();
        assert!(!text.contains("grey-goose"));

        let tail = |caller: Caller| {
            let (node, place) = (world.node.clone(), clinic.place.clone());
            async move { log::tail(&node, &caller, Some(&place), None, Some(500)).await }
        };
        let seen = tail(clinic.auditor.clone()).await.unwrap();
        let names: Vec<_> = seen
            .iter()
            .map(|it| it.event.resource.name.clone())
            .collect();
        assert!(names.contains(&Some("dr.grey-goose".to_owned())));
        let seen = from_afar(seen);
        assert!(seen.iter().any(|it| it == ADDRESS) && seen.iter().any(|it| it == ANOTHER));
        assert!(!seen.iter().any(|it| it.starts_with("p:")), "{seen:?}");
        let unseen = from_afar(tail(reader).await.unwrap());
        assert!(!unseen.is_empty() && unseen.iter().all(|it| it.starts_with("p:")));
        // The whole log, by who may read it all: strangers too.
        let overseer = overseer(&world).await;
        let all = log::tail(&world.node, &overseer, None, None, Some(1000));
        assert!(from_afar(all.await.unwrap()).iter().any(|it| it == STRANGE));
    }
}

/// Who may see the whole log.
pub async fn overseer(world: &World) -> Caller {
    let (root, system) = (world.root().clone(), TenantRef::System);
    let made = world.member(&root, &system, "overseer", "auditor", None);
    made.await
}

/// Changes in the outbox that have a text in them.
pub async fn changes_with(world: &World, text: &str) -> usize {
    let changes = world.registry.changes_after(0, 10_000).await.unwrap();
    let found = changes.iter().filter(|it| format!("{it:?}").contains(text));
    found.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_found_by_those_who_may_see_it_and_given_out_to_nobody_else() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let reader = reader(&world, &clinic).await;
    for name in ["one", "two"] {
        let token = member(&world, &clinic, name, "operator").await;
        let caller = from(&world.node, &token, ADDRESS).await.unwrap();
        for _ in 0..3 {
            logged(&world.node, &world, &caller, &clinic.place).await;
        }
    }
    let wish = SearchWish {
        address: Some(ADDRESS.to_owned()),
        ..SearchWish::default()
    };
    let (node, place) = (&world.node, Some(&clinic.place));
    let page = log::search(node, &clinic.auditor, place, &wish, None, Some(4));
    let page = page.await.unwrap();
    assert_eq!(page.entries.len(), 4);
    let rest = log::search(node, &clinic.auditor, place, &wish, page.next_before, None);
    let rest = rest.await.unwrap();
    assert_eq!((rest.entries.len(), rest.next_before), (2, None));
    for entry in page.entries.iter().chain(&rest.entries) {
        assert_eq!(entry.event.actor.address.as_deref(), Some(ADDRESS));
    }
    let how = (CountBy::All, CountEvery::All);
    let counted = log::counts(node, &clinic.auditor, place, &wish, how, None);
    let counted = counted.await.unwrap().counts;
    assert_eq!(counted.iter().map(|it| it.entries).sum::<u64>(), 6);
    let nothing = log::search(node, &reader, place, &wish, None, None);
    assert!(nothing.await.unwrap().entries.is_empty());

    for (caller, sees) in [(&clinic.auditor, true), (&reader, false)] {
        let request = ExportRequest {
            format: keyward_core::audit::format::Format::Ecs,
            selection: Selection {
                limit: Some(1000),
                ..Selection::default()
            },
        };
        let page = log::export(node, caller, place, request).await.unwrap();
        let text = page.lines.concat();
        assert_eq!(text.contains(ADDRESS), sees);
        assert_eq!(text.contains(r#""source":{"address":"p:"#), !sees);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_asks_no_database_and_what_cannot_be_written_is_withheld() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "one", "operator").await;
    let node = &world.node;
    let caller = from(node, &token, ADDRESS).await.unwrap();
    let known = logged(node, &world, &caller, &clinic.place).await;
    world.sql("ALTER TABLE secrets RENAME TO secrets_away");
    let again = from(node, &token, ADDRESS).await.unwrap();
    assert_eq!(logged(node, &world, &again, &clinic.place).await, known);
    let new = from(node, &token, ANOTHER).await.unwrap();
    let withheld = Some("withheld".to_owned());
    assert_eq!(logged(node, &world, &new, &clinic.place).await, withheld);
    world.sql("ALTER TABLE secrets_away RENAME TO secrets");
    // Not at once: every request would ask again.
    let new = from(node, &token, ANOTHER).await.unwrap();
    assert_eq!(logged(node, &world, &new, &clinic.place).await, withheld);
    world.clock.advance_seconds(11);
    let new = from(node, &token, ANOTHER).await.unwrap();
    let written = logged(node, &world, &new, &clinic.place).await.unwrap();
    assert!(written.starts_with("p:"));

    // While the server is sealed nothing of it is in memory.
    node.drop_secrets();
    let sealed = from(node, &token, ADDRESS).await.unwrap();
    assert_eq!(logged(node, &world, &sealed, &clinic.place).await, withheld);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_was_written_and_never_used_does_no_harm() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "one", "operator").await;
    // The process dies between the book and the first entry.
    from(&world.node, &token, ADDRESS).await.unwrap();
    let world = world.restart().await;
    let caller = from(&world.node, &token, ADDRESS).await.unwrap();
    logged(&world.node, &world, &caller, &clinic.place).await;
    let auditor = member(&world, &clinic, "another-auditor", "auditor").await;
    let auditor = world.authenticated(&auditor).await;
    let tail = log::tail(&world.node, &auditor, Some(&clinic.place), None, Some(500));
    let seen = from_afar(tail.await.unwrap());
    assert_eq!(seen, [ADDRESS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_make_the_same_pseudonym() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let token = member(&world, &clinic, "one", "operator").await;
        let other = world.another_node().await;
        let nodes: [&Arc<Node>; 2] = [&world.node, &other];
        // Both at once, so that one finds that the other was faster.
        let (here, there) = tokio::join!(
            from(nodes[0], &token, ADDRESS),
            from(nodes[1], &token, ADDRESS)
        );
        let here = logged(nodes[0], &world, &here.unwrap(), &clinic.place).await;
        let there = logged(nodes[1], &world, &there.unwrap(), &clinic.place).await;
        assert!(here.as_ref().is_some_and(|it| it.starts_with("p:")));
        assert_eq!(here, there);
        // And what one learnt after the other had read it.
        let here = from(nodes[0], &token, ANOTHER).await.unwrap();
        let there = from(nodes[1], &token, ANOTHER).await.unwrap();
        let here = logged(nodes[0], &world, &here, &clinic.place).await;
        assert!(here.as_ref().is_some_and(|it| it.starts_with("p:")));
        let there = logged(nodes[1], &world, &there, &clinic.place).await;
        assert_eq!(here, there);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_principal_that_is_refused_is_not_named() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let new = principal::NewPrincipal {
        name: PrincipalName::new("dr.grey-goose").unwrap(),
        kind: PrincipalKind::Person,
    };
    let tried = principal::create(&world.node, &clinic.user, &clinic.place, new, None);
    assert!(tried.await.is_err());
    let entry = world.last_entry().await.event;
    assert_eq!((entry.resource.name, entry.resource.id), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_more_is_shown_than_was_signed_what_was_signed_is_said() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let token = member(&world, &clinic, "dr.grey-goose", "operator").await;
    let caller = from(&world.node, &token, ADDRESS).await.unwrap();
    // Refused, and logged as a change that was asked for.
    let wish = role::NewRole {
        name: RoleName::new("more").unwrap(),
        description: String::new(),
        permissions: ActionSet::of(&[Action::AuditRead]),
        delegable: ActionSet::EMPTY,
    };
    let refused = role::create(&world.node, &caller, &clinic.place, wish).await;
    assert!(refused.is_err());
    let seen = log::tail(
        &world.node,
        &clinic.auditor,
        Some(&clinic.place),
        None,
        Some(500),
    );
    let seen = seen.await.unwrap();
    let logged: Vec<Journaled> = world.entries().await;
    let (mut addresses, mut names) = (0, 0);
    for shown in seen {
        let of_it = logged.iter().find(|it| it.sequence == shown.sequence);
        let mut again = shown.clone();
        if let Some(as_logged) = again.as_logged.take() {
            assert!(again.event.signature.is_some(), "{shown:?}");
            if as_logged.unnamed {
                again.event.resource.name = None;
                names += 1;
            }
            if let Some(address) = as_logged.address {
                assert_eq!(again.event.actor.address.as_deref(), Some(ADDRESS));
                again.event.actor.address = Some(address);
                addresses += 1;
            }
        }
        if again.event.signature.is_some() {
            assert_eq!(Some(&again), of_it);
        }
    }
    assert!(addresses == 1 && names > 0, "{addresses} {names}");
}
