//! Invariant 7 as a model-based property: random lifecycles against a small model that is written
//! from the design's words and knows nothing of the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::change::{Row, Write, WriteKind};
use keyward_core::crypto_types::Algorithm;
use keyward_core::ids::{KeyId, TenantId, VersionId};
use keyward_core::lifecycle::{Circumstance, Draft, NewVersion, Which};
use keyward_core::names::{CorrelationId, KeyName};
use keyward_core::noun::history::Transition;
use keyward_core::noun::key::{Key, Origin, ProviderKind, Restrictions};
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::Digest;
use keyward_core::port::registry::KeyWithVersions;
use keyward_core::time::Timestamp;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const WINDOW: i64 = 3_600;

#[derive(Clone, Copy, Debug)]
enum Step {
    Activate,
    Suspend,
    Resume,
    Rotate,
    EmergencyRotate,
    RollBack,
    Expire,
    Renew,
    Retire,
    Compromise(u8),
    CompromiseAll,
    Schedule(u8),
    ScheduleAll,
    Cancel,
    Destroy(u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Activate),
        2 => Just(Step::Suspend),
        2 => Just(Step::Resume),
        4 => Just(Step::Rotate),
        1 => Just(Step::EmergencyRotate),
        3 => Just(Step::RollBack),
        1 => Just(Step::Expire),
        2 => Just(Step::Renew),
        1 => Just(Step::Retire),
        1 => (1..6u8).prop_map(Step::Compromise),
        1 => Just(Step::CompromiseAll),
        2 => (1..6u8).prop_map(Step::Schedule),
        1 => Just(Step::ScheduleAll),
        2 => Just(Step::Cancel),
        2 => (1..6u8).prop_map(Step::Destroy),
        3 => (0..5_000u16).prop_map(Step::Wait),
    ]
}

/// The model: states by number, who is primary, who may still be undone until when.
#[derive(Clone, Default)]
struct Model {
    states: BTreeMap<i64, (State, Option<State>)>,
    parents: BTreeMap<i64, i64>,
    primary: i64,
    undo_until: Option<Timestamp>,
    due: BTreeMap<i64, Timestamp>,
    retire_at: BTreeMap<i64, Timestamp>,
    overlap: i64,
}

impl Model {
    fn new(overlap: i64) -> Self {
        let states = BTreeMap::from([(1, (State::Pending, None))]);
        Self {
            states,
            primary: 1,
            overlap,
            ..Self::default()
        }
    }

    fn state(&self, version: i64) -> Option<State> {
        self.states.get(&version).map(|(state, _)| *state)
    }

    fn all(&self, wanted: &[State]) -> Vec<i64> {
        self.states
            .iter()
            .filter(|(_, (s, _))| wanted.contains(s))
            .map(|(v, _)| *v)
            .collect()
    }

    fn set(&mut self, version: i64, state: State) {
        self.states.insert(version, (state, None));
    }

