//! Random operations, with full backups and segments at random moments; then any second is restored,
//! and is what a small model, which knows nothing of backups, says of that second. What holds for ever
//! holds there too.

use std::collections::{BTreeMap, BTreeSet};

use keyward_backup::{Chain, Verified};
use keyward_core::crypto_types::Algorithm;
use keyward_core::ids::TokenId;
use keyward_core::ops::key::{LifecycleRequest, RotateRequest};
use keyward_core::ops::secret::{self, DeleteRequest};
use keyward_core::ops::{backup, initialize, kek, key, token};
use keyward_core::port::registry::{KeyRef, Registry};
use keyward_core::snapshot::SnapshotSummary;
use keyward_core::time::{Clock, Timestamp};
use keyward_testkit::world::{RegistryKind, Tenancy, VaultKind, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::backups::without_the_hold;
use crate::script::{Story, activate};
use crate::secrets::{name, value};

const STEPS: usize = 40;
/// Seconds restored of each history.
const LOOKS: usize = 3;
const SECRETS: [&str; 3] = ["db/password", "smtp", "api"];

#[derive(Clone, Debug)]
enum Step {
    Create,
    Rotate(usize),
    Compromise(usize),
    RotateKek,
    Put(usize, Vec<u8>),
    Delete(usize),
    Token,
    Revoke(usize),
    Full,
    Segment,
}

fn step() -> impl Strategy<Value = Step> {
    let any_one = 0..8_usize;
    prop_oneof![
        4 => Just(Step::Create),
        5 => any_one.clone().prop_map(Step::Rotate),
        2 => any_one.clone().prop_map(Step::Compromise),
        1 => Just(Step::RotateKek),
        5 => (0..SECRETS.len(), vec(any::<u8>(), 1..20)).prop_map(|(at, it)| Step::Put(at, it)),
        2 => (0..SECRETS.len()).prop_map(Step::Delete),
        2 => Just(Step::Token),
        2 => any_one.prop_map(Step::Revoke),
        1 => Just(Step::Full),
        4 => Just(Step::Segment),
    ]
}

/// What there is at a second, and what was ever forbidden.
#[derive(Clone, Default)]
struct Model {
    /// The highest version of each key.
    keys: BTreeMap<usize, i64>,
    compromised: BTreeSet<(usize, i64)>,
    secrets: BTreeMap<&'static str, Vec<u8>>,
    tokens: usize,
    revoked: BTreeSet<usize>,
    /// By key and version, and what it opens to.
    sealed: Vec<(usize, i64, String, String)>,
}

/// A history and its seconds.
struct History {
    world: World,
    clinic: Tenancy,
    keys: Vec<KeyRef>,
    tokens: Vec<(TokenId, String)>,
    now: Model,
    seconds: Vec<(Timestamp, Model, SnapshotSummary)>,
}

impl History {
    async fn of(world: World, steps: &[Step]) -> Self {
        let clinic = world.tenant("clinic").await;
        let mut history = Self {
            world,
            clinic,
            keys: Vec::new(),
            tokens: Vec::new(),
            now: Model::default(),
            seconds: Vec::new(),
        };
        history.full().await;
        for step in steps {
            history.world.clock.advance_seconds(1);
            history.take(step).await;
            let holds = history.world.holds().await;
            let second = history.world.clock.now();
            history.seconds.push((second, history.now.clone(), holds));
        }
        history.world.clock.advance_seconds(1);
        history.segment().await;
        history
    }

    async fn full(&self) {
        let (node, root) = (&self.world.node, self.world.root());
        backup::create(node, root, None).await.unwrap();
        assert!(backup::work(node).await.unwrap());
    }

    async fn segment(&self) {
        backup::segment(&self.world.node).await.unwrap();
    }

    fn story(&self, at: usize) -> Story<'_> {
        Story {
            world: &self.world,
            tenancy: &self.clinic,
            key: self.keys[at].clone(),
        }
    }

    async fn seal(&mut self, at: usize) {
        let version = self.now.keys[&at];
        let plain = format!("{at} under {version}");
        let text = self.story(at).encrypt(&plain).await.unwrap();
        self.now.sealed.push((at, version, text, plain));
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Create => {
                let at = self.keys.len();
                let (world, clinic) = (&self.world, &self.clinic);
                let algorithm = Algorithm::Aes256GcmCommit;
                let story = Story::new(world, clinic, &format!("key-{at}"), algorithm, None).await;
                activate(&story, &clinic.operator).await.unwrap();
                let made = story.key.clone();
                self.keys.push(made);
                self.now.keys.insert(at, 1);
                self.seal(at).await;
            }
            Step::Rotate(at) if *at < self.keys.len() => self.rotate(*at).await,
            Step::Compromise(at) if *at < self.keys.len() => {
                let (node, clinic) = (&self.world.node, &self.clinic);
                let request = LifecycleRequest::default();
                let done = key::compromise(
                    node,
                    &clinic.operator,
                    &clinic.place,
                    &self.keys[*at],
                    request,
                );
                if done.await.is_ok() {
                    // Every version that there is: which of them an intruder has is not known.
                    let versions = 1..=self.now.keys[at];
                    let compromised = versions.map(|version| (*at, version));
                    self.now.compromised.extend(compromised);
                }
            }
            Step::RotateKek => {
                let (node, root) = (&self.world.node, self.world.root());
                kek::rotate(node, root, &self.clinic.place, None)
                    .await
                    .unwrap();
                while kek::rewrap_slice(node).await.unwrap().is_some() {}
            }
            Step::Put(at, bytes) => {
                let (node, clinic) = (&self.world.node, &self.clinic);
                let new = value(SECRETS[*at], bytes);
                let put = secret::put(node, &clinic.admin, &clinic.place, new, None);
                put.await.unwrap();
                self.now.secrets.insert(SECRETS[*at], bytes.clone());
            }
            Step::Delete(at) if self.now.secrets.contains_key(SECRETS[*at]) => {
                // What was never in a backup cannot be brought back by one.
                self.segment().await;
                let (node, clinic) = (&self.world.node, &self.clinic);
                let (at, request) = (name(SECRETS[*at]), DeleteRequest::default());
                let gone = secret::delete(node, &clinic.admin, &clinic.place, &at, request).await;
                assert!(gone.unwrap().value.destroyed);
                self.now.secrets.remove(at.as_str());
            }
            Step::Token => self.token().await,
            Step::Revoke(at) if *at < self.tokens.len() => {
                let (node, clinic) = (&self.world.node, &self.clinic);
                let (id, _) = &self.tokens[*at];
                let done = token::revoke(node, &clinic.admin, &clinic.place, *id, None);
                if done.await.is_ok() {
                    self.now.revoked.insert(*at);
                }
            }
            Step::Full => self.full().await,
            Step::Segment => self.segment().await,
            _ => {}
        }
    }

    async fn rotate(&mut self, at: usize) {
        let (node, clinic) = (&self.world.node, &self.clinic);
        let request = RotateRequest::default();
        let done = key::rotate(
            node,
            &clinic.operator,
            &clinic.place,
            &self.keys[at],
            request,
        );
        if let Ok(done) = done.await {
            self.now.keys.insert(at, done.value.key.latest_version);
            self.seal(at).await;
        }
    }

    async fn token(&mut self) {
        let at = self.tokens.len();
        let (world, clinic) = (&self.world, &self.clinic);
        let member = format!("app-{at}");
        let (admin, place) = (&clinic.admin, &clinic.place);
        let text = world
            .member_token(admin, place, &member, "crypto-user", None)
            .await;
        let id = world.authenticated(&text).await.token().unwrap();
        self.tokens.push((id, text));
        self.now.tokens += 1;
    }

    async fn chain(&self, to: Timestamp) -> (Verified, Vec<Verified>) {
        let chain = Chain::find(&self.world.backups, None, Some(to))
            .await
            .unwrap();
        let mut verified = Vec::new();
        for id in chain.all() {
            let one = self.world.verified(id, None).await;
            assert_eq!(one.findings, []);
            verified.push(one);
        }
        let full = verified.remove(0);
        (full, verified)
    }

    /// Restores a second and compares.
    async fn look_at(&self, second: usize) {
        let (to, model, holds) = &self.seconds[second];
        let (full, segments) = self.chain(*to).await;
        let kind = if self.world.is_postgres() {
            RegistryKind::Sqlite
        } else {
            RegistryKind::Postgres
        };
        let blank = self.world.blank(kind, VaultKind::Files).await;
        let restored = self
            .world
            .restore_to(&full, &segments, Some(*to), &blank, false, false)
            .await
            .unwrap();
        assert_eq!(restored.restored_revision, holds.header.revision);
        if restored.facts == 0 {
            let now = blank.holds().await;
            assert_eq!(
                without_the_hold(&now),
                without_the_hold(holds),
                "row for row"
            );
        }
        let other = self.world.on_restored(blank).await;
        self.compare_keys(&other, model).await;
        self.compare_secrets(&other, model).await;
        self.compare_tokens(&other, model).await;
    }

    async fn compare_keys(&self, other: &World, model: &Model) {
        let found = other.registry.all_keys(None, 1_000).await.unwrap();
        assert_eq!(found.rows.len(), model.keys.len());
        for (at, latest) in &model.keys {
            let clinic = &self.clinic;
            let now = key::read(&other.node, &clinic.admin, &clinic.place, &self.keys[*at]).await;
            let now = now.unwrap();
            assert_eq!(now.versions.len() as i64, *latest);
            assert_eq!(now.key.primary_version, *latest);
            // No number that was ever given is given again.
            assert!(now.key.latest_version >= self.now.keys[at]);
            for version in &now.versions {
                let is_compromised = self.now.compromised.contains(&(*at, version.version));
                assert_eq!(version.state.name() == "compromised", is_compromised);
            }
        }
        for (at, version, text, plain) in &model.sealed {
            let key = self.keys[*at].clone();
            let tenancy = &self.clinic;
            let story = Story {
                world: other,
                tenancy,
                key,
            };
            let opened = story.decrypt(text).await;
            if self.now.compromised.contains(&(*at, *version)) {
                assert!(opened.is_err());
            } else {
                assert_eq!(opened.unwrap(), *plain);
            }
        }
    }

    async fn compare_secrets(&self, other: &World, model: &Model) {
        let system = initialize::system_caller(&other.node).unwrap();
        for at in SECRETS {
            let place = &self.clinic.place;
            let got = secret::get(&other.node, &system, place, &name(at), None).await;
            let got = got.ok().map(|got| got.value.expose().to_vec());
            assert_eq!(got.as_ref(), model.secrets.get(at), "{at}");
        }
    }

    async fn compare_tokens(&self, other: &World, model: &Model) {
        for (at, (id, _)) in self.tokens.iter().enumerate() {
            let found = other.registry.token(*id).await.unwrap();
            assert_eq!(found.is_some(), at < model.tokens);
            let is_revoked = found.is_some_and(|token| token.revoked_at.is_some());
            assert_eq!(
                is_revoked,
                at < model.tokens && self.now.revoked.contains(&at)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i09_any_second_of_a_random_history_is_restored_and_what_holds_for_ever_holds() {
    let mut runner = TestRunner::deterministic();
    for world in World::on_each_registry().await {
        let steps = vec(step(), STEPS..STEPS + 1).new_tree(&mut runner).unwrap();
        let steps = steps.current();
        let looks = vec(0..STEPS, LOOKS..LOOKS + 1)
            .new_tree(&mut runner)
            .unwrap();
        let looks = looks.current();
        // Shown if it fails.
        println!("{steps:?}\nlooked at: {looks:?}");
        let history = History::of(world, &steps).await;
        for second in looks {
            history.look_at(second).await;
        }
    }
}
