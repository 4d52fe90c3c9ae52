//! Commits that are inserted together leave exactly what they would have left one by one, whatever
//! their shapes, and whoever among them is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use keyward_core::change::{Commit, IdempotencyKey, Row, Write};
use keyward_core::noun::tenant::Digest;
use keyward_core::port::registry::{KeyRef, Registry as _, RegistryError};
use keyward_store::{StatementObserver, Value};
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::make::NewKey;
use crate::world::{Place, World};

/// What one commit is.
#[derive(Clone, Copy, Debug)]
struct Wish {
    keys: usize,
    transitions: usize,
    tags: usize,
    bound: bool,
    remembered: bool,
    refused: bool,
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.03));
    let wish = (0..4_usize, 1..4_usize, 0..3_usize, flags);
    let wish = wish.prop_map(
        |(keys, transitions, tags, (bound, remembered, refused))| Wish {
            keys,
            transitions,
            tags,
            bound,
            remembered,
            // What has no row has none to be refused.
            refused: refused && keys > 0,
        },
    );
    prop::collection::vec(wish, 1..90)
}

/// A commit as wished, with the keys it makes.
fn commit(world: &World, wish: Wish, name: &str) -> (Commit, Vec<NewKey>) {
    let make = &world.make;
    let mut keys = Vec::new();
    let mut writes = Vec::new();
    for number in 0..wish.keys {
        let mut made = make.key(&format!("{name}-{number}"));
        for tag in 0..wish.tags {
            made.key.tags.insert(format!("tag-{tag}"), name.to_owned());
            made.key.compliance_tags.insert(format!("rule-{tag}"));
        }
        made.key.purpose = format!("for {name}");
        if wish.refused && number + 1 == wish.keys {
            made.version.strength_bits = 0;
        }
        writes.extend(made.writes());
        for _ in 1..wish.transitions {
            let again = make.transition_row(&made.version, "activate", None);
            writes.push(Write::insert(Row::Transition(again)));
        }
        if wish.bound {
            writes.push(Write::insert(Row::DataBinding(make.binding_row(&made.key))));
        }
        keys.push(made);
    }
    let mut commit = World::change(Some(world.tenant()), writes);
    if wish.remembered {
        commit.idempotency = Some((request(world, name), make.uuid()));
    }
    (commit, keys)
}

fn request(world: &World, name: &str) -> IdempotencyKey {
    IdempotencyKey {
        tenant: Some(world.tenant()),
        principal: world.make.principal,
        route: "key.create",
        key: name.to_owned(),
        digest: Digest([7; 32]),
    }
}

async fn holds(world: &World, round: usize, wishes: Vec<Wish>) {
    let begin = world.registry.revision().await.unwrap();
    let commits: Vec<_> = wishes
        .iter()
        .enumerate()
        .map(|(place, wish)| {
            let name = format!("r{round}-c{place}");
            let (commit, keys) = commit(world, *wish, &name);
            (*wish, name, commit, keys)
        })
        .collect();
    let asked = commits
        .iter()
        .map(|(_, _, commit, _)| world.registry.commit(commit.clone()));
    let outcomes = join_all(asked).await;

    let mut told = BTreeMap::new();
    for ((wish, name, commit, keys), outcome) in commits.iter().zip(outcomes) {
        if wish.refused {
            let refused = Err(RegistryError::Constraint {
                table: "key_versions",
            });
            assert_eq!(outcome, refused, "{name}");
        } else {
            let change = outcome.unwrap();
            assert_eq!(change.writes, commit.writes, "{name}");
            told.insert(change.revision, change);
        }
        let remembered = world.registry.idempotency(&request(world, name)).await;
        let expected = wish.remembered && !wish.refused;
        assert_eq!(remembered.unwrap().is_some(), expected, "{name}");
        for made in keys {
            let found = world
                .registry
                .key(world.tenant(), &KeyRef::Id(made.key.id))
                .await
                .unwrap();
            assert_eq!(found.is_some(), !wish.refused, "{name}");
            let Some(found) = found else { continue };
            assert_eq!(found.key, made.key);
            assert_eq!(found.versions, std::slice::from_ref(&made.version));
            let history = world
                .registry
                .history(world.tenant(), made.key.id, None, 10)
                .await
                .unwrap();
            assert_eq!(history.rows.len(), wish.transitions, "{name}");
            let bindings = world
                .registry
                .live_bindings(world.tenant(), made.key.id)
                .await;
            assert_eq!(bindings.unwrap() > 0, wish.bound, "{name}");
        }
    }
    let feed = world.registry.changes_after(begin, 1_000).await.unwrap();
    assert_eq!(feed, told.into_values().collect::<Vec<_>>());
    let revisions: Vec<i64> = feed.iter().map(|change| change.revision).collect();
    let expected: Vec<i64> = (begin + 1..=begin + feed.len() as i64).collect();
    assert_eq!(revisions, expected, "no gap");
}

both! {
    async fn commits_of_any_shapes_leave_what_each_says(world: World) {
        let mut runner = TestRunner::new(Config { cases: 6, ..Config::default() });
        let batches: Vec<Vec<Wish>> = (0..6)
            .map(|_| wishes().new_tree(&mut runner).unwrap().current())
            .collect();
        for (round, batch) in batches.into_iter().enumerate() {
            holds(&world, round, batch).await;
        }
    }
}

/// Statements over several rows, as they were run.
#[derive(Default)]
struct Texts(Mutex<Vec<String>>);

impl StatementObserver for Texts {
    fn observe(&self, text: &str, values: &[Value]) {
        if values.len() > 100 {
            self.0.lock().push(text.to_owned());
        }
    }
}

/// A name for each parameter costs their square: no statement of many may have any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_parameter_of_a_long_statement_has_a_name_in_sqlite() {
    let place = Place::sqlite();
    let texts = Arc::new(Texts::default());
    let mut config = place.config();
    config.observer = Some(texts.clone());
    let world = World::with(place, config).await;
    let wish = Wish {
        keys: 1,
        transitions: 2,
        tags: 2,
        bound: true,
        remembered: true,
        refused: false,
    };
    let commits = (0..200).map(|number| {
        let (commit, _) = commit(&world, wish, &format!("key-{number}"));
        world.registry.commit(commit)
    });
    for outcome in join_all(commits).await {
        outcome.unwrap();
    }
    let texts = std::mem::take(&mut *texts.0.lock());
    for table in ["keys", "key_versions", "key_tags", "idempotency", "changes"] {
        let begins = format!("INSERT INTO {table} ");
        assert!(
            texts.iter().any(|text| text.starts_with(&begins)),
            "{table}"
        );
    }
    let named: Vec<&String> = texts
        .iter()
        .filter(|text| text.contains('$') || text.contains("?1"))
        .collect();
    assert!(named.is_empty(), "{named:#?}");
}
