//! What the oldest segments of the journal hold: whose entries, of which class, and how new they are. By
//! this somebody else decides what may be let go of.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_core::audit::class::EntryClass;
use keyward_core::ids::TenantId;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_keeping::{Held, OldSegment};
use keyward_core::port::audit_log::AuditError;
use keyward_core::time::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use uuid::Uuid;

use crate::fault;
use crate::journal::Journal;
use crate::letting_go::Old;

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// What of an entry says for how long it is kept.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow)]
    action: &'a str,
    tenant: Option<Uuid>,
    time: Timestamp,
}

/// The oldest segments. A segment is read once, and never changes.
pub struct Oldest {
    journal: Arc<Journal>,
    known: Mutex<BTreeMap<u64, OldSegment>>,
}

impl Oldest {
    /// Of a journal.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            known: Mutex::default(),
        }
    }

    /// The oldest sealed segments that end at or before `through`, at most so many. Blocks while it reads those
    /// that it has not read before.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn look(&self, most: usize, through: u64) -> Result<Vec<OldSegment>, AuditError> {
        let oldest = self.journal.oldest(most);
        let oldest = oldest.map_err(|error| fault::unavailable(&error))?;
        let mut found = Vec::new();
        for old in oldest.iter().take_while(|old| old.next - 1 <= through) {
            let known = self.known.lock().get(&old.first).cloned();
            let segment = match known {
                Some(known) => known,
                None => self.read(old)?,
            };
            found.push(segment);
        }
        let first = found.first().map_or(u64::MAX, |segment| segment.first);
        let mut known = self.known.lock();
        known.retain(|at, _| *at >= first);
        known.extend(found.iter().map(|it| (it.first, it.clone())));
        drop(known);
        Ok(found)
    }

    fn read(&self, old: &Old) -> Result<OldSegment, AuditError> {
        let mut segment = OldSegment {
            first: old.first,
            last: old.next - 1,
            bytes: old.bytes,
            newest: Timestamp::from_micros(i64::MIN),
            holds: BTreeMap::new(),
            lacking: Vec::new(),
        };
        let mut after = old.first - 1;
        while after < segment.last {
            let page = self.journal.written(after, PAGE_BYTES)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for entry in page.iter().filter(|it| it.sequence < old.next) {
                let sequence = entry.sequence;
                let marks: Marks<'_> = serde_json::from_slice(&entry.bytes)
                    .map_err(|_| AuditError::Damaged { sequence })?;
                count(&mut segment, &marks);
            }
        }
        Ok(segment)
    }
}

fn count(segment: &mut OldSegment, marks: &Marks<'_>) {
    segment.newest = segment.newest.max(marks.time);
    // What a later version logged is kept as long as anything.
    let class = match marks.action.parse::<Action>() {
        Ok(action) => action.entry_class(),
        Err(_) => Some(EntryClass::Changes),
    };
    let Some(class) = class else { return };
    let tenant = marks.tenant.map(TenantId::from_uuid);
    let held = segment.holds.entry((tenant, class)).or_insert(Held {
        entries: 0,
        newest: marks.time,
    });
    held.entries += 1;
    held.newest = held.newest.max(marks.time);
}
