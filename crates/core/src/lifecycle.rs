//! What a lifecycle operation does to a key and its versions: pure, from rows to rows.
//!
//! Every state change goes through [`Draft::transition`], which asks the state table.

use std::collections::BTreeSet;

use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{PrincipalId, TokenId, TransitionId};
use crate::names::CorrelationId;
use crate::noun::history::Transition;
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::{Event, State};
use crate::port::registry::KeyWithVersions;
use crate::time::Timestamp;

mod destruction;
mod rotation;

pub use rotation::NewVersion;

/// Who does it, when, and why: what every transition records (NIST SP 800-57 part 1, section 7).
#[derive(Clone, Debug)]
pub struct Circumstance {
    /// When.
    pub now: Timestamp,
    /// Who; none when the clock does it.
    pub principal: Option<PrincipalId>,
    /// By which token.
    pub token: Option<TokenId>,
    /// Why.
    pub reason: Option<String>,
    /// The request.
    pub correlation_id: CorrelationId,
}

/// Ids of history rows sort as the key's changes were committed, whatever the clocks of the nodes
/// say: the key's row version after the change (48 bits), the place in it (12 bits), and random
/// bits; a UUID of version 8 (RFC 9562 section 5.8).
pub(crate) fn transition_id(etag: i64, place: usize, entropy: [u8; 8]) -> TransitionId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&etag.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(
        &u16::try_from(place & 0x0fff)
            .unwrap_or(0x0fff)
            .to_be_bytes(),
    );
    bytes[8..].copy_from_slice(&entropy);
    TransitionId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Which versions an operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// What the operation acts on when nothing is said.
    Default,
    /// One version.
    Version(i64),
}

/// A key under change: edits collect here and leave as the writes of one commit.
pub struct Draft {
    key: Key,
    versions: Vec<KeyVersion>,
    key_touched: bool,
    touched: BTreeSet<i64>,
    inserted: BTreeSet<i64>,
    transitions: Vec<Transition>,
    at: Circumstance,
    entropy: Box<dyn FnMut() -> [u8; 8] + Send>,
}

impl Draft {
    /// Begins with what the registry holds. `entropy` makes ids of history rows unguessable.
    pub fn new(
        current: KeyWithVersions,
        at: Circumstance,
        entropy: Box<dyn FnMut() -> [u8; 8] + Send>,
    ) -> Self {
        let mut draft = Self {
            key: current.key,
            versions: current.versions,
            key_touched: false,
            touched: BTreeSet::new(),
            inserted: BTreeSet::new(),
            transitions: Vec::new(),
            at,
            entropy,
        };
        draft.catch_up_with_the_clock();
        draft
    }

    /// What the clock decided and the registry was not told yet comes first, so that no operation
    /// starts from a state that has already ended.
    fn catch_up_with_the_clock(&mut self) {
        let now = self.at.now;
        let due: Vec<(i64, Event)> = self
            .versions
            .iter()
            .filter_map(|version| match (version.state, version.state_at(now)) {
                (State::Active, State::Expired) => Some((version.version, Event::Expire)),
                (State::Active, State::Rotated) => Some((version.version, Event::Retire)),
                _ => None,
            })
            .collect();
        for (version, event) in due {
            // The table allows both from `active`; were it ever not to, the state stays as it is.
            let _ = self.transition(version, event);
        }
    }

    /// The key as it will be.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The versions as they will be.
    pub fn versions(&self) -> &[KeyVersion] {
        &self.versions
    }

    /// Whether anything changed.
    pub fn is_unchanged(&self) -> bool {
        !self.key_touched && self.touched.is_empty() && self.inserted.is_empty()
    }

