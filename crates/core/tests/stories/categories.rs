//! Who may read, write, list and delete which category of record: every built-in role against every
//! category, on every backend, with every attempt in the log; and roles of an older deployment.

use std::collections::BTreeSet;

use keyward_backup::{Chain, Verified};
use keyward_core::audit::Outcome;
use keyward_core::caller::{Caller, TenantRef};
use keyward_core::crypto_types::{KeyFormat, SecretBytes, WrapMethod};
use keyward_core::error::OpError;
use keyward_core::noun::action::Action;
use keyward_core::ops::key::{ExportRequest, LifecycleRequest, NewKey};
use keyward_core::ops::restore::Part;
use keyward_core::ops::secret::{self, DeleteRequest, NewValue};
use keyward_core::ops::{backup, key, role};
use keyward_core::port::registry::{KeyFilter, KeyRef, KeySort, Registry};
use keyward_core::retention::RetentionRules;
use keyward_testkit::world::{PartError, RegistryKind, Tenancy, VaultKind, WantedPart, World};

use crate::script::code;

const ROLES: [&str; 9] = [
    "system-admin",
    "tenant-admin",
    "operator",
    "crypto-user",
    "auditor",
    "custodian",
    "secret-keeper",
    "secret-reader",
    "credential-keeper",
];

/// By category: which of r(ead), w(rite), l(ist) and d(elete) each role may, in the order of `ROLES`.
/// Backups, which have operations of their own, are below.
const TABLE: [(&str, [&str; 9]); 4] = [
    ("key", ["wld", "wld", "l", "l", "l", "l", "", "", ""]),
    ("db/", ["wld", "wld", "l", "", "l", "", "wld", "rl", ""]),
    ("provider/", ["wld", "wld", "l", "", "l", "", "", "", "wld"]),
    ("custodian/", ["wld", "wld", "l", "", "l", "rl", "", "", ""]),
];

