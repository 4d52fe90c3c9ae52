//! Secrets: put, got, kept to a number, deleted; under which permission, in whose scope, and what
//! is left behind when something goes wrong half-way.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use keyward_core::audit::{Journaled, Outcome};
use keyward_core::caller::{Caller, Changed, Idempotency, TenantRef};
use keyward_core::change::{Commit, IdempotencyKey, Row, Write};
use keyward_core::crypto_types::{Algorithm, SecretBytes};
use keyward_core::ids::{RecordId, SecretId};
use keyward_core::names::SecretName;
use keyward_core::noun::action::Action;
use keyward_core::noun::secret::SecretVersion;
use keyward_core::noun::tenant::Digest;
use keyward_core::ops::secret::{self, DeleteRequest, NewValue, PutVersion};
use keyward_core::ops::{clockwork, tenant};
use keyward_core::port::registry::Registry;
use keyward_core::port::secret_store::{SecretSpec, SecretStore};
use keyward_core::port::storage::{SecureStorage, StorageError};
use keyward_crypto::record::{RecordError, RecordKind, RecordLabel};
use keyward_testkit::world::{Tenancy, World};

use crate::script::{Outcomes, Story, activate, code};

const VALUE: &[u8] = b"correct horse battery staple";

pub fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

pub fn value(text: &str, bytes: &[u8]) -> NewValue {
    NewValue {
        name: name(text),
        value: SecretBytes::copy_from(bytes),
        description: None,
        labels: None,
        keep: None,
        expected_version: None,
        if_match: None,
    }
}

/// A tenant with one who keeps its secrets and one who reads them.
struct Safe {
    tenancy: Tenancy,
    keeper: Caller,
    reader: Caller,
}

impl Safe {
    async fn new(world: &World, tenant: &str) -> Self {
        let tenancy = world.tenant(tenant).await;
        let (admin, place) = (&tenancy.admin, &tenancy.place);
        let keeper = world
            .member(admin, place, "keeper", "secret-keeper", None)
            .await;
        let reader = world
            .member(admin, place, "reader", "secret-reader", None)
            .await;
        Self {
            tenancy,
            keeper,
            reader,
        }
    }

    async fn put(&self, world: &World, new: NewValue) -> Outcomes<Changed<PutVersion>> {
        secret::put(&world.node, &self.keeper, &self.tenancy.place, new, None).await
    }

    async fn get(&self, world: &World, at: &str, version: Option<i64>) -> Outcomes<Vec<u8>> {
        let (node, place) = (&world.node, &self.tenancy.place);
        let got = secret::get(node, &self.reader, place, &name(at), version).await?;
        Ok(got.value.expose().to_vec())
    }

    async fn versions(&self, world: &World, at: &str) -> Vec<SecretVersion> {
        let (node, place) = (&world.node, &self.tenancy.place);
        let found = secret::read(node, &self.keeper, place, &name(at)).await;
        found.unwrap().versions
    }

    async fn delete(&self, world: &World, at: &str, version: Option<i64>) -> Outcomes<bool> {
        let request = DeleteRequest {
            version,
            ..DeleteRequest::default()
        };
        let (node, place) = (&world.node, &self.tenancy.place);
        let done = secret::delete(node, &self.keeper, place, &name(at), request).await?;
        Ok(done.value.destroyed)
    }
}

fn numbers(versions: &[SecretVersion]) -> Vec<i64> {
    versions.iter().map(|version| version.version).collect()
}