    /// The rows for the registry, each with its etag raised by one, and the key as it will be.
    pub fn finish(mut self) -> (KeyWithVersions, Vec<Write>) {
        let mut writes = Vec::new();
        // Every change of a version is a change of its key: one row on which all writers of one
        // key meet, so that they serialise (invariant 7).
        if !self.is_unchanged() {
            self.key.etag += 1;
            self.key.updated_at = self.at.now;
            writes.push(Write::update(Row::Key(Box::new(self.key.clone()))));
        }
        for version in &mut self.versions {
            if self.inserted.contains(&version.version) {
                writes.push(Write::insert(Row::KeyVersion(Box::new(version.clone()))));
            } else if self.touched.contains(&version.version) {
                version.etag += 1;
                writes.push(Write::update(Row::KeyVersion(Box::new(version.clone()))));
            }
        }
        writes.extend(
            self.transitions
                .into_iter()
                .map(|transition| Write::insert(Row::Transition(transition))),
        );
        (
            KeyWithVersions {
                key: self.key,
                versions: self.versions,
            },
            writes,
        )
    }

    /// One version, if it is there.
    pub fn version(&self, number: i64) -> Result<&KeyVersion, OpError> {
        self.versions
            .iter()
            .find(|version| version.version == number)
            .ok_or(OpError::NotFound {
                what: "key version",
            })
    }

    fn version_mut(&mut self, number: i64) -> Result<&mut KeyVersion, OpError> {
        self.touched.insert(number);
        self.versions
            .iter_mut()
            .find(|version| version.version == number)
            .ok_or(OpError::NotFound {
                what: "key version",
            })
    }

    /// The primary version.
    pub fn primary(&self) -> Result<&KeyVersion, OpError> {
        self.version(self.key.primary_version)
    }

    /// Edits the key's own fields.
    pub fn edit_key(&mut self, edit: impl FnOnce(&mut Key)) {
        edit(&mut self.key);
        self.key_touched = true;
    }

    /// Changes a version's state by the table, stamps its dates, and records the transition.
    pub fn transition(&mut self, number: i64, event: Event) -> Result<(), OpError> {
        let at = self.at.clone();
        let before = self.version(number)?.state;
        let next = self
            .version(number)?
            .standing()
            .after(event)
            .map_err(|source| OpError::Transition {
                version: number,
                source,
            })?;
        let version = self.version_mut(number)?;
        version.state = next.state();
        version.state_before = next.before();
        version.updated_at = at.now;
        version.correlation_id = at.correlation_id.clone();
        match event {
            Event::Activate => version.activated_at = Some(at.now),
            Event::Retire => {
                version.rotated_at.get_or_insert(at.now);
                version.retire_at = None;
            }
            Event::Compromise => {
                version.compromised_at = Some(at.now);
                version.retire_at = None;
                version.can_roll_back = false;
            }
            Event::RollBack => {
                version.rotated_at = None;
                version.rotated_by = None;
            }
            Event::CancelDestruction => version.destroy_at = None,
            Event::Destroy => {
                version.destroyed_at = Some(at.now);
                version.destroying = false;
            }
            Event::Suspend
            | Event::Resume
            | Event::Expire
            | Event::Renew
            | Event::ScheduleDestruction => {}
        }
        self.record(number, event.name(), Some(before), next.state());
        Ok(())
    }

    fn record(&mut self, version: i64, event: &str, from: Option<State>, to: State) {
        let id = transition_id(self.key.etag + 1, self.transitions.len(), (self.entropy)());
        self.transitions.push(Transition {
            id,
            tenant: self.key.tenant,
            key: self.key.id,
            version,
            event: event.to_owned(),
            from_state: from,
            to_state: to,
            primary_version: self.key.primary_version,
            at: self.at.now,
            principal: self.at.principal,
            token: self.at.token,
            reason: self.at.reason.clone(),
            correlation_id: self.at.correlation_id.clone(),
        });
    }

    /// The first history row of a key just made.
    pub fn record_creation(&mut self) {
        self.key_touched = true;
        self.record(1, "create", None, State::Pending);
    }

    fn numbers_in(&self, state: State) -> Vec<i64> {
        self.versions
            .iter()
            .filter(|version| version.state == state)
            .map(|version| version.version)
            .collect()
    }