    fn tick(&mut self, now: Timestamp) {
        let due: Vec<i64> = self
            .retire_at
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(v, _)| *v)
            .collect();
        for version in due {
            // A version on hold keeps its end: resumed after it, it retires at once.
            if self.state(version) == Some(State::Active) {
                self.retire_at.remove(&version);
                self.set(version, State::Rotated);
            }
        }
    }

    /// Moves every version in `from` to `to`; refuses if there is none.
    fn move_all(&mut self, from: &[State], to: State) -> bool {
        let found = self.all(from);
        for version in &found {
            self.set(*version, to);
        }
        !found.is_empty()
    }

    fn compromise(&mut self, version: i64) -> bool {
        let Some((state, before)) = self.states.get(&version).copied() else {
            return false;
        };
        let next = match state {
            State::PendingDestruction if before != Some(State::Compromised) => {
                (State::PendingDestruction, Some(State::Compromised))
            }
            State::Destroyed => (State::DestroyedCompromised, None),
            State::Compromised | State::PendingDestruction | State::DestroyedCompromised => {
                return false;
            }
            _ => (State::Compromised, None),
        };
        self.states.insert(version, next);
        self.retire_at.remove(&version);
        if version == self.primary {
            self.undo_until = None;
        }
        true
    }

    fn schedule(&mut self, versions: &[i64], now: Timestamp) -> bool {
        let fits = |state| {
            matches!(
                state,
                State::Pending
                    | State::Inactive
                    | State::Rotated
                    | State::Expired
                    | State::Compromised
            )
        };
        if versions.is_empty() || !versions.iter().all(|v| self.state(*v).is_some_and(fits)) {
            return false;
        }
        for version in versions {
            let before = self.state(*version).unwrap();
            self.states
                .insert(*version, (State::PendingDestruction, Some(before)));
            let wait = if before == State::Pending {
                0
            } else {
                7 * 86_400
            };
            self.due.insert(*version, now.plus_seconds(wait));
            if *version == self.primary {
                self.undo_until = None;
            }
        }
        true
    }

    fn apply(&mut self, step: Step, now: Timestamp) -> bool {
        self.tick(now);
        let primary = self.primary;
        let primary_state = self.state(primary).unwrap();
        match step {
            Step::Activate => self.move_all(&[State::Pending], State::Active),
            Step::Suspend => self.move_all(&[State::Active], State::Inactive),
            Step::Resume => self.move_all(&[State::Inactive], State::Active),
            Step::Expire if primary_state == State::Active => {
                self.set(primary, State::Expired);
                true
            }
            Step::Renew if matches!(primary_state, State::Expired | State::Active) => {
                self.set(primary, State::Active);
                true
            }
            Step::Retire => {
                let moved = self.move_all(&[State::Active, State::Inactive], State::Rotated);
                if moved {
                    self.undo_until = None;
                    self.retire_at.clear();
                }
                moved
            }
            Step::Rotate | Step::EmergencyRotate => {
                let emergency = matches!(step, Step::EmergencyRotate);
                self.rotate(emergency, now)
            }
            Step::RollBack => self.roll_back(now),
            Step::Compromise(version) => self.compromise(i64::from(version)),
            Step::CompromiseAll => {
                let versions: Vec<i64> = self.states.keys().copied().collect();
                versions
                    .into_iter()
                    .filter(|version| self.compromise(*version))
                    .count()
                    > 0
            }
            Step::Schedule(version) => self.schedule(&[i64::from(version)], now),
            Step::ScheduleAll => {
                let with_material: Vec<i64> = self
                    .states
                    .iter()
                    .filter(|(_, (s, _))| !s.is_destroyed() && *s != State::PendingDestruction)
                    .map(|(v, _)| *v)
                    .collect();
                self.schedule(&with_material, now)
            }
            Step::Cancel => {
                let waiting = self.all(&[State::PendingDestruction]);
                for version in &waiting {
                    let before = self.states[version].1.unwrap();
                    self.set(*version, before);
                    self.due.remove(version);
                }
                !waiting.is_empty()
            }
            Step::Destroy(version) => {
                let version = i64::from(version);
                match self.states.get(&version) {
                    Some((State::PendingDestruction, Some(before)))
                        if self.due.get(&version).is_some_and(|due| *due <= now) =>
                    {
                        let gone = if *before == State::Compromised {
                            State::DestroyedCompromised
                        } else {
                            State::Destroyed
                        };
                        self.set(version, gone);
                        true
                    }
                    _ => false,
                }
            }
            Step::Expire | Step::Renew | Step::Wait(_) => false,
        }
    }

    fn rotate(&mut self, emergency: bool, now: Timestamp) -> bool {
        let old = self.primary;
        let state = self.state(old).unwrap();
        let refused = match state {
            State::Pending => !emergency,
            State::PendingDestruction | State::Destroyed | State::DestroyedCompromised => true,
            _ => false,
        };
        if refused {
            return false;
        }
        let new = self.states.keys().max().unwrap() + 1;
        self.set(new, State::Active);
        self.parents.insert(new, old);
        self.primary = new;
        self.undo_until = None;
        if emergency {
            self.compromise(old);
        } else if matches!(state, State::Active | State::Inactive) {
            self.undo_until = Some(now.plus_seconds(WINDOW));
            if state == State::Active && self.overlap > 0 {
                self.retire_at.insert(old, now.plus_seconds(self.overlap));
            } else {
                self.set(old, State::Rotated);
            }
        }
        true
    }

    fn roll_back(&mut self, now: Timestamp) -> bool {
        let child = self.primary;
        let Some(parent) = self.parents.get(&child).copied() else {
            return false;
        };
        if self.undo_until.is_none_or(|until| until <= now) {
            return false;
        }
        if !matches!(self.state(parent), Some(State::Active | State::Rotated)) {
            return false;
        }
        self.set(parent, State::Active);
        self.retire_at.remove(&parent);
        if matches!(self.state(child), Some(State::Active | State::Inactive)) {
            self.set(child, State::Rotated);
        }
        self.primary = parent;
        self.undo_until = None;
        true
    }
}

