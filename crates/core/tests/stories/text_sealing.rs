//! Invariant 1 and more: a tenant's free texts are sealed where it wants them sealed, nothing of them
//! is found in what is left on disk, and what callers see is the same as before.

use std::collections::BTreeMap;
use std::path::Path;

use keyward_backup::Chain;
use keyward_core::caller::Changed;
use keyward_core::error::OpError;
use keyward_core::free_text::{is_sealed, withhold};
use keyward_core::names::{KeyName, PolicyName, TenantName};
use keyward_core::noun::action::Action;
use keyward_core::noun::job::JobState;
use keyward_core::noun::tenant::{Tenant, TextState};
use keyward_core::ops::binding::{self, NewBinding};
use keyward_core::ops::key::{self, KeyChange, NewKey};
use keyward_core::ops::policy::{self, NewPolicy};
use keyward_core::ops::{backup, clockwork, initialize, kek, secret, tenant, text_seal};
use keyward_core::port::registry::{KeyFilter, KeyRef, KeySort, KeyWithVersions, Registry};
use keyward_core::port::snapshot::{RegistrySnapshot, SnapshotError, SnapshotSink};
use keyward_core::snapshot::Coverage;
use keyward_testkit::faulty::FORMS;
use keyward_testkit::world::{Tenancy, World};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::backups::{elsewhere, ordered};
use crate::script::code;
use crate::secrets::{name, value};

/// In every text of these stories, so that a scan finds each of them.
const MARK: &str = "Oncology-ward";

fn text(of: &str) -> String {
    format!("{MARK} {of}")
}

fn tags(team: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("team".to_owned(), text(team)),
        ("empty".to_owned(), String::new()),
    ])
}

async fn switch(world: &World, tenancy: &Tenancy, on: bool) -> Changed<Tenant> {
    let why = Some("asked for".to_owned());
    let done = text_seal::switch(&world.node, world.root(), &tenancy.place, on, why).await;
    done.unwrap()
}

/// Works until the order is carried out.
async fn settle(world: &World, tenancy: &Tenancy) -> TextState {
    for _ in 0..100 {
        clockwork::tick(&world.node).await.unwrap();
        let status = status(world, tenancy).await;
        if status.state.is_settled() {
            assert_eq!(status.job.unwrap().state, JobState::Done);
            return status.state;
        }
    }
    panic!("it never ends: {:?}", status(world, tenancy).await);
}

async fn status(world: &World, tenancy: &Tenancy) -> text_seal::TextStatus {
    let found = text_seal::status(&world.node, &tenancy.admin, &tenancy.place).await;
    found.unwrap()
}

async fn sealed(world: &World, tenancy: &Tenancy) {
    switch(world, tenancy, true).await;
    assert_eq!(settle(world, tenancy).await, TextState::Sealed);
}

fn new_key(at: &str, owner: &str, team: &str) -> NewKey {
    let mut new = NewKey::named(KeyName::new(at).unwrap());
    new.description = text("described");
    new.purpose = text("purposed");
    new.owner = text(owner);
    new.tags = tags(team);
    new.access_policy = BTreeMap::from([("night shift".to_owned(), text("allowed"))]);
    new
}

/// A key whose texts were changed once, with a binding; a policy and a secret.
async fn filled(world: &World, tenancy: &Tenancy) -> KeyRef {
    let (node, by, place) = (&world.node, &tenancy.admin, &tenancy.place);
    let made = key::create(node, by, place, new_key("records", "Ada", "first"), None).await;
    let key = KeyRef::Id(made.unwrap().value.key.id);
    let changes = KeyChange {
        description: Some(text("described anew")),
        tags: Some(tags("second")),
        ..KeyChange::default()
    };
    key::update(node, by, place, &key, changes, None)
        .await
        .unwrap();
    let bound = NewBinding {
        uri: format!("s3://{MARK}/scans"),
        label: text("labelled"),
        owner: text("Grace"),
    };
    let bound = binding::create(node, &tenancy.user, place, &key, bound, None).await;
    bound.unwrap();
    let ruled = NewPolicy {
        name: PolicyName::new("yearly").unwrap(),
        description: text("ruled"),
        rotation_interval_days: Some(365),
        schedule: None,
        rollback_window_seconds: 60,
        overlap_seconds: 0,
    };
    policy::create(node, by, place, ruled, None).await.unwrap();
    let mut kept = value("db/password", b"value");
    kept.description = Some(text("kept"));
    kept.labels = Some(tags("label"));
    secret::put(node, by, place, kept, None).await.unwrap();
    key
}

