//! The one table of key version states: which event leads where, and what a state allows.
//!
//! From NIST SP 800-57 part 1 section 7 and KMIP 2.1 section 4.57, with the names that users of
//! key tables know. Everything else asks this table; nothing else decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a key version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, not yet in use.
    Pending,
    /// In use: protects and processes.
    Active,
    /// Suspended: neither protects nor processes.
    Inactive,
    /// Replaced by a later version: processes only.
    Rotated,
    /// Past its cryptoperiod: processes, unless its restrictions say no.
    Expired,
    /// Known or suspected to be known to others.
    Compromised,
    /// Waits for its destruction, which can still be cancelled.
    PendingDestruction,
    /// Its material is gone.
    Destroyed,
    /// Its material is gone, and was compromised before.
    DestroyedCompromised,
}

/// What can happen to a key version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// First use allowed.
    Activate,
    /// Put on hold.
    Suspend,
    /// Taken off hold.
    Resume,
    /// Replaced, or revoked for another reason than compromise.
    Retire,
    /// Its cryptoperiod ended.
    Expire,
    /// Its cryptoperiod was extended.
    Renew,
    /// A rotation was undone: this version, the parent, protects again.
    RollBack,
    /// Others know it, or may.
    Compromise,
    /// Its destruction was asked for.
    ScheduleDestruction,
    /// Its destruction was called off.
    CancelDestruction,
    /// Its material was deleted and seen to be gone.
    Destroy,
}

/// The kind of use that a state may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UseKind {
    /// Encrypt, sign, MAC, wrap, encapsulate, derive, generate data key.
    Protect,
    /// Decrypt, verify, verify MAC, unwrap, decapsulate.
    Process,
}

/// What a state says to a kind of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Allowed.
    Yes,
    /// Allowed unless the key's restrictions forbid processing after expiry.
    UnlessForbiddenAfterExpiry,
    /// Allowed only to who may use compromised keys, and flagged in the audit log.
    WithCompromisedPermission,
    /// Refused.
    No,
}

/// A state together with the one that a pending destruction will fall back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    state: State,
    before: Option<State>,
}

/// An event that the present state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a version that is {state} cannot {event}; allowed now: {}",
    list(allowed)
)]
pub struct IllegalTransition {
    /// The present state.
    pub state: State,
    /// The event that was refused.
    pub event: Event,
    /// The events that would be accepted.
    pub allowed: Vec<Event>,
}

fn list(events: &[Event]) -> String {
    if events.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<&str> = events.iter().map(|event| event.name()).collect();
    names.join(", ")
}