    /// Applies an event to one version, or to every version in `state`; with none there, to the
    /// primary, so that the refusal names its state.
    fn each_in(&mut self, which: Which, state: State, event: Event) -> Result<(), OpError> {
        let numbers = match which {
            Which::Version(number) => vec![number],
            Which::Default => {
                let found = self.numbers_in(state);
                if found.is_empty() {
                    vec![self.key.primary_version]
                } else {
                    found
                }
            }
        };
        numbers
            .into_iter()
            .try_for_each(|number| self.transition(number, event))
    }

    fn number(&self, which: Which) -> i64 {
        match which {
            Which::Default => self.key.primary_version,
            Which::Version(number) => number,
        }
    }

    /// Puts a pending version into use.
    pub fn activate(&mut self, which: Which) -> Result<(), OpError> {
        self.each_in(which, State::Pending, Event::Activate)
    }

    /// Puts one version, or every active one, on hold.
    pub fn suspend(&mut self, which: Which) -> Result<(), OpError> {
        self.each_in(which, State::Active, Event::Suspend)
    }

    /// Takes one version, or every one on hold, off hold.
    pub fn resume(&mut self, which: Which) -> Result<(), OpError> {
        self.each_in(which, State::Inactive, Event::Resume)
    }

    /// Ends the cryptoperiod of one version (the primary by default) now.
    pub fn expire(&mut self, which: Which) -> Result<(), OpError> {
        let number = self.number(which);
        self.transition(number, Event::Expire)?;
        let now = self.at.now;
        self.version_mut(number)?.expires_at = Some(now);
        Ok(())
    }

    /// Extends the cryptoperiod of an expired version, or of an active one before it ends.
    pub fn renew(&mut self, which: Which, expires_at: Option<Timestamp>) -> Result<(), OpError> {
        let now = self.at.now;
        if expires_at.is_some_and(|end| end <= now) {
            return Err(OpError::invalid("expires_at", "must be in the future"));
        }
        let number = self.number(which);
        if self.version(number)?.state == State::Active {
            let version = self.version_mut(number)?;
            version.updated_at = now;
        } else {
            self.transition(number, Event::Renew)?;
            // A version that is not the primary comes back to process and, by number, to protect
            // for what is left of its overlap; it never becomes primary by being renewed.
        }
        self.version_mut(number)?.expires_at = expires_at;
        Ok(())
    }

    /// Revokes for another reason than compromise: what is active or on hold stops protecting and
    /// the last rotation can no longer be undone.
    pub fn retire(&mut self, which: Which) -> Result<(), OpError> {
        let numbers = match which {
            Which::Version(number) => vec![number],
            Which::Default => {
                let mut found = self.numbers_in(State::Active);
                found.extend(self.numbers_in(State::Inactive));
                if found.is_empty() {
                    vec![self.key.primary_version]
                } else {
                    found
                }
            }
        };
        for number in numbers {
            self.transition(number, Event::Retire)?;
        }
        self.forbid_roll_back()
    }

    /// Marks one version, or every version that is not yet, compromised.
    pub fn compromise(&mut self, which: Which) -> Result<(), OpError> {
        let numbers = match which {
            Which::Version(number) => vec![number],
            Which::Default => {
                let found: Vec<i64> = self
                    .versions
                    .iter()
                    .filter(|v| v.standing().after(Event::Compromise).is_ok())
                    .map(|v| v.version)
                    .collect();
                if found.is_empty() {
                    vec![self.key.primary_version]
                } else {
                    found
                }
            }
        };
        numbers
            .into_iter()
            .try_for_each(|number| self.transition(number, Event::Compromise))
    }

    fn forbid_roll_back(&mut self) -> Result<(), OpError> {
        let open: Vec<i64> = self
            .versions
            .iter()
            .filter(|version| version.can_roll_back)
            .map(|version| version.version)
            .collect();
        for number in open {
            let version = self.version_mut(number)?;
            version.can_roll_back = false;
            version.rollback_expires_at = None;
        }
        Ok(())
    }
}