async fn read(world: &World, tenancy: &Tenancy, key: &KeyRef) -> Result<KeyWithVersions, OpError> {
    key::read(&world.node, &tenancy.admin, &tenancy.place, key).await
}

/// Everything is as `filled` left it.
async fn assert_readable(world: &World, tenancy: &Tenancy, key: &KeyRef) {
    let (node, by, place) = (&world.node, &tenancy.admin, &tenancy.place);
    let found = read(world, tenancy, key).await.unwrap().key;
    assert_eq!(found.description, text("described anew"));
    assert_eq!(found.purpose, text("purposed"));
    assert_eq!(found.owner, text("Ada"));
    assert_eq!(found.tags, tags("second"));
    assert_eq!(found.access_policy["night shift"], text("allowed"));
    let bound = binding::list(node, &tenancy.user, place, key, None, None).await;
    let bound = bound.unwrap().rows.remove(0);
    assert_eq!(bound.uri, format!("s3://{MARK}/scans"));
    assert_eq!(
        (bound.label, bound.owner),
        (text("labelled"), text("Grace"))
    );
    let rules = policy::list(node, by, place, None, None).await.unwrap();
    assert_eq!(rules.rows[0].description, text("ruled"));
    let kept = secret::read(node, by, place, &name("db/password"))
        .await
        .unwrap();
    assert_eq!(kept.secret.description, text("kept"));
    assert_eq!(kept.secret.labels, tags("label"));
    for (owner, team, hits) in [
        ("Ada", "second", 1),
        ("Ada", "first", 0),
        ("Bob", "second", 0),
    ] {
        let filter = KeyFilter {
            owner: Some(text(owner)),
            tag: Some(("team".to_owned(), Some(text(team)))),
            ..KeyFilter::default()
        };
        let page = key::search(node, by, place, filter, KeySort::Name, None, None).await;
        assert_eq!(page.unwrap().rows.len(), hits, "{owner}, {team}");
    }
}

#[derive(Default)]
struct Whole(String);

#[async_trait::async_trait]
impl SnapshotSink for Whole {
    async fn put(&mut self, lines: String) -> Result<(), SnapshotError> {
        self.0.push_str(&lines);
        Ok(())
    }
}

