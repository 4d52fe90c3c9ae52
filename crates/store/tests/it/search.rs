//! Searches: whatever is asked for is what a plain filter over all keys would give, in order, on
//! pages that lose and repeat nothing.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::change::{Row, Write};
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::key::ProviderKind;
use keyward_core::noun::state::State;
use keyward_core::port::registry::{KeyCursor, KeyFilter, KeySort, KeySummary, Registry as _};
use keyward_core::time::Timestamp;
use keyward_crypto::Algorithm;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::make::{Maker, NewKey, START};
use crate::world::World;

const OWNERS: [&str; 4] = ["", "radiology", "Zahlungsverkehr ÄÖ", "50%_off"];
const CLASSES: [&str; 2] = ["PHI_DATA", "FINANCIAL"];
const RULES: [&str; 2] = ["HIPAA", "PCI-DSS"];
const PREFIXES: [&str; 3] = ["invoices", "scans", "inv"];

/// What distinguishes the keys of these stories, each field out of a few values.
#[derive(Clone, Debug)]
struct Traits {
    prefix: usize,
    owner: usize,
    class: Option<usize>,
    state: usize,
    algorithm: usize,
    external: bool,
    tag: Option<bool>,
    rule: Option<usize>,
    service: bool,
    policy: bool,
    created: i64,
    expires: Option<i64>,
    purpose: bool,
}

fn traits() -> impl Strategy<Value = Traits> {
    let first = (
        0..3_usize,
        0..4_usize,
        prop::option::of(0..2_usize),
        0..3_usize,
        0..2_usize,
        any::<bool>(),
    );
    let second = (
        prop::option::of(any::<bool>()),
        prop::option::of(0..2_usize),
        any::<bool>(),
        any::<bool>(),
    );
    let third = (0..5_i64, prop::option::of(0..5_i64), any::<bool>());
    (first, second, third).prop_map(|(first, second, third)| Traits {
        prefix: first.0,
        owner: first.1,
        class: first.2,
        state: first.3,
        algorithm: first.4,
        external: first.5,
        tag: second.0,
        rule: second.1,
        service: second.2,
        policy: second.3,
        created: third.0,
        expires: third.1,
        purpose: third.2,
    })
}

fn day(number: i64) -> Timestamp {
    START.plus_seconds(86_400 * number)
}

fn dress(made: &mut NewKey, traits: &Traits, policy: keyward_core::ids::PolicyId) {
    let (key, version) = (&mut made.key, &mut made.version);
    OWNERS[traits.owner].clone_into(&mut key.owner);
    key.data_class = traits.class.map(|class| CLASSES[class].parse().unwrap());
    key.algorithm = [Algorithm::Aes256GcmCommit, Algorithm::Ed25519][traits.algorithm];
    version.algorithm = key.algorithm;
    version.state = [State::Active, State::Inactive, State::Expired][traits.state];
    made.transition.to_state = version.state;
    if traits.external {
        key.provider = ProviderKind::AwsKms;
        version.provider = ProviderKind::AwsKms;
        version.record_digest = None;
    }
    if let Some(production) = traits.tag {
        key.tags.insert(
            "env".to_owned(),
            if production { "prod" } else { "test" }.to_owned(),
        );
    }
    key.compliance_tags
        .extend(traits.rule.map(|rule| RULES[rule].to_owned()));
    if traits.service {
        key.authorized_services.insert("billing".to_owned());
    }
    key.rotation_policy = traits.policy.then_some(policy);
    key.created_at = day(traits.created);
    version.expires_at = traits.expires.map(day);
    if traits.purpose {
        "Seals \"quarterly\" statements; UMSATZSTEUER".clone_into(&mut key.purpose);
    }
}

