//! Invariant 5: what is one tenant's is nobody else's, and the end of a tenant.

use keyward_core::caller::Idempotency;
use keyward_core::crypto_types::Algorithm;
use keyward_core::names::KeyName;
use keyward_core::noun::action::Action;
use keyward_core::noun::tenant::TenantState;
use keyward_core::ops::{key, tenant, use_key};
use keyward_core::port::registry::KeyRef;
use keyward_testkit::world::World;

use crate::script::{Story, activate, code, context};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_the_same_name_in_two_tenants_is_two_keys_and_neither_sees_the_other() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let bank = world.tenant("bank").await;
        let ours = Story::new(&world, &clinic, "records", Algorithm::Aes256GcmCommit, None).await;
        let theirs = Story::new(&world, &bank, "records", Algorithm::Aes256GcmCommit, None).await;
        assert_ne!(ours.key, theirs.key);
        activate(&ours, &clinic.operator).await.unwrap();
        activate(&theirs, &bank.operator).await.unwrap();
        let secret = ours.encrypt("ours").await.unwrap();

        // Another tenant's ciphertext, under one's own key of the same name.
        assert_eq!(code(theirs.decrypt(&secret).await), "invalid_ciphertext");
        // Another tenant's key by id, in one's own tenant: not there.
        let (node, place) = (&world.node, &bank.place);
        assert_eq!(
            code(key::read(node, &bank.admin, place, &ours.key).await),
            "not_found"
        );
        // Another tenant's key in its own place: the tenant is not there, as one that never was.
        let spied = key::read(node, &bank.admin, &clinic.place, &ours.key)
            .await
            .unwrap_err();
        let nowhere = keyward_core::caller::TenantRef::parse("no-such-tenant").unwrap();
        let absent = key::read(node, &bank.admin, &nowhere, &ours.key)
            .await
            .unwrap_err();
        assert_eq!(spied.to_string(), absent.to_string());
        assert_eq!(spied.code().as_str(), "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_uses_no_key_and_a_shredded_one_never_will_again() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let story = Story::new(&world, &clinic, "records", Algorithm::Aes256GcmCommit, None).await;
        activate(&story, &clinic.operator).await.unwrap();
        let text = story.encrypt("text").await.unwrap();
        let (node, place) = (&world.node, &clinic.place);
        assert_eq!(
            code(tenant::suspend(node, &clinic.admin, place, None).await),
            "forbidden"
        );
        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        assert_eq!(code(story.encrypt("text").await), "tenant_suspended");
        assert_eq!(code(story.decrypt(&text).await), "tenant_suspended");
        tenant::resume(node, world.root(), place, None)
            .await
            .unwrap();
        assert_eq!(story.decrypt(&text).await.unwrap(), "text");

        let why = "the contract ended".to_owned();
        let early = tenant::shred(node, world.root(), place, why.clone()).await;
        assert_eq!(
            code(early),
            "wrong_state",
            "only a suspended tenant is shredded"
        );
        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        let gone = tenant::shred(node, world.root(), place, why).await.unwrap();
        assert_eq!(gone.value.state, TenantState::Shredded);
        assert_eq!(code(story.decrypt(&text).await), "tenant_suspended");
        assert_eq!(
            code(tenant::resume(node, world.root(), place, None).await),
            "wrong_state"
        );

        // Nothing opens any more even if the registry were told otherwise: the keys are gone.
        let key = story.key.clone();
        let world = world.restart().await;
        let keks = keyward_core::port::registry::Registry::tenant_keks(&*world.registry, clinic.id);
        assert!(keks.await.unwrap().is_empty());
        let story = Story {
            world: &world,
            tenancy: &clinic,
            key,
        };
        assert_eq!(code(story.decrypt(&text).await), "tenant_suspended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_and_foreign_inputs_are_refused_by_name() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let story = Story::new(&world, &clinic, "records", Algorithm::Aes256GcmCommit, None).await;
    let other = Story::new(&world, &clinic, "other", Algorithm::Aes256GcmCommit, None).await;
    activate(&story, &clinic.operator).await.unwrap();
    activate(&other, &clinic.operator).await.unwrap();
    let text = story.encrypt("text").await.unwrap();
    assert_eq!(code(other.decrypt(&text).await), "invalid_ciphertext");
    assert_eq!(code(story.decrypt("garbage").await), "invalid_ciphertext");
    assert_eq!(
        code(story.decrypt(&text[..text.len() - 8]).await),
        "invalid_ciphertext"
    );
    assert_eq!(
        code(story.decrypt(&text.replace(":1:", ":9:")).await),
        "not_found"
    );
    let mut altered = text.clone().into_bytes();
    let last = altered.len() - 3;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    assert_eq!(code(story.decrypt(&altered).await), "not_authentic");
    // Another context is another message.
    let item = use_key::UseItem::Decrypt {
        ciphertext: text.clone(),
        context: context(),
    };
    assert_eq!(code(story.use_it(Action::KeyDecrypt, item).await), "ok");
    let item = use_key::UseItem::Decrypt {
        ciphertext: text,
        context: std::collections::BTreeMap::new(),
    };
    assert_eq!(
        code(story.use_it(Action::KeyDecrypt, item).await),
        "not_authentic"
    );
    // A key is not used for what it is not meant for.
    let item = use_key::UseItem::Mac {
        message: Vec::new(),
        version: None,
    };
    assert_eq!(
        code(story.use_it(Action::KeyMac, item).await),
        "usage_not_allowed"
    );
    let named = KeyRef::Name(KeyName::new("absent").unwrap());
    let absent = Story {
        world: &world,
        tenancy: &clinic,
        key: named,
    };
    assert_eq!(code(absent.encrypt("text").await), "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_a_repeated_creation_and_a_shredding_without_a_reason_are_in_the_log() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    let (node, place) = (&world.node, &clinic.place);
    let once = Idempotency {
        key: "once".to_owned(),
        digest: keyward_core::sha256(b"request"),
    };
    for again in [false, true] {
        let new = key::NewKey::named(KeyName::new("records").unwrap());
        let made = key::create(node, &clinic.admin, place, new, Some(&once)).await;
        assert_eq!(made.unwrap().value.key.name.as_str(), "records");
        let entry = world.last_entry().await.event;
        assert_eq!(entry.action, Action::KeyCreate);
        assert_eq!(entry.details.contains_key("repeated"), again);
    }
    let refused = tenant::shred(node, world.root(), place, "  ".to_owned()).await;
    assert_eq!(code(refused), "invalid_request");
    let entry = world.last_entry().await.event;
    assert_eq!(entry.action, Action::TenantShred);
    assert_eq!(entry.outcome, keyward_core::audit::Outcome::Refused);
}
