//! Uses of keys that are counted: for each tenant, key, version, action, principal and token, by the minute.
//!
//! A count begins with an operation that is an entry of its own. Once that entry is durable, and not
//! before, as many others may be counted as it says; then, or at the minute's end, the count is closed and
//! another one begins with the next operation. So the log never lacks who used which key in which minute,
//! and what a crash takes is bounded by what the log says. Pure: nothing here writes.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::counted::Allowance;
use crate::audit::{Actor, Authentication};
use crate::ids::{KeyId, PrincipalId, TenantId, TokenId, VersionId};
use crate::noun::action::Action;
use crate::noun::state::UseKind;
use crate::time::Timestamp;

/// Operations that the first count of a minute may hold.
const FIRST: i64 = 16;
/// How many times as many the next one may.
const GROWTH: i64 = 4;
/// No count holds more. What is open when the process is killed is at most about three times what the log has
/// of that minute; what had ended is written within the second, and its number may be lost too.
const MOST: i64 = 16_384;
/// Bytes for each operation, at least; four times the first one's otherwise.
const BYTES_EACH: i64 = 4096;
/// Counts of one tenant at a time, and of all. What comes beyond is logged singly, as without counts.
const TENANT_MAX: usize = 4096;
const NODE_MAX: usize = 32_768;

/// So many calls of [`Tally::close`] end a count whatever the clock shows. Two a second come, or one where the
/// clock's other work hangs. A clock that was ahead and was set right shows the same instant until it is true.
const CALLS_MAX: u32 = 150;

const MINUTE: i64 = 60_000_000;

/// A version, and what is done with it.
pub(crate) type Line = (VersionId, u32, UseKind);

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) key: KeyId,
    /// One version; two where one protects what the other one had protected.
    pub(crate) lines: Vec<Line>,
    pub(crate) action: Action,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) token: Option<TokenId>,
    pub(crate) authentication: Authentication,
}

impl Place {
    /// Who acted. From where is told by the entry that began the count, for its own operation.
    pub(crate) const fn actor(&self) -> Actor {
        Actor {
            principal: self.principal,
            token: self.token,
            address: None,
            authentication: self.authentication,
        }
    }
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) operations: i64,
    /// Bytes protected.
    pub(crate) bytes: i64,
}

/// A count that has ended and is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) place: Place,
    /// The entry that began it.
    pub(crate) began_with: u64,
    pub(crate) amount: Amount,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

struct Window {
    began_with: u64,
    minute: i64,
    step: u32,
    /// Calls of [`Tally::close`] that it has seen.
    calls: u32,
    left: Amount,
    amount: Amount,
    from: Timestamp,
    to: Timestamp,
}

impl Window {
    /// Counts what still fits into it.
    fn takes(&mut self, minute: i64, amount: Amount, now: Timestamp) -> bool {
        let fits = self.minute == minute
            && self.left.operations >= amount.operations
            && self.left.bytes >= amount.bytes;
        if !fits {
            return false;
        }
        self.left.operations -= amount.operations;
        self.left.bytes -= amount.bytes;
        if self.amount.operations == 0 {
            (self.from, self.to) = (now, now);
        }
        self.amount.operations += amount.operations;
        self.amount.bytes += amount.bytes;
        self.from = self.from.min(now);
        self.to = self.to.max(now);
        true
    }
}

enum Slot {
    /// The entry that begins the count is on its way.
    Beginning,
    Open(Window),
}

#[derive(Default)]
struct Inner {
    slots: HashMap<Place, Slot>,
    per_tenant: HashMap<TenantId, usize>,
    closed: Vec<Closed>,
    /// Nothing is counted any more.
    ended: bool,
}

impl Inner {
    fn remove(&mut self, place: &Place) -> Option<Slot> {
        let removed = self.slots.remove(place)?;
        if let Some(held) = self.per_tenant.get_mut(&place.tenant) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.per_tenant.remove(&place.tenant);
            }
        }
        Some(removed)
    }

    /// Makes way for a count that begins, if there is room for it: how often more operations came in its minute
    /// than could follow. That bytes were what lacked lets no more operations follow than before.
    fn begin(&mut self, place: &Place, minute: i64, amount: Amount) -> Option<u32> {
        if !self.slots.contains_key(place) && !self.has_room(place.tenant) || !self.may_close() {
            return None;
        }
        match self.slots.insert(place.clone(), Slot::Beginning) {
            Some(Slot::Open(window)) => {
                self.close(place.clone(), &window);
                if window.minute != minute {
                    return Some(0);
                }
                let was_full = window.left.operations < amount.operations;
                Some(window.step.saturating_add(u32::from(was_full)))
            }
            Some(Slot::Beginning) => Some(0),
            None => {
                *self.per_tenant.entry(place.tenant).or_default() += 1;
                Some(0)
            }
        }
    }

    fn has_room(&self, tenant: TenantId) -> bool {
        let held = self.per_tenant.get(&tenant).copied().unwrap_or(0);
        self.slots.len() < NODE_MAX && held < TENANT_MAX
    }

    /// Whether what has ended is written about as fast as it ends.
    fn may_close(&self) -> bool {
        self.closed.len() < NODE_MAX
    }

    fn close(&mut self, place: Place, window: &Window) {
        self.closed.push(Closed {
            place,
            began_with: window.began_with,
            amount: window.amount,
            from: window.from,
            to: window.to,
        });
    }
}