fn filters(
    token: keyward_core::ids::TokenId,
    policy: keyward_core::ids::PolicyId,
) -> impl Strategy<Value = KeyFilter> {
    let maybe = |chance: f64| prop::option::weighted(chance, any::<prop::sample::Index>());
    let first = (
        maybe(0.3),
        maybe(0.3),
        maybe(0.3),
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
    );
    let second = (
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
        maybe(0.1),
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
    );
    (first, second).prop_map(move |(first, second)| KeyFilter {
        name_prefix: first.0.map(|at| at.get(&PREFIXES).to_owned().to_owned()),
        text: first.1.map(|at| {
            at.get(&[
                "INV",
                "quarterly",
                "umsatz",
                "radiology",
                "%_o",
                "no such",
                "äö",
                "s-1",
                "\"qu",
            ])
            .to_owned()
            .to_owned()
        }),
        state: first
            .2
            .map(|at| *at.get(&[State::Active, State::Inactive, State::Destroyed])),
        data_class: first.3.map(|at| at.get(&CLASSES).parse().unwrap()),
        provider: first
            .4
            .map(|at| *at.get(&[ProviderKind::Native, ProviderKind::AwsKms])),
        algorithm: first
            .5
            .map(|at| *at.get(&[Algorithm::Ed25519, Algorithm::Aes256GcmCommit])),
        owner: first.6.map(|at| at.get(&OWNERS).to_owned().to_owned()),
        tag: second.0.map(|at| {
            let tag = at.get(&[("env", Some("prod")), ("env", None), ("nope", None)]);
            (tag.0.to_owned(), tag.1.map(str::to_owned))
        }),
        compliance_tag: second.1.map(|at| at.get(&RULES).to_owned().to_owned()),
        authorized_service: second
            .2
            .map(|at| at.get(&["billing", "none"]).to_owned().to_owned()),
        rotation_policy: second.3.map(|_| policy),
        created_by: second.4.map(|_| token),
        created_from: second.5.map(|at| day(*at.get(&[0, 2, 4]))),
        created_before: second.6.map(|at| day(*at.get(&[1, 3, 9]))),
        expires_before: second.7.map(|at| day(*at.get(&[1, 3, 9]))),
        only: None,
    })
}

/// The same question put to a list.
fn matches(filter: &KeyFilter, made: &NewKey) -> bool {
    let (key, version) = (&made.key, &made.version);
    let is = |wanted: bool| wanted;
    let text = |sought: &String| {
        let parts = [
            key.name.as_str(),
            &key.description,
            &key.purpose,
            &key.owner,
        ];
        parts
            .iter()
            .any(|part| part.to_lowercase().contains(&sought.to_lowercase()))
    };
    filter
        .name_prefix
        .as_ref()
        .is_none_or(|it| key.name.as_str().starts_with(it))
        && filter.text.as_ref().is_none_or(text)
        && filter.state.is_none_or(|it| version.state == it)
        && filter
            .data_class
            .as_ref()
            .is_none_or(|it| key.data_class.as_ref() == Some(it))
        && filter.provider.is_none_or(|it| key.provider == it)
        && filter.algorithm.is_none_or(|it| key.algorithm == it)
        && filter.owner.as_ref().is_none_or(|it| key.owner == *it)
        && filter.tag.as_ref().is_none_or(|(name, value)| {
            key.tags
                .get(name)
                .is_some_and(|held| value.as_ref().is_none_or(|it| held == it))
        })
        && filter
            .compliance_tag
            .as_ref()
            .is_none_or(|it| key.compliance_tags.contains(it))
        && filter
            .authorized_service
            .as_ref()
            .is_none_or(|it| key.authorized_services.contains(it))
        && filter
            .rotation_policy
            .is_none_or(|it| key.rotation_policy == Some(it))
        && filter
            .created_by
            .is_none_or(|it| key.created_by == Some(it))
        && filter.created_from.is_none_or(|it| key.created_at >= it)
        && filter.created_before.is_none_or(|it| key.created_at < it)
        && filter
            .expires_before
            .is_none_or(|it| version.expires_at.is_some_and(|end| end < it))
        && is(filter
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&key.id)))
}

fn cursor(sort: KeySort, last: &KeySummary) -> KeyCursor {
    let sort_value = match sort {
        KeySort::Name => last.key.name.as_str().to_owned(),
        KeySort::CreatedAt => last.key.created_at.as_micros().to_string(),
    };
    KeyCursor {
        sort_value,
        id: last.key.id,
    }
}

