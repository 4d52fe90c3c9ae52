//! Decisions against a naive model, over small worlds, and the isolation of tenants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_access::RoleDecider;
use keyward_access::builtin::roles;
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::names::{DataClass, KeyName};
use keyward_core::noun::action::{Action, ActionSet, Effect, Scope};
use keyward_core::noun::role::Restriction;
use keyward_core::port::decide::{Decide, Decision, Grant, KeyFacts, Target};
use proptest::prelude::*;
use uuid::Uuid;

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

fn key(of: u128, name: &str, class: Option<&str>, tag: Option<(&str, &str)>) -> Target {
    Target::Key(Arc::new(KeyFacts {
        tenant: tenant(of),
        key: KeyId::from_uuid(Uuid::from_u128(of * 100 + name.len() as u128)),
        name: KeyName::new(name).unwrap(),
        class: class.map(|class| DataClass::new(class).unwrap()),
        tags: tag
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }))
}

/// Everything there is: a deployment, two tenants, keys that differ in what restrictions look at.
fn world() -> Vec<Target> {
    let mut targets = vec![Target::System];
    for of in [1, 2] {
        targets.push(Target::Tenant(tenant(of)));
        targets.push(key(of, "a", None, None));
        targets.push(key(of, "bb", Some("PHI_DATA"), None));
        targets.push(key(of, "ccc", None, Some(("team", "red"))));
        targets.push(key(of, "dddd", Some("BACKUP"), Some(("team", "blue"))));
    }
    targets
}

fn restrictions() -> Vec<Option<Restriction>> {
    let by_name = Restriction {
        keys: vec![KeyName::new("a").unwrap()],
        ..Restriction::default()
    };
    let by_class = Restriction {
        classes: vec![DataClass::new("PHI_DATA").unwrap()],
        ..Restriction::default()
    };
    let by_tag = Restriction {
        tags: BTreeMap::from([("team".to_owned(), "red".to_owned())]),
        ..Restriction::default()
    };
    vec![
        None,
        Some(Restriction::default()),
        Some(by_name),
        Some(by_class),
        Some(by_tag),
    ]
}

/// The rules, said once more and as plainly as possible.
fn model(grants: &[Grant], action: Action, target: &Target) -> Decision {
    let mut visible = matches!(target, Target::System);
    for grant in grants {
        let (in_place, covered, on_key) = match target {
            Target::System => (grant.tenant.is_none(), grant.restriction.is_none(), false),
            Target::Tenant(tenant) => {
                let place = grant.tenant.is_none() || grant.tenant == Some(*tenant);
                (place, grant.restriction.is_none(), false)
            }
            Target::Key(key) => {
                let place = grant.tenant.is_none() || grant.tenant == Some(key.tenant);
                let covered = match &grant.restriction {
                    None => true,
                    Some(to) => {
                        let named = to.keys.iter().any(|name| *name == key.name);
                        let classed = to
                            .classes
                            .iter()
                            .any(|class| Some(class) == key.class.as_ref());
                        let tagged = to
                            .tags
                            .iter()
                            .any(|(tag, value)| key.tags.get(tag) == Some(value));
                        named || classed || tagged
                    }
                };
                (place, covered, true)
            }
        };
        visible |= in_place && (!on_key || covered);
        let restricted = grant.restriction.is_some();
        let open = ["key.search", "class.read", "random.bytes"].contains(&action.name());
        let narrow = if on_key {
            covered && (!restricted || open || action.scope() == Scope::Key)
        } else {
            covered || (open && matches!(target, Target::Tenant(_)))
        };
        let deployment_wide = action.scope() != Scope::System || grant.tenant.is_none();
        let grantable = action.effect() != Effect::Record;
        if in_place && narrow && deployment_wide && grantable && grant.permissions.contains(action)
        {
            return Decision::Allow;
        }
    }
    if visible {
        Decision::Deny
    } else {
        Decision::DenyInvisible
    }
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let place = prop::option::of((1u128..3).prop_map(tenant));
    let permissions = prop_oneof![
        proptest::collection::vec(0..Action::ALL.len(), 0..8)
            .prop_map(|chosen| chosen.into_iter().map(|at| Action::ALL[at]).collect()),
        Just(Action::ALL.iter().copied().collect::<ActionSet>()),
        (0..roles().len()).prop_map(|at| roles()[at].permissions),
    ];
    (place, permissions, prop::sample::select(restrictions())).prop_map(
        |(tenant, permissions, restriction)| Grant {
            tenant,
            permissions,
            delegable: ActionSet::EMPTY,
            restriction,
        },
    )
}