/// Whether something was allowed: refused for want of a permission is the only other outcome.
fn allowed<T>(done: Result<T, OpError>) -> bool {
    match done {
        Ok(_) => true,
        Err(OpError::Forbidden { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

fn a_value(name: &str) -> NewValue {
    NewValue {
        name: name.parse().unwrap(),
        value: SecretBytes::new(b"hunter2".to_vec()),
        description: None,
        labels: None,
        keep: None,
        expected_version: None,
        if_match: None,
    }
}

/// What somebody may do with values of a category. Each try is a try: what is deleted was there.
async fn may_with_values(world: &World, tenancy: &Tenancy, by: &Caller, prefix: &str) -> String {
    let (node, place) = (&world.node, &tenancy.place);
    let name = format!("{prefix}value").parse().unwrap();
    let again = || {
        secret::put(
            node,
            &tenancy.admin,
            place,
            a_value(&format!("{prefix}value")),
            None,
        )
    };
    again().await.unwrap();
    let mut may = String::new();
    let got = secret::get(node, by, place, &name, None).await;
    may.extend(allowed(got).then_some('r'));
    let put = secret::put(node, by, place, a_value(&format!("{prefix}value")), None).await;
    may.extend(allowed(put).then_some('w'));
    let listed = secret::list(node, by, place, prefix, None, None).await;
    let shown = secret::read(node, by, place, &name).await;
    let (listed, shown) = (allowed(listed), allowed(shown));
    assert_eq!(listed, shown, "seeing one is seeing that it is there");
    may.extend(listed.then_some('l'));
    let deleted = secret::delete(node, by, place, &name, DeleteRequest::default()).await;
    may.extend(allowed(deleted).then_some('d'));
    may
}

/// The same with key material: it is read by export, written by making, listed, and deleted by
/// scheduling its destruction.
async fn may_with_keys(world: &World, tenancy: &Tenancy, by: &Caller, label: &str) -> String {
    let (node, place) = (&world.node, &tenancy.place);
    let mut new = NewKey::named(format!("of-all-{label}").parse().unwrap());
    new.restrictions.exportable = true;
    let made = key::create(node, &tenancy.admin, place, new, None)
        .await
        .unwrap();
    let named = KeyRef::Id(made.value.key.id);
    let mut may = String::new();
    let request = ExportRequest {
        version: None,
        method: WrapMethod::HpkeXWing,
        recipient: b"nobody".to_vec(),
        format: KeyFormat::Raw,
    };
    let exported = key::export(node, by, place, &named, request).await;
    may.extend((code(exported) != "forbidden").then_some('r'));
    let new = NewKey::named(format!("by-{label}").parse().unwrap());
    may.extend(allowed(key::create(node, by, place, new, None).await).then_some('w'));
    let filter = KeyFilter::default();
    let found = key::search(node, by, place, filter, KeySort::Name, None, None).await;
    may.extend(allowed(found).then_some('l'));
    let why = LifecycleRequest {
        reason: Some("test".to_owned()),
        ..LifecycleRequest::default()
    };
    let scheduled = key::schedule_destruction(node, by, place, &named, why, None, false).await;
    may.extend((code(scheduled) != "forbidden").then_some('d'));
    may
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_every_role_may_with_every_category_what_the_table_says_on_every_backend() {
    for kind in VaultKind::ALL {
        let world = World::on(RegistryKind::Sqlite, kind).await;
        let clinic = world.tenant("clinic").await;
        for (number, name) in ROLES.into_iter().enumerate() {
            let place = if name == "system-admin" {
                &TenantRef::System
            } else {
                &clinic.place
            };
            let who = format!("someone-{number}");
            let by = world.member(world.root(), place, &who, name, None).await;
            for (category, expected) in TABLE {
                let before = world.last_entry().await.sequence;
                let may = if category == "key" {
                    may_with_keys(&world, &clinic, &by, &who).await
                } else {
                    may_with_values(&world, &clinic, &by, category).await
                };
                assert_eq!(may, expected[number], "{name} with {category} on {kind:?}");

                // Each attempt is in the log, the refused ones as refused.
                let entries = world.entries().await;
                let own = entries.iter().filter(|entry| {
                    entry.sequence > before && entry.event.actor.principal == by.principal()
                });
                let refused = own
                    .clone()
                    .filter(|it| it.event.outcome == Outcome::Refused);
                let tried = if category == "key" { 4 } else { 5 };
                assert_eq!(own.count(), tried, "{name} with {category}");
                let done = may.len() + usize::from(category != "key" && may.contains('l'));
                let done = done + usize::from(category == "key" && may.contains('r'));
                assert!(refused.count() >= tried - done, "{name} with {category}");
            }
        }
    }
}

/// The same with backups: read by restoring a part, written by making one, and deleted by retention.
async fn may_with_backups(
    world: &World,
    tenancy: &Tenancy,
    by: &Caller,
    full: &Verified,
) -> String {
    let node = &world.node;
    let mut may = String::new();
    let wanted = WantedPart::of(tenancy.place.clone(), Part::Tenant);
    let read = world.restore_part(by, full, &[], None, &wanted).await;
    let is_refused = matches!(&read, Err(PartError::Refused(OpError::Forbidden { .. })));
    may.extend((!is_refused).then_some('r'));
    may.extend(allowed(backup::create(node, by, None).await).then_some('w'));
    may.extend(allowed(backup::list(node, by).await).then_some('l'));
    may.extend(allowed(backup::prune(node, by).await).then_some('d'));
    may
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_who_may_with_backups_is_who_looks_after_the_deployment_on_every_backend() {
    for kind in VaultKind::ALL {
        let rules = RetentionRules {
            hourly: 0,
            daily: 7,
            weekly: 0,
            monthly: 0,
            window_seconds: 3600,
        };
        let world = World::under_retention_on(kind, rules).await;
        let clinic = world.tenant("clinic").await;
        backup::create(&world.node, world.root(), None)
            .await
            .unwrap();
        assert!(backup::work(&world.node).await.unwrap());
        let chain = Chain::find(&world.backups, None, None).await.unwrap();
        let full = world.verified(chain.full, None).await;
        for (number, name) in ROLES.into_iter().enumerate() {
            for place in [&TenantRef::System, &clinic.place] {
                let is_systems = *place == TenantRef::System;
                if name == "system-admin" && !is_systems {
                    continue;
                }
                let who = format!("someone-{number}-{is_systems}");
                let by = world.member(world.root(), place, &who, name, None).await;
                let before = world.last_entry().await.sequence;
                let may = may_with_backups(&world, &clinic, &by, &full).await;
                let expected = match name {
                    "system-admin" => "rwld",
                    "auditor" if is_systems => "l",
                    _ => "",
                };
                assert_eq!(
                    may, expected,
                    "{name} of {place:?} with backups on {kind:?}"
                );
                let entries = world.entries().await;
                let refused = entries.iter().filter(|entry| {
                    entry.sequence > before
                        && entry.event.actor.principal == by.principal()
                        && entry.event.outcome == Outcome::Refused
                });
                assert_eq!(refused.count(), 4 - may.len(), "{name} of {place:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_the_categories_that_the_caller_may_list_in_full_pages() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (node, place) = (&world.node, &clinic.place);
    for number in 0..4 {
        for prefix in ["a/", "custodian/", "provider/", "z/"] {
            let value = a_value(&format!("{prefix}{number}"));
            secret::put(node, &clinic.admin, place, value, None)
                .await
                .unwrap();
        }
    }
    let list = async |by: &Caller, prefix: &str| {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = secret::list(node, by, place, prefix, after.as_ref(), Some(3)).await;
            let page = page.unwrap();
            assert!(page.rows.len() == 3 || !page.more);
            after = page.rows.last().map(|row| row.name.clone());
            names.extend(page.rows.into_iter().map(|row| row.name.to_string()));
            if !page.more {
                return names;
            }
        }
    };
    let reader = world
        .member(&clinic.admin, place, "reader", "secret-reader", None)
        .await;
    assert_eq!(list(&clinic.auditor, "").await.len(), 16);
    let seen = list(&reader, "").await;
    assert_eq!(seen.len(), 8);
    assert!(
        seen.iter()
            .all(|name| name.starts_with("a/") || name.starts_with("z/"))
    );
    let seen = list(&clinic.custodian, "").await;
    assert!(seen.len() == 4 && seen.iter().all(|name| name.starts_with("custodian/")));
    let refused = secret::list(node, &reader, place, "provider/", None, None).await;
    assert_eq!(code(refused), "forbidden");
    let refused = secret::list(node, &clinic.user, place, "", None, None).await;
    assert_eq!(code(refused), "forbidden");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_brings_an_older_deployments_roles_up_to_date() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let keeper = "credential-keeper";
        let old = "UPDATE roles SET permissions = '[\"key.search\"]', description = 'old' \
                   WHERE name = 'custodian'; DELETE FROM roles WHERE name = 'credential-keeper'";
        world.sql(old);
        let world = world.restart().await;
        let roles = world.registry.roles(None).await.unwrap();
        let names: BTreeSet<_> = roles.iter().map(|role| role.name.to_string()).collect();
        assert!(names.contains(keeper));
        let custodian = roles
            .iter()
            .find(|role| role.name.as_str() == "custodian")
            .unwrap();
        assert!(custodian.permissions.contains(Action::ShareGet));
        assert_ne!(custodian.description, "old");
        assert_eq!(custodian.etag, 2);
        let entries = world.entries().await;
        let refreshed: Vec<_> = entries
            .iter()
            .filter(|entry| entry.event.action == Action::RoleRefresh)
            .collect();
        assert_eq!(refreshed.len(), 1);
        let details = &refreshed[0].event.details;
        assert_eq!(details["added"].to_string(), "[\"credential-keeper\"]");
        assert_eq!(details["changed"].to_string(), "[\"custodian\"]");

        // It can be given from now on, and a start that finds nothing to do says nothing.
        let by = world
            .member(world.root(), &clinic.place, "new", keeper, None)
            .await;
        assert!(by.principal().is_some());
        let world = world.restart().await;
        let entries = world.entries().await;
        let again = entries
            .iter()
            .filter(|it| it.event.action == Action::RoleRefresh);
        assert_eq!(again.count(), 1);
        let found = role::list(&world.node, world.root(), &clinic.place).await;
        assert!(found.is_ok());
    }
}