/// Every page of a search, one after the other.
async fn all_pages(
    world: &World,
    tenant: TenantId,
    filter: &KeyFilter,
    sort: KeySort,
    limit: usize,
) -> Vec<KeySummary> {
    let mut found: Vec<KeySummary> = Vec::new();
    loop {
        let after = found.last().map(|last| cursor(sort, last));
        let page = world
            .registry
            .search_keys(tenant, filter, sort, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(page.rows.len() <= limit);
        found.extend(page.rows);
        if !page.more {
            return found;
        }
    }
}

fn expected(keys: &[NewKey], filter: &KeyFilter, sort: KeySort) -> Vec<KeySummary> {
    let mut keys: Vec<&NewKey> = keys.iter().filter(|made| matches(filter, made)).collect();
    match sort {
        KeySort::Name => keys.sort_by(|a, b| a.key.name.cmp(&b.key.name)),
        KeySort::CreatedAt => keys.sort_by_key(|made| (made.key.created_at, made.key.id)),
    }
    let summary = |made: &NewKey| KeySummary {
        key: made.key.clone(),
        primary: made.version.clone(),
    };
    keys.into_iter().map(summary).collect()
}

async fn fill(world: &World, runner: &mut TestRunner, count: usize) -> Vec<NewKey> {
    let policy = world.make.policy_row("quarterly");
    let insert = vec![Write::insert(Row::Policy(policy.clone()))];
    world.commit(Some(world.tenant()), insert).await.unwrap();
    let mut keys = Vec::new();
    for number in 0..count {
        let traits = traits().new_tree(runner).unwrap().current();
        let mut made = world
            .make
            .key(&format!("{}-{number}", PREFIXES[traits.prefix]));
        dress(&mut made, &traits, policy.id);
        keys.push(made);
    }
    for some in keys.chunks(50) {
        let writes = some.iter().flat_map(NewKey::writes).collect();
        world.commit(Some(world.tenant()), writes).await.unwrap();
    }
    keys
}

both! {
    async fn every_combination_of_conditions_finds_what_a_plain_filter_finds(world: World) {
        let mut runner = TestRunner::deterministic();
        let keys = fill(&world, &mut runner, 250).await;
        let policy = keys.iter().find_map(|made| made.key.rotation_policy).unwrap();
        let filters = filters(world.make.token, policy);
        let mut found_some = 0;
        for round in 0..300 {
            let mut filter = filters.new_tree(&mut runner).unwrap().current();
            if round % 7 == 0 {
                filter.only = Some(keys.iter().step_by(3).map(|made| made.key.id).collect());
            }
            let sort = if round % 2 == 0 { KeySort::Name } else { KeySort::CreatedAt };
            let found = all_pages(&world, world.tenant(), &filter, sort, 1 + round % 40).await;
            let expected = expected(&keys, &filter, sort);
            found_some += usize::from(!expected.is_empty());
            let names = |keys: &[KeySummary]| {
                keys.iter().map(|it| it.key.name.clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&found), names(&expected), "{filter:?} {sort:?}");
            assert_eq!(found, expected);
        }
        assert!(found_some > 60, "only {found_some} of the filters found anything");
    }
}

both! {
    /// Each condition on its own, so that none is only ever tested beside others.
    async fn each_condition_alone_finds_its_keys(world: World) {
        let mut runner = TestRunner::deterministic();
        let keys = fill(&world, &mut runner, 120).await;
        let some = |pick: fn(&NewKey) -> bool| keys.iter().find(|made| pick(made)).unwrap();
        let mut filters = vec![KeyFilter::default()];
        let mut add = |edit: &dyn Fn(&mut KeyFilter)| {
            let mut filter = KeyFilter::default();
            edit(&mut filter);
            filters.push(filter);
        };
        add(&|it| it.name_prefix = Some("inv".to_owned()));
        add(&|it| it.text = Some("Umsatzsteuer".to_owned()));
        add(&|it| it.text = Some("äö".to_owned()));
        add(&|it| it.text = Some("\u{1f}".to_owned()));
        add(&|it| it.state = Some(State::Inactive));
        add(&|it| it.data_class = Some("FINANCIAL".parse().unwrap()));
        add(&|it| it.provider = Some(ProviderKind::AwsKms));
        add(&|it| it.algorithm = Some(Algorithm::Ed25519));
        add(&|it| it.owner = Some("radiology".to_owned()));
        add(&|it| it.tag = Some(("env".to_owned(), Some("prod".to_owned()))));
        add(&|it| it.tag = Some(("env".to_owned(), None)));
        add(&|it| it.compliance_tag = Some("HIPAA".to_owned()));
        add(&|it| it.authorized_service = Some("billing".to_owned()));
        add(&|it| it.rotation_policy = some(|made| made.key.rotation_policy.is_some()).key.rotation_policy);
        add(&|it| it.created_by = some(|made| made.key.created_by.is_some()).key.created_by);
        add(&|it| it.created_from = Some(day(3)));
        add(&|it| it.created_before = Some(day(2)));
        add(&|it| it.expires_before = Some(day(2)));
        add(&|it| it.only = Some(keys.iter().take(5).map(|made| made.key.id).collect()));
        add(&|it| it.only = Some(BTreeSet::new()));
        for filter in &filters {
            for sort in [KeySort::Name, KeySort::CreatedAt] {
                let found = all_pages(&world, world.tenant(), filter, sort, 7).await;
                assert_eq!(found, expected(&keys, filter, sort), "{filter:?}");
            }
        }
        // Another tenant sees none of it.
        let other = world.make.tenant_row("other");
        world.commit(None, vec![Write::insert(Row::Tenant(other.clone()))]).await.unwrap();
        for filter in &filters {
            assert!(all_pages(&world, other.id, filter, KeySort::Name, 7).await.is_empty());
        }
    }
}

both! {
    async fn a_changed_key_is_found_by_what_it_is_now(world: World) {
        let mut made = world.make.key("invoices");
        made.key.tags.insert("env".to_owned(), "test".to_owned());
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        made.key.etag += 1;
        made.key.tags = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        made.key.compliance_tags.insert("HIPAA".to_owned());
        "Signs statements".clone_into(&mut made.key.purpose);
        made.version.etag += 1;
        made.version.state = State::Inactive;
        let writes = vec![
            Write::update(Row::Key(Box::new(made.key.clone()))),
            Write::update(Row::KeyVersion(Box::new(made.version.clone()))),
        ];
        world.commit(Some(world.tenant()), writes).await.unwrap();

        let count = async |edit: &dyn Fn(&mut KeyFilter)| {
            let mut filter = KeyFilter::default();
            edit(&mut filter);
            all_pages(&world, world.tenant(), &filter, KeySort::Name, 10).await.len()
        };
        let tag = |value: &str| Some(("env".to_owned(), Some(value.to_owned())));
        assert_eq!(count(&|it| it.tag = tag("test")).await, 0);
        assert_eq!(count(&|it| it.tag = tag("prod")).await, 1);
        assert_eq!(count(&|it| it.text = Some("STATEMENT".to_owned())).await, 1);
        assert_eq!(count(&|it| it.compliance_tag = Some("HIPAA".to_owned())).await, 1);
        assert_eq!(count(&|it| it.state = Some(State::Active)).await, 0);
        assert_eq!(count(&|it| it.state = Some(State::Inactive)).await, 1);
    }
}

both! {
    /// A rotation: the new version comes after the key that already points to it.
    async fn the_state_searched_for_is_the_primary_versions(world: World) {
        let mut made = world.make.key("invoices");
        world.commit(Some(world.tenant()), made.writes()).await.unwrap();
        let mut second = world.make.version_row(&made.key, 2);
        second.state = State::Pending;
        second.activated_at = None;
        second.expires_at = Some(day(1));
        made.key.etag += 1;
        made.key.primary_version = 2;
        made.key.latest_version = 2;
        let writes = vec![
            Write::update(Row::Key(Box::new(made.key.clone()))),
            Write::insert(Row::KeyVersion(Box::new(second.clone()))),
        ];
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let pending = KeyFilter { state: Some(State::Pending), ..KeyFilter::default() };
        let found = all_pages(&world, world.tenant(), &pending, KeySort::Name, 10).await;
        assert_eq!(found[0].primary, second);
        let expiring = KeyFilter { expires_before: Some(day(2)), ..KeyFilter::default() };
        assert_eq!(all_pages(&world, world.tenant(), &expiring, KeySort::Name, 10).await, found);

        // And back: the key points to a version that is already there.
        made.key.etag += 1;
        made.key.primary_version = 1;
        let back = vec![Write::update(Row::Key(Box::new(made.key.clone())))];
        world.commit(Some(world.tenant()), back).await.unwrap();
        assert!(all_pages(&world, world.tenant(), &pending, KeySort::Name, 10).await.is_empty());
        assert!(all_pages(&world, world.tenant(), &expiring, KeySort::Name, 10).await.is_empty());
    }
}

/// Writes keys until told to stop.
async fn insert_keys(world: &World, maker: &Maker, done: &std::sync::atomic::AtomicBool) {
    let mut number = 0;
    while !done.load(std::sync::atomic::Ordering::Acquire) {
        for prefix in ["a", "m", "z"] {
            let new = maker.key_in(world.tenant(), &format!("{prefix}-new-{number}"));
            world
                .commit(Some(world.tenant()), new.writes())
                .await
                .unwrap();
        }
        number += 1;
    }
}

both! {
    async fn pages_visit_every_row_once_while_others_are_inserted(world: World) {
        let old: Vec<NewKey> =
            (0..200).map(|number| world.make.key(&format!("key-{number}"))).collect();
        let writes = old.iter().flat_map(NewKey::writes).collect();
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let reading = async {
            for sort in [KeySort::Name, KeySort::CreatedAt] {
                let found =
                    all_pages(&world, world.tenant(), &KeyFilter::default(), sort, 9).await;
                let ids: Vec<KeyId> = found.iter().map(|found| found.key.id).collect();
                let distinct: BTreeSet<KeyId> = ids.iter().copied().collect();
                assert_eq!(distinct.len(), ids.len());
                assert!(old.iter().all(|made| distinct.contains(&made.key.id)));
            }
            let mut after = None;
            let mut seen = BTreeSet::new();
            loop {
                let page = world.registry.all_keys(after, 13).await.unwrap();
                for found in &page.rows {
                    assert!(seen.insert(found.key.id) && found.versions.len() == 1);
                }
                after = page.rows.last().map(|found| found.key.id);
                if !page.more {
                    break;
                }
            }
            assert!(old.iter().all(|made| seen.contains(&made.key.id)));
            done.store(true, std::sync::atomic::Ordering::Release);
        };
        tokio::join!(reading, insert_keys(&world, &world.make, &done));
    }
}

both! {
    async fn a_deleted_key_is_found_no_more(world: World) {
        let made = world.make.key("invoices");
        let mut writes = made.writes();
        writes.truncate(2);
        world.commit(Some(world.tenant()), writes).await.unwrap();
        let purge = vec![
            Write::delete(Row::KeyVersion(Box::new(made.version.clone()))),
            Write::delete(Row::Key(Box::new(made.key.clone()))),
        ];
        world.commit(Some(world.tenant()), purge).await.unwrap();
        let text = KeyFilter { text: Some("invoices".to_owned()), ..KeyFilter::default() };
        assert!(all_pages(&world, world.tenant(), &text, KeySort::Name, 5).await.is_empty());
        // The name is free again.
        let again = world.make.key("invoices");
        world.commit(Some(world.tenant()), again.writes()).await.unwrap();
        let found = all_pages(&world, world.tenant(), &text, KeySort::Name, 5).await;
        assert_eq!(found[0].key.id, again.key.id);
    }
}
