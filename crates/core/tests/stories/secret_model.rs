//! Random puts, gets and deletions against a small model that is written from the words of the
//! documentation and knows nothing of the code: every answer is the model's, and at the end the
//! vault holds exactly the values that the model does.

use std::collections::BTreeMap;

use keyward_core::caller::Caller;
use keyward_core::ops::secret::{self, DeleteRequest};
use keyward_testkit::world::{Tenancy, World};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::secrets::{name, value};

#[derive(Clone, Debug)]
enum Step {
    Put {
        at: usize,
        bytes: Vec<u8>,
        keep: Option<i32>,
        expected: Option<i64>,
    },
    Get(usize, Option<i64>),
    Delete(usize, Option<i64>),
    List(String),
}

const NAMES: [&str; 4] = ["db/password", "db/user", "dba", "smtp"];

fn step() -> impl Strategy<Value = Step> {
    let at = 0..NAMES.len();
    let number = 0..9_i64;
    prop_oneof![
        5 => (at.clone(), vec(any::<u8>(), 1..40), of(1..5), of(number.clone()))
            .prop_map(|(at, bytes, keep, expected)| Step::Put { at, bytes, keep, expected }),
        4 => (at.clone(), of(number.clone())).prop_map(|(at, version)| Step::Get(at, version)),
        2 => (at, of(number)).prop_map(|(at, version)| Step::Delete(at, version)),
        1 => "(db?|db/|s|x|)".prop_map(Step::List),
    ]
}

/// A name that was ever used.
#[derive(Default)]
struct Model {
    is_there: bool,
    keep: usize,
    latest: i64,
    values: BTreeMap<i64, Vec<u8>>,
}

#[derive(Default)]
struct Models(BTreeMap<&'static str, Model>);

impl Models {
    fn live(&mut self, at: usize) -> Option<&mut Model> {
        self.0.get_mut(NAMES[at]).filter(|model| model.is_there)
    }

    fn put(
        &mut self,
        at: usize,
        bytes: Vec<u8>,
        keep: Option<i32>,
        expected: Option<i64>,
    ) -> Result<i64, &'static str> {
        let latest = self.live(at).map(|model| model.latest);
        match (expected, latest) {
            (Some(0), Some(_)) => return Err("already_exists"),
            (Some(wanted), latest) if wanted != latest.unwrap_or(0) => {
                return Err("precondition_failed");
            }
            _ => {}
        }
        let model = self.0.entry(NAMES[at]).or_default();
        if !model.is_there {
            model.is_there = true;
            model.keep = 10;
        }
        if let Some(keep) = keep {
            model.keep = usize::try_from(keep).unwrap();
        }
        model.latest += 1;
        model.values.insert(model.latest, bytes);
        while model.values.len() > model.keep {
            model.values.pop_first();
        }
        Ok(model.latest)
    }

    fn get(&mut self, at: usize, version: Option<i64>) -> Result<Vec<u8>, &'static str> {
        let model = self.live(at).ok_or("not_found")?;
        let number = version.unwrap_or(model.latest);
        model.values.get(&number).cloned().ok_or("not_found")
    }

    fn delete(&mut self, at: usize, version: Option<i64>) -> Result<Vec<i64>, &'static str> {
        let model = self.live(at).ok_or("not_found")?;
        let Some(number) = version else {
            model.is_there = false;
            let gone = std::mem::take(&mut model.values);
            return Ok(gone.into_keys().collect());
        };
        let gone = model.values.remove(&number).ok_or("not_found")?;
        drop(gone);
        Ok(vec![number])
    }

    fn list(&self, prefix: &str) -> Vec<&'static str> {
        let there = self.0.iter().filter(|(_, model)| model.is_there);
        there
            .map(|(name, _)| *name)
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    fn stored(&self) -> usize {
        self.0.values().map(|model| model.values.len()).sum()
    }
}

async fn compare(
    world: &World,
    tenancy: &Tenancy,
    [keeper, reader]: [&Caller; 2],
    models: &mut Models,
    step: Step,
) {
    let (node, place, told) = (&world.node, &tenancy.place, format!("{step:?}"));
    match step {
        Step::Put {
            at,
            bytes,
            keep,
            expected,
        } => {
            let mut new = value(NAMES[at], &bytes);
            new.keep = keep;
            new.expected_version = expected;
            let done = secret::put(node, keeper, place, new, None).await;
            let done = done.map(|done| done.value.version.version);
            let found = done.map_err(|error| error.code().as_str());
            assert_eq!(found, models.put(at, bytes, keep, expected), "{told}");
        }
        Step::Get(at, version) => {
            let got = secret::get(node, reader, place, &name(NAMES[at]), version).await;
            let got = got.map(|got| got.value.expose().to_vec());
            let found = got.map_err(|error| error.code().as_str());
            assert_eq!(found, models.get(at, version), "{told}");
        }
        Step::Delete(at, version) => {
            let request = DeleteRequest {
                version,
                ..DeleteRequest::default()
            };
            let done = secret::delete(node, keeper, place, &name(NAMES[at]), request).await;
            let found = done
                .map(|done| done.value.versions)
                .map_err(|error| error.code().as_str());
            assert_eq!(found, models.delete(at, version), "{told}");
        }
        Step::List(prefix) => {
            let page = secret::list(node, reader, place, &prefix, None, None).await;
            let names = page.unwrap().rows.into_iter();
            let names: Vec<String> = names.map(|secret| secret.name.to_string()).collect();
            assert_eq!(names, models.list(&prefix), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_models_and_the_vault_holds_what_it_holds() {
    const LIVES: usize = 12;
    let mut runner = TestRunner::deterministic();
    for world in World::on_each_registry().await {
        for life in 0..LIVES {
            let tenancy = world.tenant(&format!("tenant-{life}")).await;
            let (admin, place) = (&tenancy.admin, &tenancy.place);
            let keeper = world.member(admin, place, "keeper", "secret-keeper", None);
            let keeper = keeper.await;
            let reader = world.member(admin, place, "reader", "secret-reader", None);
            let reader = reader.await;
            let before = world.stored_objects().await;
            let steps = vec(step(), 60).new_tree(&mut runner).unwrap().current();
            let mut models = Models::default();
            for step in steps {
                compare(&world, &tenancy, [&keeper, &reader], &mut models, step).await;
            }
            assert_eq!(world.stored_objects().await - before, models.stored());
        }
    }
}
