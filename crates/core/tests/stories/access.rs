//! Who may do what: restrictions, roles, tokens, and what a stranger can learn.

use std::collections::BTreeMap;

use keyward_core::audit::Outcome;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::{KeyName, PrincipalName, RoleName};
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::principal::PrincipalKind;
use keyward_core::noun::role::Restriction;
use keyward_core::ops::key::{self, KeyChange, NewKey};
use keyward_core::ops::role::{NewAssignment, NewRole, RoleChange};
use keyward_core::ops::token::{NewToken, PrincipalRef};
use keyward_core::ops::{authenticate, log, principal, role, token};
use keyward_core::port::registry::{KeyFilter, KeyRef, KeySort};
use keyward_testkit::world::{World, origin};

use crate::script::{Story, activate, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_user_sees_and_uses_the_keys_named_or_tagged_and_no_other() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place) = (&world.node, &tenancy.place);
        for (name, tag) in [
            ("mine", None),
            ("ours", Some("lab")),
            ("theirs", Some("billing")),
        ] {
            let mut new = NewKey::named(KeyName::new(name).unwrap());
            new.activate = true;
            new.tags = tag
                .map(|t| ("team".to_owned(), t.to_owned()))
                .into_iter()
                .collect();
            key::create(node, &tenancy.admin, place, new, None)
                .await
                .unwrap();
        }
        let restriction = Restriction {
            keys: vec![KeyName::new("mine").unwrap()],
            tags: BTreeMap::from([("team".to_owned(), "lab".to_owned())]),
            ..Restriction::default()
        };
        let user = world
            .member(
                &tenancy.admin,
                place,
                "lab-app",
                "crypto-user",
                Some(restriction),
            )
            .await;
        let named = |name: &str| KeyRef::Name(KeyName::new(name).unwrap());
        for (name, expected) in [
            ("mine", "ok"),
            ("ours", "ok"),
            ("theirs", "not_found"),
            ("no-such", "not_found"),
        ] {
            let read = key::read(node, &user, place, &named(name)).await;
            assert_eq!(code(read), expected, "{name}");
        }
        // What one may not see and what is not there look the same, to the letter.
        let theirs = key::read(node, &user, place, &named("theirs"))
            .await
            .unwrap_err();
        let absent = key::read(node, &user, place, &named("no-such"))
            .await
            .unwrap_err();
        assert_eq!(theirs.to_string(), absent.to_string());

        let seen = key::search(
            node,
            &user,
            place,
            KeyFilter::default(),
            KeySort::Name,
            None,
            None,
        )
        .await
        .unwrap();
        let names: Vec<&str> = seen.rows.iter().map(|row| row.key.name.as_str()).collect();
        assert_eq!(names, ["mine", "ours"]);

        // Taking the tag away takes the key away at once.
        let change = KeyChange {
            tags: Some(BTreeMap::new()),
            ..KeyChange::default()
        };
        key::update(node, &tenancy.admin, place, &named("ours"), change, None)
            .await
            .unwrap();
        assert_eq!(
            code(key::read(node, &user, place, &named("ours")).await),
            "not_found"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_could_do_nothing_is_not_made() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let mut new = NewKey::named(KeyName::new("idle").unwrap());
    new.usages = Some(keyward_core::crypto_types::UsageSet::default());
    let made = key::create(&world.node, &tenancy.admin, &tenancy.place, new, None).await;
    assert_eq!(code(made), "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i06_a_revoked_token_and_a_disabled_principal_are_refused_from_the_answer_on() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place) = (&world.node, &tenancy.place);
        let text = world
            .member_token(&tenancy.admin, place, "app", "crypto-user", None)
            .await;
        let caller = world.authenticated(&text).await;
        let id = caller.token().unwrap();
        token::revoke(node, &tenancy.admin, place, id, Some("leaked".to_owned()))
            .await
            .unwrap();
        let refused = authenticate::authenticate(node, Some(&text), origin("again")).await;
        assert_eq!(code(refused), "unauthenticated");
        let entry = world.last_entry().await;
        assert_eq!(entry.event.action, Action::AuthenticationRefused);
        assert_eq!(entry.event.resource.id, Some(id.uuid()));

        let text = world
            .member_token(&tenancy.admin, place, "app2", "crypto-user", None)
            .await;
        world.authenticated(&text).await;
        let app2 = PrincipalRef::Name(PrincipalName::new("app2").unwrap());
        principal::disable(node, &tenancy.admin, place, &app2, None)
            .await
            .unwrap();
        let refused = authenticate::authenticate(node, Some(&text), origin("again")).await;
        assert_eq!(code(refused), "unauthenticated");

        // An expired token ends by itself; unknown and malformed ones look the same.
        let app = PrincipalRef::Name(PrincipalName::new("app").unwrap());
        let expires_at = Some(node.now().plus_seconds(60));
        let new = NewToken {
            principal: app,
            label: "short".to_owned(),
            expires_at,
        };
        let short = token::create(node, &tenancy.admin, place, new, None)
            .await
            .unwrap()
            .value
            .text;
        world.authenticated(&short).await;
        world.clock.advance_seconds(61);
        for text in [short.as_str(), "kw_nonsense", ""] {
            let refused = authenticate::authenticate(node, Some(text), origin("again")).await;
            assert_eq!(code(refused), "unauthenticated");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_cannot_grant_what_its_author_lacks_and_nobody_promotes_themselves() {
    for world in World::on_each_registry().await {
        let tenancy = world.tenant("clinic").await;
        let (node, place) = (&world.node, &tenancy.place);
        let authors = NewRole {
            name: RoleName::new("role-author").unwrap(),
            description: String::new(),
            permissions: ActionSet::of(&[
                Action::RoleCreate,
                Action::RoleUpdate,
                Action::RoleAssign,
                Action::RoleList,
                Action::PrincipalCreate,
                Action::TokenCreate,
                Action::KeyRead,
            ]),
            delegable: ActionSet::of(&[Action::KeyHistory]),
        };
        role::create(node, &tenancy.admin, place, authors)
            .await
            .unwrap();
        let author = world
            .member(&tenancy.admin, place, "author", "role-author", None)
            .await;

        let make = async |name: &str, permissions: &[Action]| {
            let new = NewRole {
                name: RoleName::new(name).unwrap(),
                description: String::new(),
                permissions: ActionSet::of(permissions),
                delegable: ActionSet::EMPTY,
            };
            role::create(node, &author, place, new).await
        };
        assert_eq!(
            code(make("readers", &[Action::KeyRead, Action::KeyHistory]).await),
            "ok"
        );
        assert_eq!(
            code(make("decrypters", &[Action::KeyDecrypt]).await),
            "forbidden"
        );
        assert_eq!(
            code(make("readers", &[Action::KeyRead]).await),
            "already_exists"
        );
        assert_eq!(
            code(make("crypto-user", &[Action::KeyRead]).await),
            "already_exists"
        );
        assert_eq!(
            code(make("lords", &[Action::TenantCreate]).await),
            "invalid_request"
        );
        let widen = RoleChange {
            permissions: Some(ActionSet::of(&[Action::KeyDecrypt])),
            ..RoleChange::default()
        };
        let readers = RoleName::new("readers").unwrap();
        let refused = role::update(node, &author, place, &readers, widen, None).await;
        assert_eq!(code(refused), "forbidden");

        // Nor can it give a stronger role, nor mint a token for a stronger principal.
        let strong = |principal: &str| NewAssignment {
            principal: PrincipalRef::Name(PrincipalName::new(principal).unwrap()),
            role: RoleName::new("tenant-admin").unwrap(),
            restriction: None,
        };
        assert_eq!(
            code(role::assign(node, &author, place, strong("user")).await),
            "forbidden"
        );
        assert_eq!(
            code(role::assign(node, &tenancy.admin, place, strong("admin")).await),
            "forbidden"
        );
        let new = NewToken {
            principal: PrincipalRef::Name(PrincipalName::new("admin").unwrap()),
            label: "borrowed".to_owned(),
            expires_at: None,
        };
        assert_eq!(
            code(token::create(node, &author, place, new, None).await),
            "forbidden"
        );
        let entry = world.last_entry().await;
        assert_eq!(
            (entry.event.action, entry.event.outcome),
            (Action::TokenCreate, Outcome::Refused)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_everything_of_its_tenant_and_changes_nothing() {
    let world = World::new().await;
    let tenancy = world.tenant("clinic").await;
    let other = world.tenant("bank").await;
    let (node, place, auditor) = (&world.node, &tenancy.place, &tenancy.auditor);
    let story = Story::new(
        &world,
        &tenancy,
        "records",
        Algorithm::Aes256GcmCommit,
        None,
    )
    .await;
    let entries = log::tail(node, auditor, Some(place), Some(0), Some(1000))
        .await
        .unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry.event.tenant == Some(tenancy.id))
    );
    assert!(
        entries
            .iter()
            .any(|entry| entry.event.action == Action::KeyCreate)
    );
    assert_eq!(
        code(log::tail(node, auditor, Some(&other.place), None, None).await),
        "not_found"
    );
    assert_eq!(
        code(log::tail(node, auditor, None, None, None).await),
        "forbidden"
    );
    assert_eq!(
        code(log::tail(node, &tenancy.admin, Some(place), None, None).await),
        "forbidden"
    );
    assert_eq!(code(activate(&story, auditor).await), "forbidden");
    let new = principal::NewPrincipal {
        name: PrincipalName::new("friend").unwrap(),
        kind: PrincipalKind::Person,
    };
    assert_eq!(
        code(principal::create(node, auditor, place, new, None).await),
        "forbidden"
    );
}
