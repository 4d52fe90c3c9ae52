//! A block while it is made, in memory: entries are added as the journal grows.

use std::collections::HashMap;
use std::io;

use keyward_core::audit::AuditEvent;

use crate::index::block::{Block, Posting};
use crate::index::field::{Field, terms};
use crate::reader::{Place, Written};

/// The rows of each term.
pub(super) type Terms = HashMap<Box<[u8]>, Vec<u16>>;

/// The last entry of a block, by which the journal is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) sequence: u64,
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
}

/// The block.
pub(super) struct Open {
    /// The first sequence number that belongs to it.
    pub(super) first: u64,
    size: u32,
    pub(super) last: Option<Last>,
    span: (i64, i64),
    /// By row.
    pub(super) times: Vec<i64>,
    pub(super) places: Vec<Option<Place>>,
    /// By field.
    pub(super) fields: [Terms; Field::COUNT],
}

impl Open {
    pub(super) fn new(first: u64, size: u32) -> Self {
        Self {
            first,
            size,
            last: None,
            span: (i64::MAX, i64::MIN),
            times: Vec::new(),
            places: Vec::new(),
            fields: Default::default(),
        }
    }

    /// The last sequence number that belongs to it.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.size) - 1
    }

    /// The last sequence number that is in it; the one before its first if there is none.
    pub(super) fn through(&self) -> u64 {
        let last = self.last.as_ref().map(|last| last.sequence);
        last.unwrap_or(self.first - 1)
    }

    /// Adds the next entry. Whether it belongs here: if not, nothing is done.
    pub(super) fn add(&mut self, entry: &Written, event: &AuditEvent) -> bool {
        let offset = entry.sequence.checked_sub(self.first);
        let inside = offset.filter(|offset| *offset < u64::from(self.size));
        let Some(row) = inside.and_then(|offset| u16::try_from(offset).ok()) else {
            return false;
        };
        let time = event.time.as_micros();
        self.span = (self.span.0.min(time), self.span.1.max(time));
        // Numbers that a loss left out have rows of their own, with nothing in them.
        let before = self.times.last().copied().unwrap_or(time);
        self.times.resize(usize::from(row), before);
        self.places.resize(usize::from(row), None);
        self.times.push(time);
        self.places.push(Some(entry.place));
        terms(event, |field, term| {
            let Some(terms) = self.fields.get_mut(field as usize) else {
                return;
            };
            match terms.get_mut(term) {
                Some(rows) if rows.last() == Some(&row) => {}
                Some(rows) => rows.push(row),
                None => drop(terms.insert(term.into(), vec![row])),
            }
        });
        self.last = Some(Last {
            sequence: entry.sequence,
            place: entry.place,
            bytes: entry.bytes.clone(),
        });
        true
    }

    pub(super) fn terms(&self, field: Field) -> Option<&Terms> {
        self.fields.get(field as usize)
    }
}

impl Block for Open {
    fn size(&self) -> u32 {
        self.size
    }

    fn span(&self) -> (i64, i64) {
        self.span
    }

    fn posting(&self, field: Field, term: &[u8]) -> io::Result<Posting> {
        let rows = self.terms(field).and_then(|terms| terms.get(term));
        Ok(Posting::Few(rows.cloned().unwrap_or_default()))
    }

    fn each(&self, field: Field, visit: &mut dyn FnMut(&[u8], &Posting)) -> io::Result<()> {
        for (term, rows) in self.terms(field).into_iter().flatten() {
            visit(term, &Posting::Few(rows.clone()));
        }
        Ok(())
    }

    fn times(&self) -> io::Result<Vec<i64>> {
        Ok(self.times.clone())
    }

    fn place(&self, row: u16) -> io::Result<Option<Place>> {
        Ok(self.places.get(usize::from(row)).copied().flatten())
    }
}