fn files_below(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// Where the mark is found: in the registry's snapshot, its indexes, and every file on disk.
async fn traces(world: &World) -> Vec<String> {
    let mut whole = Whole::default();
    let exported = world.registry.export(Coverage::Whole, &mut whole).await;
    exported.unwrap();
    let mut found = Vec::new();
    if whole.0.contains(MARK) {
        found.push("snapshot".to_owned());
    }
    // The index of words has them in lower case and in pieces of three letters, in hex.
    let token = data_encoding::HEXLOWER.encode(b"ogy");
    let pieces = [MARK.to_owned(), MARK.to_lowercase(), token];
    let mut files = Vec::new();
    files_below(&world.directory(), &mut files);
    for (path, bytes) in files {
        for piece in &pieces {
            let is_there = bytes
                .windows(piece.len())
                .any(|part| part == piece.as_bytes());
            if is_there && (piece.len() > 6 || path.contains("registry.db")) {
                found.push(format!("{path}: {piece}"));
            }
        }
    }
    found
}

/// Fails if a row of any table of PostgreSQL has it.
const NO_ROW_HAS_IT: &str = "DO $$
DECLARE
    one RECORD;
    hits BIGINT;
BEGIN
    FOR one IN SELECT table_name FROM information_schema.tables
               WHERE table_schema = 'public' AND table_type = 'BASE TABLE' LOOP
        EXECUTE format('SELECT count(*) FROM %I t WHERE t::text ILIKE %L OR t::text LIKE %L',
                       one.table_name, '%oncology-ward%', '%6f6779%') INTO hits;
        IF hits > 0 THEN
            RAISE EXCEPTION 'it is in %', one.table_name;
        END IF;
    END LOOP;
END
$$";

async fn assert_no_trace(world: &World) {
    if world.is_postgres() {
        world.sql(NO_ROW_HAS_IT);
    }
    assert_eq!(traces(world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_after_sealing_no_text_is_found_in_anything_that_is_left() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        assert!(
            !traces(&world).await.is_empty(),
            "the scan finds clear texts"
        );
        let refused = text_seal::switch(&world.node, &clinic.admin, &clinic.place, true, None);
        assert_eq!(code(refused.await), "forbidden");
        let done = switch(&world, &clinic, true).await;
        assert_eq!(done.value.text_state, TextState::Sealing);
        assert_readable(&world, &clinic, &key).await;
        assert_eq!(settle(&world, &clinic).await, TextState::Sealed);
        assert_readable(&world, &clinic, &key).await;
        assert_no_trace(&world).await;
        // What is written from now on leaves none either, nor does a backup.
        let changes = KeyChange {
            description: Some(text("described later")),
            ..KeyChange::default()
        };
        let (node, by) = (&world.node, &clinic.admin);
        let updated = key::update(node, by, &clinic.place, &key, changes, None).await;
        assert_eq!(
            updated.unwrap().value.key.description,
            text("described later")
        );
        ordered(&world).await;
        while keyward_core::ops::backup::work(&world.node).await.unwrap() {}
        assert_no_trace(&world).await;
        // Ordered again it changes nothing.
        assert_eq!(switch(&world, &clinic, true).await.revision, 0);
        let entries = world.entries().await;
        let orders = entries
            .iter()
            .filter(|it| it.event.action == Action::TenantSealText);
        assert_eq!(orders.count(), 3, "a refusal, an order, and the same again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_tenant_that_is_made_sealed_leaves_no_text_from_the_beginning() {
    for world in World::on_each_registry().await {
        let new = tenant::NewTenant {
            name: TenantName::new("clinic").unwrap(),
            description: text("tenant"),
            seal_text: true,
        };
        let made = tenant::create(&world.node, world.root(), new, None).await;
        let made = made.unwrap().value;
        assert_eq!(made.description, text("tenant"));
        assert_eq!(made.text_state, TextState::Sealed);
        let place = keyward_core::caller::TenantRef::Id(made.id);
        let (node, system) = (&world.node, initialize::system_caller(&world.node).unwrap());
        let key = key::create(node, &system, &place, new_key("records", "Ada", "x"), None).await;
        let key = KeyRef::Id(key.unwrap().value.key.id);
        assert_no_trace(&world).await;
        let world = world.restart().await;
        let again = tenant::read(&world.node, world.root(), &place)
            .await
            .unwrap();
        assert_eq!(again.description, text("tenant"));
        let found = key::read(&world.node, &system, &place, &key).await.unwrap();
        assert_eq!(found.key.owner, text("Ada"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_readable_again_when_they_are_opened() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        sealed(&world, &clinic).await;
        let stored = world
            .registry
            .key(clinic.id, &key)
            .await
            .unwrap()
            .unwrap()
            .key;
        assert!(is_sealed(&stored.description) && is_sealed(&stored.tags["team"]));
        assert_eq!(
            stored.tags["empty"], "",
            "what is empty has nothing to seal"
        );
        switch(&world, &clinic, false).await;
        assert_readable(&world, &clinic, &key).await;
        assert_eq!(settle(&world, &clinic).await, TextState::Clear);
        assert_readable(&world, &clinic, &key).await;
        let stored = world
            .registry
            .key(clinic.id, &key)
            .await
            .unwrap()
            .unwrap()
            .key;
        assert_eq!(stored.description, text("described anew"));
        // Words can be searched for again, and only now.
        let search = async |words: &str| {
            let filter = KeyFilter {
                text: Some(words.to_owned()),
                ..KeyFilter::default()
            };
            let (node, by) = (&world.node, &clinic.admin);
            key::search(node, by, &clinic.place, filter, KeySort::Name, None, None).await
        };
        assert_eq!(search("cribed an").await.unwrap().rows.len(), 1);
        switch(&world, &clinic, true).await;
        assert_eq!(code(search("cribed an").await), "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_sealed_text_that_was_moved_or_altered_is_refused_by_name() {
    for world in World::on_each_registry().await {
        let (clinic, bank) = (world.tenant("clinic").await, world.tenant("bank").await);
        for tenancy in [&clinic, &bank] {
            filled(&world, tenancy).await;
            sealed(&world, tenancy).await;
        }
        let (node, by, place) = (&world.node, &clinic.admin, &clinic.place);
        let other = key::create(node, by, place, new_key("other", "Bob", "x"), None).await;
        let other = other.unwrap().value.key.id;
        let of = |tenancy: &Tenancy, at: &str| {
            let id = tenancy.id.uuid();
            let id = if world.is_postgres() {
                format!("'{id}'")
            } else {
                format!("x'{}'", id.simple())
            };
            format!("tenant_id = {id} AND name = '{at}'")
        };
        let (ours, its, theirs) = (
            of(&clinic, "records"),
            of(&clinic, "other"),
            of(&bank, "records"),
        );
        let key = KeyRef::Name(KeyName::new("records").unwrap());
        let id = read(&world, &clinic, &key).await.unwrap().key.id.uuid();
        let moved = [
            (
                "description",
                format!("SELECT o.description FROM keys o WHERE o.{its}")
                    .replace("AND name", "AND o.name"),
            ),
            (
                "purpose",
                format!("SELECT o.description FROM keys o WHERE o.{ours}")
                    .replace("AND name", "AND o.name"),
            ),
            (
                "owner",
                format!("SELECT o.owner FROM keys o WHERE o.{theirs}")
                    .replace("AND name", "AND o.name"),
            ),
            (
                "tags",
                format!("SELECT o.tags FROM keys o WHERE o.{its}")
                    .replace("AND name", "AND o.name"),
            ),
        ];
        for (column, from) in moved {
            let kept = "CREATE TABLE kept AS SELECT * FROM keys";
            world.sql(kept);
            world.sql(&format!("UPDATE keys SET {column} = ({from}) WHERE {ours}"));
            let refused = read(&world, &clinic, &key).await.unwrap_err();
            assert_eq!(refused.code().as_str(), "record_refused", "{column}");
            let words = refused.to_string();
            assert!(words.contains(&format!("{column} of keys {id}")), "{words}");
            assert!(!words.contains(MARK));
            let back = format!(
                "UPDATE keys SET {column} = (SELECT k.{column} FROM kept k WHERE k.id = keys.id); DROP TABLE kept"
            );
            world.sql(&back);
            read(&world, &clinic, &key).await.unwrap();
        }
        // Another text's digest: a search would find what is not there.
        let swapped = format!(
            "UPDATE keys SET owner = (SELECT substr(o.owner, 1, 49) FROM keys o WHERE o.{}) || substr(owner, 50) WHERE {ours}",
            its.replace("AND name", "AND o.name")
        );
        world.sql(&swapped);
        assert_eq!(code(read(&world, &clinic, &key).await), "record_refused");
        // It is stopped all the same.
        let request = key::LifecycleRequest::default();
        let stopped = key::compromise(node, by, place, &key, request).await;
        let stopped = stopped.unwrap();
        assert!(is_sealed(&stopped.value.key.owner), "shown to nobody");
        // One row's trouble keeps nobody from the others, and does not end as if nothing were wrong.
        assert!(read(&world, &clinic, &KeyRef::Id(other)).await.is_ok());
        switch(&world, &clinic, false).await;
        for _ in 0..20 {
            clockwork::tick(node).await.unwrap();
        }
        let status = status(&world, &clinic).await;
        let job = status.job.unwrap();
        assert_eq!(status.state, TextState::Opening);
        assert_eq!(job.state, JobState::Failed);
        assert_eq!(job.last_error.as_deref(), Some("texts_refused"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_of_the_tenants_key_leaves_texts_readable_and_shredding_does_not() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        sealed(&world, &clinic).await;
        let before = world.registry.key(clinic.id, &key).await.unwrap().unwrap();
        kek::rotate(&world.node, world.root(), &clinic.place, None)
            .await
            .unwrap();
        while kek::rewrap_slice(&world.node).await.unwrap().is_some() {}
        // The old key-encryption key is not needed: only the text key's record was wrapped anew.
        let keks = world.registry.tenant_keks(clinic.id).await.unwrap();
        let old = format!(
            "kek/{}/{}-{}",
            keks[1].tenant, keks[1].version, keks[1].record
        );
        let old = keyward_core::port::storage::ObjectName::new(&old).unwrap();
        world.backend.delete(&old).await.unwrap();
        let world = world.restart().await;
        let after = world.registry.key(clinic.id, &key).await.unwrap().unwrap();
        assert_eq!(before, after, "no row was written anew");
        assert_readable(&world, &clinic, &key).await;

        let (node, root) = (&world.node, world.root());
        tenant::suspend(node, root, &clinic.place, None)
            .await
            .unwrap();
        let why = "it moved away".to_owned();
        // The record of the old one is gone already, which the shredding must not mind.
        tenant::shred(node, root, &clinic.place, why).await.unwrap();
        clockwork::tick(node).await.unwrap();
        let mut gone = read(&world, &clinic, &key).await.unwrap().key;
        assert!(is_sealed(&gone.description));
        let withheld = withhold(&mut gone);
        assert_eq!(
            withheld,
            [
                "description",
                "purpose",
                "owner",
                "tags.team",
                "access_policy.night shift"
            ]
        );
        assert_eq!(gone.description, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_server_shows_rows_without_their_texts_and_still_stops_keys() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        sealed(&world, &clinic).await;
        let (node, by, place) = (&world.node, &clinic.admin, &clinic.place);
        node.drop_secrets();
        let mut found = read(&world, &clinic, &key).await.unwrap().key;
        assert!(withhold(&mut found).contains(&"owner".to_owned()));
        // What compares texts, and what would write one, says what it lacks.
        let filter = KeyFilter {
            owner: Some(text("Ada")),
            ..KeyFilter::default()
        };
        let search = key::search(node, by, place, filter, KeySort::Name, None, None).await;
        assert_eq!(code(search), "sealed");
        let changes = KeyChange {
            description: Some(text("later")),
            ..KeyChange::default()
        };
        let update = key::update(node, by, place, &key, changes, None).await;
        assert_eq!(code(update), "sealed");
        // A key is stopped all the same, and its texts are what they were.
        let request = key::LifecycleRequest {
            reason: Some("stolen".to_owned()),
            ..key::LifecycleRequest::default()
        };
        key::compromise(node, by, place, &key, request)
            .await
            .unwrap();
        let file = world.directory().join("seal.key");
        world.vault.unseal_with_key_file(&file).unwrap();
        assert_readable(&world, &clinic, &key).await;
        assert_no_trace(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_tenant_is_restored_on_the_other_database_from_a_backup() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        sealed(&world, &clinic).await;
        let id = ordered(&world).await.subject;
        assert!(keyward_core::ops::backup::work(&world.node).await.unwrap());
        let verified = world.verified(id, None).await;
        let (registry, vault) = elsewhere(&world);
        let blank = world.blank(registry, vault).await;
        world
            .restore(&verified, &blank, false, false)
            .await
            .unwrap();
        let restored = world.on_restored(blank).await;
        assert_readable(&restored, &clinic, &key).await;
        assert_no_trace(&restored).await;
    }
}

/// Of a full backup from before the order and a segment from after it, the last second.
async fn restored_from_before(world: &World) -> World {
    world.clock.advance_seconds(1);
    assert!(backup::segment(&world.node).await.unwrap());
    let chain = Chain::find(&world.backups, None, None).await.unwrap();
    let mut verified = Vec::new();
    for id in chain.all() {
        verified.push(world.verified(id, None).await);
    }
    let full = verified.remove(0);
    let (registry, vault) = elsewhere(world);
    let blank = world.blank(registry, vault).await;
    for resumes in [false, true] {
        world
            .restore_to(&full, &verified, None, &blank, resumes, false)
            .await
            .unwrap();
    }
    world.on_restored(blank).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_what_a_restore_brings_back_from_before_the_order_is_sealed_again() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        ordered(&world).await;
        assert!(backup::work(&world.node).await.unwrap());
        // In the midst of the job: all that it passed is done by its row, and undone by the restore.
        switch(&world, &clinic, true).await;
        let place = loop {
            clockwork::tick(&world.node).await.unwrap();
            let job = status(&world, &clinic).await.job.unwrap();
            let place = job.progress.resume_after.unwrap();
            if place.starts_with("files") {
                break place;
            }
        };
        let restored = restored_from_before(&world).await;
        assert!(!traces(&restored).await.is_empty(), "after {place}");
        assert_readable(&restored, &clinic, &key).await;
        assert_eq!(settle(&restored, &clinic).await, TextState::Sealed);
        assert_readable(&restored, &clinic, &key).await;
        assert_no_trace(&restored).await;
        drop(restored);
        // After it: its row says that all of it is done.
        assert_eq!(settle(&world, &clinic).await, TextState::Sealed);
        let restored = restored_from_before(&world).await;
        assert_eq!(status(&restored, &clinic).await.state, TextState::Sealing);
        assert_eq!(settle(&restored, &clinic).await, TextState::Sealed);
        assert_readable(&restored, &clinic, &key).await;
        assert_no_trace(&restored).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_interrupted_at_every_step_seals_everything() {
    for mut world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        switch(&world, &clinic, true).await;
        let mut steps = 0;
        while status(&world, &clinic).await.state != TextState::Sealed {
            clockwork::tick(&world.node).await.unwrap();
            world = world.restart().await;
            assert_readable(&world, &clinic, &key).await;
            steps += 1;
            assert!(steps < 50, "it never ends");
        }
        assert!(steps > 4, "there are steps to be interrupted");
        assert_no_trace(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_nothing_that_is_written_while_the_order_takes_effect_stays_clear() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let (node, by, place) = (&world.node, &clinic.admin, &clinic.place);
        filled(&world, &clinic).await;
        let writer = async |number: usize| {
            let at = format!("key-{number}");
            let made = key::create(node, by, place, new_key(&at, "Ada", "x"), None).await;
            let key = KeyRef::Id(made.unwrap().value.key.id);
            for round in 0..30 {
                let change = KeyChange {
                    description: Some(text(&format!("round {round}"))),
                    ..KeyChange::default()
                };
                match key::update(node, by, place, &key, change, None).await {
                    Ok(_) | Err(OpError::Conflict) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let order = async {
            sealed(&world, &clinic).await;
        };
        let writers = futures_util::future::join_all((0..4).map(writer));
        futures_util::future::join(writers, order).await;
        assert_eq!(status(&world, &clinic).await.state, TextState::Sealed);
        assert_no_trace(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_the_storage_fails_leaves_everything_as_it_was() {
    for world in World::on_each_registry().await {
        let clinic = world.tenant("clinic").await;
        let key = filled(&world, &clinic).await;
        for form in FORMS {
            world.storage_faults.fail_after(0, form);
            let (node, root) = (&world.node, world.root());
            let failed = text_seal::switch(node, root, &clinic.place, true, None).await;
            assert!(failed.is_err(), "{form:?}");
            assert!(world.storage_faults.mend(), "{form:?} was met");
            assert_eq!(status(&world, &clinic).await.state, TextState::Clear);
            assert_readable(&world, &clinic, &key).await;
        }
        sealed(&world, &clinic).await;
        assert_readable(&world, &clinic, &key).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_key_is_the_servers_own() {
    let world = World::new().await;
    let clinic = world.tenant("clinic").await;
    filled(&world, &clinic).await;
    sealed(&world, &clinic).await;
    let (node, by, place) = (&world.node, &clinic.admin, &clinic.place);
    let own = name("keyward.text-key");
    let system = initialize::system_caller(node).unwrap();
    assert!(secret::get(node, &system, place, &own, None).await.is_ok());
    let put = secret::put(node, by, place, value("keyward.text-key", b"mine"), None).await;
    assert_eq!(code(put), "forbidden");
    assert_eq!(
        code(secret::get(node, by, place, &own, None).await.map(drop)),
        "forbidden"
    );
}

/// One thing that somebody does with a tenant's texts.
#[derive(Clone, Debug)]
enum Step {
    Create {
        owner: u8,
        team: u8,
    },
    Update {
        key: u8,
        owner: Option<u8>,
        team: Option<u8>,
    },
    Bind {
        key: u8,
        uri: u8,
    },
    Search {
        owner: Option<u8>,
        team: Option<u8>,
        limit: usize,
        by_age: bool,
    },
    Seal(bool),
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::option::of(0u8..3);
    let step = prop_oneof![
        3 => (0u8..3, 0u8..3).prop_map(|(owner, team)| Step::Create { owner, team }),
        3 => (any::<u8>(), some(), some())
            .prop_map(|(key, owner, team)| Step::Update { key, owner, team }),
        1 => (any::<u8>(), 0u8..3).prop_map(|(key, uri)| Step::Bind { key, uri }),
        4 => (some(), some(), 1usize..4, any::<bool>())
            .prop_map(|(owner, team, limit, by_age)| Step::Search { owner, team, limit, by_age }),
        1 => any::<bool>().prop_map(Step::Seal),
        2 => Just(Step::Tick),
    ];
    proptest::collection::vec(step, 60..90)
}

/// What one tenant answers, without what differs between any two.
async fn answer(world: &World, tenancy: &Tenancy, keys: &mut Vec<KeyRef>, step: &Step) -> String {
    let (node, by, place) = (&world.node, &tenancy.admin, &tenancy.place);
    let owner = |owner: u8| {
        if owner == 0 {
            String::new()
        } else {
            text(&format!("o{owner}"))
        }
    };
    let team = |team: u8| tags(&format!("t{team}"));
    match step {
        Step::Create { owner: o, team: t } => {
            let mut new = new_key(&format!("key-{:03}", keys.len()), "", "");
            (new.owner, new.tags) = (owner(*o), team(*t));
            let made = key::create(node, by, place, new, None)
                .await
                .unwrap()
                .value
                .key;
            keys.push(KeyRef::Id(made.id));
            format!("{} {} {:?}", made.name, made.owner, made.tags)
        }
        Step::Update {
            key,
            owner: o,
            team: t,
        } if !keys.is_empty() => {
            let key = keys[usize::from(*key) % keys.len()].clone();
            let changes = KeyChange {
                owner: o.map(owner),
                tags: t.map(team),
                ..KeyChange::default()
            };
            match key::update(node, by, place, &key, changes, None).await {
                Ok(done) => format!("{} {:?}", done.value.key.owner, done.value.key.tags),
                Err(error) => error.code().as_str().to_owned(),
            }
        }
        Step::Bind { key, uri } if !keys.is_empty() => {
            let key = keys[usize::from(*key) % keys.len()].clone();
            let new = NewBinding {
                uri: format!("s3://{uri}"),
                label: String::new(),
                owner: owner(*uri),
            };
            let _ = binding::create(node, &tenancy.user, place, &key, new, None).await;
            let listed = binding::list(node, &tenancy.user, place, &key, None, None).await;
            let mut listed: Vec<String> = listed
                .unwrap()
                .rows
                .into_iter()
                .map(|it| it.uri + &it.owner)
                .collect();
            listed.sort();
            format!("{listed:?}")
        }
        Step::Search {
            owner: o,
            team: t,
            limit,
            by_age,
        } => {
            let filter = KeyFilter {
                owner: o.map(owner),
                tag: t.map(|t| ("team".to_owned(), Some(team(t)["team"].clone()))),
                ..KeyFilter::default()
            };
            let sort = if *by_age {
                KeySort::CreatedAt
            } else {
                KeySort::Name
            };
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = key::search(node, by, place, filter.clone(), sort, after, Some(*limit));
                let page = page.await.unwrap();
                after = page.rows.last().map(|last| key::cursor_of(last, sort));
                let shown = |row: keyward_core::port::registry::KeySummary| {
                    format!("{} {} {:?}", row.key.name, row.key.owner, row.key.tags)
                };
                all.extend(page.rows.into_iter().map(shown));
                if !page.more {
                    return format!("{all:?}");
                }
                all.push("next page".to_owned());
            }
        }
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_same_sealed_or_not_and_on_the_way() {
    let mut runner = TestRunner::deterministic();
    for world in World::on_each_registry().await {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let (plain, other) = (world.tenant("plain").await, world.tenant("other").await);
        let (mut plain_keys, mut other_keys) = (Vec::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Seal(on) => {
                    switch(&world, &other, *on).await;
                }
                Step::Tick => clockwork::tick(&world.node).await.unwrap(),
                _ => {}
            }
            let one = answer(&world, &plain, &mut plain_keys, step).await;
            let two = answer(&world, &other, &mut other_keys, step).await;
            assert_eq!(one, two, "step {at} of {steps:?}");
        }
    }
}