/// `(state, event) → state`: every transition there is, but for those of `PendingDestruction`,
/// which depend on the state before and stand in [`Standing::after`].
pub const TRANSITIONS: &[(State, Event, State)] = {
    use Event as E;
    use State as S;
    &[
        (S::Pending, E::Activate, S::Active),
        (S::Pending, E::Compromise, S::Compromised),
        (S::Pending, E::ScheduleDestruction, S::PendingDestruction),
        (S::Active, E::Suspend, S::Inactive),
        (S::Active, E::Retire, S::Rotated),
        (S::Active, E::Expire, S::Expired),
        (S::Active, E::Compromise, S::Compromised),
        (S::Inactive, E::Resume, S::Active),
        (S::Inactive, E::Retire, S::Rotated),
        (S::Inactive, E::Compromise, S::Compromised),
        (S::Inactive, E::ScheduleDestruction, S::PendingDestruction),
        (S::Rotated, E::RollBack, S::Active),
        (S::Rotated, E::Compromise, S::Compromised),
        (S::Rotated, E::ScheduleDestruction, S::PendingDestruction),
        (S::Expired, E::Renew, S::Active),
        (S::Expired, E::Compromise, S::Compromised),
        (S::Expired, E::ScheduleDestruction, S::PendingDestruction),
        (
            S::Compromised,
            E::ScheduleDestruction,
            S::PendingDestruction,
        ),
        (S::Destroyed, E::Compromise, S::DestroyedCompromised),
    ]
};

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Active,
        Self::Inactive,
        Self::Rotated,
        Self::Expired,
        Self::Compromised,
        Self::PendingDestruction,
        Self::Destroyed,
        Self::DestroyedCompromised,
    ];

    /// The name in the registry, the API and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Rotated => "rotated",
            Self::Expired => "expired",
            Self::Compromised => "compromised",
            Self::PendingDestruction => "pending_destruction",
            Self::Destroyed => "destroyed",
            Self::DestroyedCompromised => "destroyed_compromised",
        }
    }

    /// What this state says to a kind of use.
    pub const fn allows(self, kind: UseKind) -> Verdict {
        match (self, kind) {
            (Self::Active, _) | (Self::Rotated, UseKind::Process) => Verdict::Yes,
            (Self::Expired, UseKind::Process) => Verdict::UnlessForbiddenAfterExpiry,
            (Self::Compromised, UseKind::Process) => Verdict::WithCompromisedPermission,
            _ => Verdict::No,
        }
    }

    /// Whether nothing takes it back: no restore does.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Compromised) || self.is_destroyed()
    }

    /// Whether the material is gone.
    pub const fn is_destroyed(self) -> bool {
        matches!(self, Self::Destroyed | Self::DestroyedCompromised)
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 11] = [
        Self::Activate,
        Self::Suspend,
        Self::Resume,
        Self::Retire,
        Self::Expire,
        Self::Renew,
        Self::RollBack,
        Self::Compromise,
        Self::ScheduleDestruction,
        Self::CancelDestruction,
        Self::Destroy,
    ];

    /// The name in history and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Retire => "retire",
            Self::Expire => "expire",
            Self::Renew => "renew",
            Self::RollBack => "roll_back",
            Self::Compromise => "compromise",
            Self::ScheduleDestruction => "schedule_destruction",
            Self::CancelDestruction => "cancel_destruction",
            Self::Destroy => "destroy",
        }
    }
}

impl Standing {
    /// A standing as read from the registry.
    pub const fn new(state: State, before: Option<State>) -> Self {
        Self { state, before }
    }

    /// The state.
    pub const fn state(self) -> State {
        self.state
    }

    /// The state that a cancelled destruction returns to; set in `PendingDestruction` only.
    pub const fn before(self) -> Option<State> {
        self.before
    }

    /// The standing after an event, or why there is none.
    pub fn after(self, event: Event) -> Result<Self, IllegalTransition> {
        self.lookup(event).ok_or_else(|| IllegalTransition {
            state: self.state,
            event,
            allowed: self.allowed(),
        })
    }

    /// The events this standing accepts.
    pub fn allowed(self) -> Vec<Event> {
        Event::ALL
            .into_iter()
            .filter(|event| self.lookup(*event).is_some())
            .collect()
    }

    fn lookup(self, event: Event) -> Option<Self> {
        if self.state == State::PendingDestruction {
            let before = self.before?;
            return match event {
                Event::CancelDestruction => Some(Self::new(before, None)),
                Event::Compromise if before != State::Compromised => Some(Self::new(
                    State::PendingDestruction,
                    Some(State::Compromised),
                )),
                Event::Destroy if before == State::Compromised => {
                    Some(Self::new(State::DestroyedCompromised, None))
                }
                Event::Destroy => Some(Self::new(State::Destroyed, None)),
                _ => None,
            };
        }
        let (_, _, next) = TRANSITIONS
            .iter()
            .find(|(from, on, _)| *from == self.state && *on == event)?;
        let before = (*next == State::PendingDestruction).then_some(self.state);
        Some(Self::new(*next, before))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key version state")]
pub struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or(UnknownState)
    }
}

impl FromStr for Event {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|event| event.name() == text)
            .ok_or(UnknownState)
    }
}