async fn last(world: &World, action: Action) -> Journaled {
    let entries = world.entries().await.into_iter().rev();
    entries
        .into_iter()
        .find(|entry| entry.event.action == action)
        .unwrap_or_else(|| panic!("no entry of {action}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_put_got_replaced_and_deleted_and_the_log_has_each_step() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let empty = world.stored_objects().await;
        let mut new = value("db/password", VALUE);
        new.description = Some("of the ward's database".to_owned());
        new.labels = Some(BTreeMap::from([("team".to_owned(), "ward".to_owned())]));
        new.keep = Some(2);
        let put = safe.put(&world, new).await.unwrap();
        assert_eq!((put.value.version.version, put.value.secret.etag), (1, 1));
        let entry = last(&world, Action::SecretPut).await.event;
        assert_eq!(entry.outcome, Outcome::Ok);
        assert_eq!(entry.resource.name.as_deref(), Some("db/password"));
        assert_eq!(entry.resource.version, Some(1));
        assert_eq!(entry.revision, Some(put.revision));

        assert_eq!(safe.get(&world, "db/password", None).await.unwrap(), VALUE);
        let entry = last(&world, Action::SecretGet).await.event;
        assert_eq!(entry.actor.principal, safe.reader.principal());
        assert_eq!(entry.resource.id, Some(put.value.secret.id.uuid()));
        assert_eq!(entry.resource.version, Some(1));

        // Two are kept; the third put takes the first away, value and all.
        for next in ["second", "third"] {
            safe.put(&world, value("db/password", next.as_bytes()))
                .await
                .unwrap();
        }
        let entry = last(&world, Action::SecretDestroy).await.event;
        assert_eq!(entry.resource.version, Some(1));
        assert_eq!(numbers(&safe.versions(&world, "db/password").await), [2, 3]);
        assert_eq!(world.stored_objects().await, empty + 2);
        let old = safe.get(&world, "db/password", Some(1)).await;
        assert_eq!(code(old), "not_found");
        let second = safe.get(&world, "db/password", Some(2)).await.unwrap();
        assert_eq!(second, b"second");
        let (auditor, of) = (&safe.tenancy.auditor, name("db/password"));
        let shown = secret::read(&world.node, auditor, &safe.tenancy.place, &of).await;
        let shown = shown.unwrap().secret;
        assert_eq!(shown.description, "of the ward's database", "as it was");
        assert_eq!((shown.latest_version, shown.keep), (3, 2));

        // An older value never becomes current by the deletion of a newer one.
        assert!(safe.delete(&world, "db/password", Some(3)).await.unwrap());
        let current = safe.get(&world, "db/password", None).await;
        assert_eq!(code(current), "not_found");
        assert!(safe.delete(&world, "db/password", None).await.unwrap());
        assert_eq!(world.stored_objects().await, empty);
        let gone = safe.get(&world, "db/password", Some(2)).await;
        assert_eq!(code(gone), "not_found");
        let again = safe.delete(&world, "db/password", None).await;
        assert_eq!(code(again), "not_found");

        // Its name can be used again, its numbers cannot.
        let put = safe.put(&world, value("db/password", VALUE)).await.unwrap();
        let PutVersion {
            secret, version, ..
        } = put.value;
        assert_eq!((version.version, secret.description.as_str()), (4, ""));
        assert_eq!(secret.keep, 10);
        assert!(secret.etag > 4);
        let told = serde_json::to_string(&world.entries().await).unwrap();
        assert!(!told.contains("correct horse"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_do_what_its_table_says_and_each_refusal_is_logged() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let (tenancy, node, place) = (&safe.tenancy, &world.node, &safe.tenancy.place);
        safe.put(&world, value("kept", VALUE)).await.unwrap();
        let (yes, no) = ("ok", "forbidden");
        for (who, caller, [put, get, show, list, delete]) in [
            ("admin", &tenancy.admin, [yes, no, yes, yes, yes]),
            ("operator", &tenancy.operator, [no, no, yes, yes, no]),
            ("user", &tenancy.user, [no, no, no, no, no]),
            ("auditor", &tenancy.auditor, [no, no, yes, yes, no]),
            ("custodian", &tenancy.custodian, [no, no, no, no, no]),
            ("keeper", &safe.keeper, [yes, no, yes, yes, yes]),
            ("reader", &safe.reader, [no, yes, yes, yes, no]),
            ("root", world.root(), [yes, no, yes, yes, yes]),
        ] {
            let of = name("kept");
            let put_done = secret::put(node, caller, place, value(who, VALUE), None).await;
            let deleted = name(if put_done.is_ok() { who } else { "kept" });
            let outcomes = [
                (Action::SecretPut, put, code(put_done)),
                (
                    Action::SecretGet,
                    get,
                    code(secret::get(node, caller, place, &of, None).await),
                ),
                (
                    Action::SecretRead,
                    show,
                    code(secret::read(node, caller, place, &of).await),
                ),
                (
                    Action::SecretList,
                    list,
                    code(secret::list(node, caller, place, "kept", None, None).await),
                ),
                (
                    Action::SecretDelete,
                    delete,
                    code(
                        secret::delete(node, caller, place, &deleted, DeleteRequest::default())
                            .await,
                    ),
                ),
            ];
            for (action, expected, found) in outcomes {
                assert_eq!(found, expected, "{who}: {action}");
                let entry = last(&world, action).await.event;
                assert_eq!(entry.actor.principal, caller.principal(), "{who}: {action}");
                assert_eq!(entry.outcome == Outcome::Ok, expected == yes);
                if expected == no {
                    assert_eq!(entry.reason.as_deref(), Some(no));
                }
            }
        }
        let told = serde_json::to_string(&world.entries().await).unwrap();
        assert!(!told.contains("correct horse"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i05_the_same_name_in_two_tenants_and_the_system_is_three_secrets() {
    for world in World::on_each_registry().await {
        let clinic = Safe::new(&world, "clinic").await;
        let bank = Safe::new(&world, "bank").await;
        let system = TenantRef::System;
        let node = &world.node;
        clinic.put(&world, value("smtp", b"clinic")).await.unwrap();
        bank.put(&world, value("smtp", b"bank")).await.unwrap();
        let of_system = value("smtp", b"system");
        let put = secret::put(node, world.root(), &system, of_system, None).await;
        assert_eq!(put.unwrap().value.secret.tenant, None);
        let made = last(&world, Action::SystemKeyCreate).await.event;
        assert_eq!(made.outcome, Outcome::Ok);

        assert_eq!(clinic.get(&world, "smtp", None).await.unwrap(), b"clinic");
        assert_eq!(bank.get(&world, "smtp", None).await.unwrap(), b"bank");
        let own = secret::get_for_server(node, &name("smtp")).await.unwrap();
        assert_eq!(own.expose(), b"system");
        // Nobody of a tenant reaches another's, nor the system's; root administers and cannot read.
        let of = name("smtp");
        let across = secret::get(node, &clinic.reader, &bank.tenancy.place, &of, None).await;
        assert_eq!(code(across), "not_found");
        let up = secret::get(node, &clinic.reader, &system, &of, None).await;
        assert_eq!(code(up), "forbidden");
        let root = secret::get(node, world.root(), &system, &of, None).await;
        assert_eq!(code(root), "forbidden");
        let listed = secret::list(node, &bank.reader, &bank.tenancy.place, "", None, None);
        let listed = listed.await.unwrap().rows;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].tenant, Some(bank.tenancy.id));

        // What is shredded with its tenant is gone; the others' is not.
        let (node, place) = (&world.node, &bank.tenancy.place);
        tenant::suspend(node, world.root(), place, None)
            .await
            .unwrap();
        assert_eq!(
            code(bank.get(&world, "smtp", None).await),
            "tenant_suspended"
        );
        let refused = bank.put(&world, value("smtp", b"new")).await;
        assert_eq!(code(refused), "tenant_suspended");
        tenant::shred(node, world.root(), place, "closed".to_owned())
            .await
            .unwrap();
        let row = world.registry.secret(Some(bank.tenancy.id), &of).await;
        let row = row.unwrap().unwrap();
        let kept = world.registry.secret_versions(row.id).await.unwrap();
        let digest = &kept[0].record_digest;
        let opened = SecretStore::open(&*world.vault, spec(&kept[0]), digest).await;
        assert_eq!(opened.err(), Some(StorageError::NoTenantKek));
        assert_eq!(clinic.get(&world, "smtp", None).await.unwrap(), b"clinic");
    }
}

fn spec(version: &SecretVersion) -> SecretSpec {
    SecretSpec {
        tenant: version.tenant,
        secret: version.secret,
        version: u32::try_from(version.version).unwrap(),
        record: version.record,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_expected_must_be_so() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let expecting = |expected, if_match| {
            let mut new = value("a", VALUE);
            new.expected_version = expected;
            new.if_match = if_match;
            new
        };
        for (expected, if_match, outcome) in [
            (Some(1), None, "precondition_failed"),
            (None, Some(1), "not_found"),
            (Some(0), None, "ok"),
            (Some(0), None, "already_exists"),
            (Some(2), None, "precondition_failed"),
            (Some(1), Some(2), "precondition_failed"),
            (Some(1), Some(1), "ok"),
            (None, None, "ok"),
            (Some(-1), None, "invalid_request"),
        ] {
            let done = safe.put(&world, expecting(expected, if_match)).await;
            assert_eq!(code(done), outcome, "{expected:?} {if_match:?}");
        }
        assert_eq!(numbers(&safe.versions(&world, "a").await), [1, 2, 3]);
        safe.delete(&world, "a", None).await.unwrap();
        // Deleted is absent.
        let after = safe.put(&world, expecting(Some(3), None)).await;
        assert_eq!(code(after), "precondition_failed");
        let anew = safe.put(&world, expecting(Some(0), None)).await.unwrap();
        assert_eq!(anew.value.version.version, 4);

        for (bytes, outcome) in [
            (0, "invalid_request"),
            (1, "ok"),
            (64 * 1024, "ok"),
            (64 * 1024 + 1, "invalid_request"),
        ] {
            let done = safe.put(&world, value("long", &vec![7; bytes])).await;
            assert_eq!(code(done), outcome, "{bytes} bytes");
        }
        let long = safe.get(&world, "long", None).await.unwrap();
        assert_eq!(long, vec![7; 64 * 1024]);
    }
}

/// Of many who put at once one wins each number; the others hear of it, and their values do not
/// stay behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_put_at_once_one_wins_each_number() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let empty = world.stored_objects().await;
        for (round, expected) in [(0, Some(0)), (1, Some(1)), (2, None)] {
            let puts = (0..16).map(|number| {
                let mut new = value("shared", format!("{round}-{number}").as_bytes());
                new.expected_version = expected;
                safe.put(&world, new)
            });
            let mut won = 0;
            for done in join_all(puts).await {
                match code(done) {
                    "ok" => won += 1,
                    "conflict" => {}
                    "already_exists" => assert_eq!(expected, Some(0)),
                    "precondition_failed" => assert_eq!(expected, Some(1)),
                    other => panic!("{other}"),
                }
            }
            if expected.is_some() {
                assert_eq!(won, 1, "round {round}");
            } else {
                assert!(won >= 1);
            }
            let kept = safe.versions(&world, "shared").await;
            assert_eq!(kept.last().unwrap().version as usize, kept.len());
            assert_eq!(world.stored_objects().await, empty + kept.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_sent_again_puts_nothing_twice_and_leaves_no_trace_of_the_value() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let mark = |key: &str| Idempotency {
            key: key.to_owned(),
            digest: Digest([9; 32]),
        };
        let put = async |key: &str, bytes: &[u8]| {
            let new = value("api-key", bytes);
            let mark = mark(key);
            let place = &safe.tenancy.place;
            secret::put(&world.node, &safe.keeper, place, new, Some(&mark)).await
        };
        let first = put("one", VALUE).await.unwrap();
        let again = put("one", VALUE).await.unwrap();
        assert_eq!(again.value.version, first.value.version);
        assert_eq!(again.revision, 0);
        assert_eq!(code(put("one", b"other").await), "idempotency_mismatch");
        assert_eq!(numbers(&safe.versions(&world, "api-key").await), [1]);

        // The memory of a request is the same whatever the value was.
        put("two", b"1234").await.unwrap();
        let remembered = async |key: &str| {
            let key = IdempotencyKey {
                tenant: Some(safe.tenancy.id),
                principal: safe.keeper.principal().unwrap(),
                route: "secret.put",
                key: key.to_owned(),
                digest: Digest([0; 32]),
            };
            world.registry.idempotency(&key).await.unwrap().unwrap()
        };
        assert_eq!(
            remembered("one").await.digest,
            remembered("two").await.digest
        );

        safe.delete(&world, "api-key", Some(1)).await.unwrap();
        assert_eq!(code(put("one", VALUE).await), "already_created");
    }
}

/// Killed between the vault and the registry: the value lies there, nothing names it, and nothing
/// is in anybody's way. Killed between the mark and the destruction: the clockwork goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_what_was_begun_and_not_finished_harms_nobody() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let orphan = SecretSpec {
            tenant: Some(safe.tenancy.id),
            secret: SecretId::from_random([1; 16]),
            version: 1,
            record: RecordId::from_uuid(uuid::Uuid::now_v7()),
        };
        let stored = SecretStore::put(&*world.vault, orphan, SecretBytes::copy_from(VALUE));
        stored.await.unwrap();
        let world = world.restart().await;
        assert_eq!(code(safe.get(&world, "a", None).await), "not_found");
        let before = world.stored_objects().await;
        let put = safe.put(&world, value("a", VALUE)).await.unwrap().value;
        assert_eq!(put.version.version, 1);
        assert_eq!(world.stored_objects().await, before + 1);

        let mut marked = put.version;
        marked.destroying_at = Some(world.node.now());
        marked.etag += 1;
        let commit = Commit {
            tenant: Some(safe.tenancy.id),
            writes: vec![Write::update(Row::SecretVersion(marked))],
            event: last(&world, Action::SecretPut).await.event,
            idempotency: None,
            fence: None,
        };
        world.registry.commit(commit).await.unwrap();
        let world = world.restart().await;
        assert_eq!(world.stored_objects().await, before + 1);
        assert_eq!(code(safe.get(&world, "a", None).await), "not_found");
        clockwork::tick(&world.node).await.unwrap();
        assert_eq!(world.stored_objects().await, before);
        let entry = last(&world, Action::SecretDestroy).await.event;
        assert_eq!(entry.outcome, Outcome::Ok);
        let put = safe.put(&world, value("a", VALUE)).await.unwrap();
        assert_eq!(put.value.version.version, 2);
    }
}

/// Neither is ever taken for the other: a secret's record does not open as key material, nor key
/// material as a secret, and destroying the one never destroys the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_secrets_and_key_material_are_not_exchangeable() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        let tenancy = &safe.tenancy;
        let put = safe.put(&world, value("a", &[7; 32])).await.unwrap().value;
        let story = Story::new(&world, tenancy, "k", Algorithm::Aes256GcmCommit, None).await;
        activate(&story, &tenancy.operator).await.unwrap();
        let mut key = story.now().await.versions.remove(0);
        let wrong = |field| StorageError::Refused(RecordError::WrongRecord { field });

        let as_material = RecordLabel {
            kind: RecordKind::KeyMaterial,
            record_id: put.version.record.uuid(),
            tenant: tenancy.id.uuid(),
            key_id: put.secret.id.uuid(),
            version: 1,
            algorithm: String::new(),
            usage: 0,
        };
        let opened = SecureStorage::open(&*world.vault, &as_material, None).await;
        assert_eq!(opened.err(), Some(wrong("kind")));

        let as_secret = SecretSpec {
            record: key.provider_key_id.parse().unwrap(),
            ..spec(&put.version)
        };
        let digest = key.record_digest.unwrap();
        let opened = SecretStore::open(&*world.vault, as_secret, &digest).await;
        assert_eq!(opened.err(), Some(wrong("kind")));
        let destroyed = SecretStore::destroy(&*world.vault, as_secret).await;
        assert_eq!(destroyed.err(), Some(wrong("kind")));
        let another = SecretSpec {
            version: 2,
            ..spec(&put.version)
        };
        let destroyed = SecretStore::destroy(&*world.vault, another).await;
        assert_eq!(destroyed.err(), Some(wrong("key id")));
        story.encrypt("one").await.unwrap();

        // Nor by references that somebody re-pointed in the registry.
        let event = last(&world, Action::SecretPut).await.event;
        let mut row = put.version.clone();
        row.record = as_secret.record;
        row.record_digest = digest;
        row.etag += 1;
        key.provider_key_id = put.version.record.to_string();
        key.record_digest = Some(put.version.record_digest);
        key.etag += 1;
        let commit = Commit {
            tenant: Some(tenancy.id),
            writes: vec![
                Write::update(Row::SecretVersion(row)),
                Write::update(Row::KeyVersion(Box::new(key))),
            ],
            event,
            idempotency: None,
            fence: None,
        };
        world.registry.commit(commit).await.unwrap();
        let key = story.key.clone();
        let world = world.restart().await;
        let got = safe.get(&world, "a", None).await;
        assert_eq!(code(got), "record_refused");
        let entry = last(&world, Action::SecretGet).await.event;
        assert_eq!(entry.outcome, Outcome::Failed);
        let story = Story {
            world: &world,
            tenancy,
            key,
        };
        assert_eq!(code(story.encrypt("one").await), "record_refused");
        let objects = world.stored_objects().await;
        assert!(!safe.delete(&world, "a", None).await.unwrap());
        assert_eq!(world.stored_objects().await, objects);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_server_gives_nothing_out_and_takes_nothing() {
    for world in World::on_each_registry().await {
        let safe = Safe::new(&world, "clinic").await;
        safe.put(&world, value("a", VALUE)).await.unwrap();
        world.node.drop_secrets();
        assert_eq!(code(safe.get(&world, "a", None).await), "sealed");
        assert_eq!(code(safe.put(&world, value("a", VALUE)).await), "sealed");
        assert_eq!(code(safe.delete(&world, "a", None).await), "sealed");
        assert_eq!(safe.versions(&world, "a").await.len(), 1);
    }
}