/// The counts of a node.
#[derive(Default)]
pub(crate) struct Tally {
    inner: Mutex<Inner>,
}

/// How an operation is logged.
pub(crate) enum Logged<'a> {
    /// It is counted: it needs no entry.
    Counted,
    /// By an entry of its own, which begins a count if there is a beginning.
    Singly(Option<Beginning<'a>>),
}

/// The right to count what follows an entry, once that is durable. Dropped before, nothing is counted.
pub(crate) struct Beginning<'a> {
    tally: &'a Tally,
    place: Option<Place>,
    minute: i64,
    step: u32,
    allowance: Allowance,
}

impl Beginning<'_> {
    /// What the entry has to say that may follow it.
    pub(crate) const fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// The entry is durable: from here on operations are counted.
    pub(crate) fn became_durable(mut self, sequence: u64, now: Timestamp) {
        let Some(place) = self.place.take() else {
            return;
        };
        let window = Window {
            began_with: sequence,
            minute: self.minute,
            step: self.step,
            calls: 0,
            left: Amount {
                operations: self.allowance.operations,
                bytes: self.allowance.bytes,
            },
            amount: Amount::default(),
            from: now,
            to: now,
        };
        let mut inner = self.tally.lock();
        inner.slots.insert(place, Slot::Open(window));
    }
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let _ = self.tally.lock().remove(&place);
        }
    }
}

/// The minute of an instant.
const fn minute_of(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(MINUTE)
}

/// What a count may hold: the later in its minute, the more, as what is known of that minute grows.
fn allowance(step: u32, minute: i64, operation: Amount) -> Allowance {
    let grown = GROWTH.saturating_pow(step).saturating_mul(FIRST);
    let operations = grown.min(MOST);
    let items = operation.operations.max(1);
    let each = (operation.bytes / items).saturating_mul(4).max(BYTES_EACH);
    Allowance {
        operations,
        bytes: operations.saturating_mul(each),
        until: Timestamp::from_micros((minute + 1).saturating_mul(MINUTE)),
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in it is left half-made by a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was done, or says that it is to be logged by itself.
    pub(crate) fn count(&self, place: &Place, amount: Amount, now: Timestamp) -> Logged<'_> {
        let minute = minute_of(now);
        let mut inner = self.lock();
        if inner.ended {
            return Logged::Singly(None);
        }
        if let Some(slot) = inner.slots.get_mut(place) {
            let is_counted = match slot {
                Slot::Beginning => return Logged::Singly(None),
                Slot::Open(window) => window.takes(minute, amount, now),
            };
            if is_counted {
                return Logged::Counted;
            }
        }
        let Some(step) = inner.begin(place, minute, amount) else {
            return Logged::Singly(None);
        };
        Logged::Singly(Some(Beginning {
            tally: self,
            place: Some(place.clone()),
            minute,
            step,
            allowance: allowance(step, minute, amount),
        }))
    }

    /// From here on nothing is counted.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    /// Ends the counts whose minute is over, those that are not to go on, and those that have seen too many
    /// calls: the clock may stand still.
    pub(crate) fn close(&self, now: Timestamp, goes_on: impl Fn(&Place) -> bool) {
        let minute = minute_of(now);
        let mut inner = self.lock();
        let over: Vec<Place> = inner
            .slots
            .iter_mut()
            .filter_map(|(place, slot)| match slot {
                Slot::Beginning => None,
                Slot::Open(window) => {
                    window.calls = window.calls.saturating_add(1);
                    let is_over = window.minute != minute || window.calls >= CALLS_MAX;
                    (is_over || !goes_on(place)).then(|| place.clone())
                }
            })
            .collect();
        for place in over {
            if let Some(Slot::Open(window)) = inner.remove(&place) {
                inner.close(place, &window);
            }
        }
    }

    /// Counts that have ended and are not known to be written.
    pub(crate) fn closed(&self) -> Vec<Closed> {
        self.lock().closed.clone()
    }

    /// They are written, or need not be.
    pub(crate) fn written(&self, began_with: &HashSet<u64>) {
        let mut inner = self.lock();
        inner
            .closed
            .retain(|it| !began_with.contains(&it.began_with));
    }

    /// The entries whose counts are open, or ended and not written.
    pub(crate) fn known(&self) -> HashSet<u64> {
        let inner = self.lock();
        let open = inner.slots.values().filter_map(|slot| match slot {
            Slot::Beginning => None,
            Slot::Open(window) => Some(window.began_with),
        });
        open.chain(inner.closed.iter().map(|it| it.began_with))
            .collect()
    }
}