proptest! {
    #[test]
    fn any_grants_decide_as_the_model_does(grants in proptest::collection::vec(any_grant(), 0..4)) {
        for target in world() {
            for action in Action::ALL.iter().copied() {
                prop_assert_eq!(
                    RoleDecider.decide(&grants, action, &target),
                    model(&grants, action, &target),
                    "{} on {:?} by {:?}", action, target, grants
                );
            }
        }
    }

    #[test]
    fn i05_a_grant_in_one_tenant_never_allows_nor_shows_anything_in_another(
        mut grants in proptest::collection::vec(any_grant(), 0..4),
    ) {
        for grant in &mut grants {
            grant.tenant = Some(tenant(1));
        }
        for target in world() {
            let elsewhere = match &target {
                Target::System => false,
                Target::Tenant(of) => *of == tenant(2),
                Target::Key(key) => key.tenant == tenant(2),
            };
            for action in Action::ALL.iter().copied() {
                let decision = RoleDecider.decide(&grants, action, &target);
                if elsewhere {
                    prop_assert_eq!(decision, Decision::DenyInvisible);
                } else if matches!(target, Target::System) {
                    prop_assert_eq!(decision, Decision::Deny);
                }
            }
        }
    }
}

#[test]
fn every_single_grant_decides_as_the_model_does() {
    for place in [None, Some(tenant(1)), Some(tenant(2))] {
        for restriction in restrictions() {
            for action in Action::ALL.iter().copied() {
                for permissions in [ActionSet::EMPTY, ActionSet::of(&[action])] {
                    let grants = [Grant {
                        tenant: place,
                        permissions,
                        delegable: ActionSet::EMPTY,
                        restriction: restriction.clone(),
                    }];
                    for target in world() {
                        assert_eq!(
                            RoleDecider.decide(&grants, action, &target),
                            model(&grants, action, &target),
                            "{action} on {target:?} by {grants:?}"
                        );
                    }
                }
            }
        }
    }
}

fn granted(name: &str, place: Option<u128>, restriction: Option<Restriction>) -> Vec<Grant> {
    let role = roles().into_iter().find(|role| role.name == name).unwrap();
    vec![Grant {
        tenant: place.map(tenant),
        permissions: role.permissions,
        delegable: role.delegable,
        restriction,
    }]
}

#[test]
fn a_user_restricted_to_a_class_finds_only_its_keys() {
    let to_phi = restrictions().remove(3);
    let user = granted("crypto-user", Some(1), to_phi);
    let decide = |action, target: &Target| RoleDecider.decide(&user, action, target);
    let (phi, other) = (
        key(1, "bb", Some("PHI_DATA"), None),
        key(1, "a", None, None),
    );
    assert_eq!(decide(Action::KeyEncrypt, &phi), Decision::Allow);
    assert_eq!(decide(Action::KeyRotate, &phi), Decision::Deny);
    assert_eq!(decide(Action::KeyEncrypt, &other), Decision::DenyInvisible);
    let tenant = Target::Tenant(tenant(1));
    assert_eq!(decide(Action::KeySearch, &tenant), Decision::Allow);
    assert_eq!(decide(Action::RandomBytes, &tenant), Decision::Allow);
    assert_eq!(decide(Action::KeyCreate, &tenant), Decision::Deny);
}

#[test]
fn a_tenant_admin_cannot_touch_the_deployment_nor_suspend_its_own_tenant() {
    let mut admin = granted("tenant-admin", Some(1), None);
    admin[0].permissions = Action::ALL.iter().copied().collect();
    let own = Target::Tenant(tenant(1));
    assert_eq!(
        RoleDecider.decide(&admin, Action::TenantSuspend, &own),
        Decision::Deny
    );
    assert_eq!(
        RoleDecider.decide(&admin, Action::SystemSeal, &Target::System),
        Decision::Deny
    );
    assert_eq!(
        RoleDecider.decide(&admin, Action::TenantRead, &own),
        Decision::Allow
    );
}