fn new_key(overlap: i64) -> KeyWithVersions {
    let tenant = TenantId::from_random([1; 16]);
    let id = KeyId::from_random([2; 16]);
    let key = Key {
        id,
        tenant,
        name: KeyName::new("payments").unwrap(),
        description: String::new(),
        purpose: String::new(),
        owner: String::new(),
        data_class: None,
        algorithm: Algorithm::Aes256GcmCommit,
        usages: keyward_core::crypto_types::UsageSet::default(),
        provider: ProviderKind::Native,
        origin: Origin::Generated,
        public_only: false,
        restrictions: Restrictions {
            exportable: false,
            deterministic: false,
            process_after_expiry: true,
            use_limit: None,
        },
        authorized_services: BTreeSet::new(),
        access_policy: BTreeMap::new(),
        compliance_tags: BTreeSet::new(),
        tags: BTreeMap::new(),
        rotation_policy: None,
        rollback_window_seconds: WINDOW,
        overlap_seconds: overlap,
        primary_version: 1,
        latest_version: 1,
        created_by: None,
        created_at: START,
        updated_at: START,
        etag: 1,
    };
    let version = row(&key, 1);
    KeyWithVersions {
        key,
        versions: vec![version],
    }
}

fn row(key: &Key, version: i64) -> KeyVersion {
    KeyVersion {
        id: VersionId::from_random([u8::try_from(version % 250).unwrap(); 16]),
        tenant: key.tenant,
        key: key.id,
        version,
        parent_version: None,
        state: State::Pending,
        state_before: None,
        algorithm: key.algorithm,
        size_bits: 256,
        strength_bits: 256,
        provider: key.provider,
        provider_key_id: format!("record-{version}"),
        region: None,
        endpoint: None,
        record_digest: None,
        fingerprint: Digest([0; 32]),
        public_key: None,
        provenance: None,
        can_roll_back: false,
        rollback_expires_at: None,
        retire_at: None,
        promotion_count: 1,
        created_by: None,
        rotated_by: None,
        correlation_id: CorrelationId::new("test").unwrap(),
        created_at: START,
        updated_at: START,
        activated_at: None,
        expires_at: None,
        rotated_at: None,
        compromised_at: None,
        destroy_at: None,
        destroying: false,
        destroyed_at: None,
        etag: 1,
    }
}

fn draft(current: &KeyWithVersions, now: Timestamp) -> Draft {
    let at = Circumstance {
        now,
        principal: None,
        token: None,
        reason: None,
        correlation_id: CorrelationId::new("test").unwrap(),
    };
    Draft::new(current.clone(), at, Box::new(|| [0; 8]))
}

