//! Where an entry stands in its log: told to whoever asked for what it says, so that a receipt can be asked
//! for without a search.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::UnknownName;
use crate::text_enum;

text_enum! {
    /// Which of a node's logs an entry is in, among those of its tenant.
    pub enum LogKind {
        /// What belongs to no tenant.
        System => "system",
        /// What changed something of a tenant's.
        Changes => "changes",
        /// What else was done in a tenant.
        Operations => "operations",
    }
}

/// An entry's place in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Which log.
    pub log: LogKind,
    /// Which entry of it, from 0.
    pub index: u64,
}

/// `operations/1234`, as answers have it and commands take it.
impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.log, self.index)
    }
}

impl FromStr for Leaf {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName("place in a log (such as operations/1234)");
        let (log, digits) = text.split_once('/').ok_or_else(unknown)?;
        let index: u64 = digits.parse().map_err(|_| unknown())?;
        let log = log.parse()?;
        let leaf = Self { log, index };
        // One text for each place: no sign, no zeros in front.
        (leaf.to_string() == text)
            .then_some(leaf)
            .ok_or_else(unknown)
    }
}

/// Where the place of a request's entry is put once it is known: of several, the last one's.
#[derive(Clone, Debug, Default)]
pub struct LeafSlot(Arc<AtomicU64>);

impl LeafSlot {
    /// No index is larger: two bits say which log.
    const INDEX_MAX: u64 = u64::MAX >> 2;

    /// Puts a place in.
    pub fn put(&self, leaf: Leaf) {
        let log = match leaf.log {
            LogKind::System => 1,
            LogKind::Changes => 2,
            LogKind::Operations => 3,
        };
        if leaf.index <= Self::INDEX_MAX {
            self.0.store(leaf.index << 2 | log, Ordering::Relaxed);
        }
    }

    /// What was put in last.
    pub fn get(&self) -> Option<Leaf> {
        let packed = self.0.load(Ordering::Relaxed);
        let log = match packed & 3 {
            1 => LogKind::System,
            2 => LogKind::Changes,
            3 => LogKind::Operations,
            _ => return None,
        };
        let index = packed >> 2;
        Some(Leaf { log, index })
    }
}

/// Whom an entry's place is told. No part of the entry: it is neither written nor compared.
#[derive(Clone, Debug, Default)]
pub struct LeafMark(Option<LeafSlot>);

impl LeafMark {
    /// Told to whoever looks into the slot.
    pub const fn to(slot: LeafSlot) -> Self {
        Self(Some(slot))
    }

    /// The journal has the entry, and this is its place.
    pub fn is(&self, leaf: Leaf) {
        if let Some(slot) = &self.0 {
            slot.put(leaf);
        }
    }

    /// Whether anybody is told.
    pub const fn is_wanted(&self) -> bool {
        self.0.is_some()
    }
}

impl PartialEq for LeafMark {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves() -> impl Strategy<Value = Leaf> {
        let logs = prop::sample::select(LogKind::ALL);
        (logs, 0..=LeafSlot::INDEX_MAX).prop_map(|(log, index)| Leaf { log, index })
    }

    proptest! {
        #[test]
        fn a_place_reads_back_from_its_text_and_its_slot(leaf in leaves()) {
            prop_assert_eq!(leaf.to_string().parse::<Leaf>().unwrap(), leaf);
            let slot = LeafSlot::default();
            prop_assert_eq!(slot.get(), None);
            LeafMark::to(slot.clone()).is(leaf);
            prop_assert_eq!(slot.get(), Some(leaf));
        }
    }

    #[test]
    fn a_place_has_one_text() {
        for text in [
            "",
            "operations",
            "operations/",
            "operations/+1",
            "operations/01",
            "/1",
            "heads/1",
            "operations/1/2",
            "operations/18446744073709551616",
        ] {
            assert!(text.parse::<Leaf>().is_err(), "{text}");
        }
    }
}
