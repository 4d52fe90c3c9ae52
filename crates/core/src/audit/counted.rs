//! Uses of keys that are counted instead of being entries of their own: which actions, and how it stands
//! in the log (docs/audit-detail.md).
//!
//! An entry that begins a count is that of an ordinary operation, with what may follow it uncounted so
//! far; the entry of the count names it by its sequence number.

use serde_json::{Value, json};

use super::{AuditEvent, Journaled};
use crate::noun::action::Action;
use crate::time::Timestamp;

/// What may be counted: uses of one key. Everything else is always an entry of its own, also what gives
/// out random bytes (of no key) and what lets a key leave.
pub const COUNTED: [Action; 14] = [
    Action::KeyEncrypt,
    Action::KeyDecrypt,
    Action::KeyRewrap,
    Action::KeySign,
    Action::KeyVerify,
    Action::KeyMac,
    Action::KeyVerifyMac,
    Action::KeyWrap,
    Action::KeyUnwrap,
    Action::KeyDataKey,
    Action::KeyDerive,
    Action::KeyAgree,
    Action::KeyEncapsulate,
    Action::KeyDecapsulate,
];

/// The detail of an entry that begins a count.
pub const BEGINS: &str = "counting";
/// How many operations an entry stands for.
pub const COUNT: &str = "count";
/// How many at most, where the exact number was lost.
pub const AT_MOST: &str = "count_at_most";
/// When the first of them was.
pub const FROM: &str = "from";
/// When the last of them was; the latest that it can have been where that was lost.
pub const TO: &str = "to";
/// The sequence number of the entry that began the count.
pub const BEGAN_WITH: &str = "began_with";
/// Up to which entry every count had ended that an entry of this journal began, when this one was made. A
/// count after which nothing followed has no entry: this says that it is over.
pub const ENDED_TO: &str = "ended_to";
/// Why a count is not exact: the node ended without writing it down.
pub const LOST: &str = "count_lost";

/// What may follow an entry before the next one says how much it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Operations.
    pub operations: i64,
    /// Bytes protected by them.
    pub bytes: i64,
    /// None after this instant.
    pub until: Timestamp,
}

impl Allowance {
    /// As it stands in an entry.
    pub fn detail(&self) -> Value {
        json!({
            "operations": self.operations,
            "bytes": self.bytes,
            "until": self.until.to_string(),
        })
    }

    /// What an entry says that may follow it.
    pub fn of(event: &AuditEvent) -> Option<Self> {
        let said = event.details.get(BEGINS)?;
        Some(Self {
            operations: said.get("operations")?.as_i64()?,
            bytes: said.get("bytes")?.as_i64()?,
            until: said.get("until")?.as_str()?.parse().ok()?,
        })
    }
}

/// The entry that began the count that this one ends.
pub fn began_with(event: &AuditEvent) -> Option<u64> {
    event.details.get(BEGAN_WITH)?.as_u64()
}

/// Up to which entry no count was open any more.
pub fn ended_to(event: &AuditEvent) -> Option<u64> {
    let says = event.details.contains_key(BEGINS) || event.details.contains_key(BEGAN_WITH);
    event.details.get(ENDED_TO).filter(|_| says)?.as_u64()
}

/// What an entry stands for that is a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count<'a> {
    /// How many operations; at most so many if it was lost.
    pub operations: i64,
    /// Whether the number is exact.
    pub is_exact: bool,
    /// When the first was.
    pub from: &'a str,
    /// When the last was.
    pub to: &'a str,
}

/// What an entry stands for, if it is a count.
pub fn count_of(entry: &Journaled) -> Option<Count<'_>> {
    began_with(&entry.event)?;
    let details = &entry.event.details;
    let exact = details.get(COUNT).and_then(Value::as_i64);
    let operations = exact.or_else(|| details.get(AT_MOST)?.as_i64())?;
    Some(Count {
        operations,
        is_exact: exact.is_some(),
        from: details.get(FROM)?.as_str()?,
        to: details.get(TO)?.as_str()?,
    })
}

/// When the last of the operations was that an entry stands for.
pub fn last_of(event: &AuditEvent) -> Timestamp {
    let told = began_with(event).and_then(|_| event.details.get(TO)?.as_str()?.parse().ok());
    told.map_or(event.time, |told: Timestamp| told.min(event.time))
}