fn run(draft: &mut Draft, step: Step, now: Timestamp) -> Result<(), keyward_core::error::OpError> {
    match step {
        Step::Activate => draft.activate(Which::Default),
        Step::Suspend => draft.suspend(Which::Default),
        Step::Resume => draft.resume(Which::Default),
        Step::Expire => draft.expire(Which::Default),
        Step::Renew => draft.renew(Which::Default, None),
        Step::Retire => draft.retire(Which::Default),
        Step::Compromise(version) => draft.compromise(Which::Version(version.into())),
        Step::CompromiseAll => draft.compromise(Which::Default),
        Step::Schedule(version) => {
            draft.schedule_destruction(Which::Version(version.into()), now.plus_seconds(7 * 86_400))
        }
        Step::ScheduleAll => {
            draft.schedule_destruction(Which::Default, now.plus_seconds(7 * 86_400))
        }
        Step::Cancel => draft.cancel_destruction(Which::Default),
        Step::Destroy(version) => {
            draft.begin_destruction(version.into())?;
            draft.complete_destruction(version.into())
        }
        Step::RollBack => draft.roll_back(),
        Step::Rotate | Step::EmergencyRotate => {
            let number = draft.key().latest_version + 1;
            let row = row(draft.key(), number);
            let rollback_expires_at = Some(now.plus_seconds(WINDOW));
            let emergency = matches!(step, Step::EmergencyRotate);
            draft.rotate(
                NewVersion {
                    row,
                    rollback_expires_at,
                },
                emergency,
            )
        }
        Step::Wait(_) => Ok(()),
    }
}

/// What must hold of any key at any time.
fn check(current: &KeyWithVersions, history: &[Transition]) {
    let numbers: Vec<i64> = current.versions.iter().map(|v| v.version).collect();
    let expected: Vec<i64> = (1..=current.key.latest_version).collect();
    assert_eq!(numbers, expected, "every number is made once, in order");
    assert!(numbers.contains(&current.key.primary_version));
    for version in &current.versions {
        let waiting = version.state == State::PendingDestruction;
        assert_eq!(waiting, version.state_before.is_some());
        assert_eq!(
            waiting,
            version.destroy_at.is_some() && !version.state.is_destroyed()
        );
        assert_eq!(version.state.is_destroyed(), version.destroyed_at.is_some());
        assert!(
            version
                .parent_version
                .is_none_or(|parent| parent < version.version)
        );
        // The history of each version is a straight line that ends in its state.
        let mut state = None;
        for step in history
            .iter()
            .filter(|step| step.version == version.version)
        {
            if step.event != "rotate" {
                assert!(
                    step.from_state == state || state.is_none(),
                    "{step:?} after {state:?}"
                );
            }
            state = Some(step.to_state);
        }
        assert_eq!(state.unwrap_or(State::Pending), version.state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn i07_random_lifecycles_follow_the_model(
        steps in proptest::collection::vec(step(), 1..60),
        overlap in prop_oneof![Just(0_i64), Just(600)],
    ) {
        let mut current = new_key(overlap);
        let mut model = Model::new(overlap);
        let mut history: Vec<Transition> = Vec::new();
        let mut now = START;
        for step in steps {
            if let Step::Wait(seconds) = step {
                // Some waits are long enough for a destruction to fall due.
                let days = i64::from(seconds % 5) * 2 * 86_400;
                now = now.plus_seconds(i64::from(seconds) + days);
                continue;
            }
            let mut draft = draft(&current, now);
            let mut after = model.clone();
            let allowed = after.apply(step, now);
            let outcome = run(&mut draft, step, now);
            prop_assert_eq!(outcome.is_ok(), allowed, "{:?}: {:?}", step, outcome.err());
            if !allowed {
                continue; // A refused operation changes nothing.
            }
            model = after;
            let (next, writes) = draft.finish();
            prop_assert_eq!(next.key.etag, current.key.etag + 1);
            for Write { kind, row } in writes {
                match row {
                    Row::Transition(step) => {
                        prop_assert_eq!(kind, WriteKind::Insert);
                        history.push(step);
                    }
                    Row::KeyVersion(row) if kind == WriteKind::Update => {
                        let before = current.versions.iter().find(|v| v.version == row.version);
                        prop_assert_eq!(row.etag, before.unwrap().etag + 1);
                    }
                    _ => {}
                }
            }
            current = next;
            prop_assert_eq!(current.key.primary_version, model.primary);
            for version in &current.versions {
                let expected = model.states[&version.version];
                prop_assert_eq!((version.state, version.state_before), expected, "{:?}", step);
            }
            check(&current, &history);
        }
    }
}
