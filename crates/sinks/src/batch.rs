//! What a sink is given at once: the entries that it wants out of a page of the journal, as lines. Pure.

use keyward_core::audit::Journaled;
use keyward_core::audit::format::{Emitter, Format};
use keyward_core::time::Timestamp;

use crate::filter::Filter;

/// An entry and its line, which has no line feed.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) entry: Journaled,
    pub(crate) line: String,
}

/// Entries to be delivered together, and what was passed over.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What the sink wants, in order.
    pub(crate) items: Vec<Item>,
    /// The last entry that was looked at.
    pub(crate) through: Option<Journaled>,
}

impl Batch {
    /// When the first entry was made that is to be delivered.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.items.first().map(|item| item.entry.event.time)
    }
}

/// How entries become lines, and how many of them a batch has.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) filter: Filter,
    pub(crate) format: Format,
    pub(crate) emitter: Emitter,
    pub(crate) bytes: usize,
}

impl Cut {
    /// Takes of a page what fits in a batch, at least one entry. The rest is read again.
    pub(crate) fn batch(&self, page: Vec<Journaled>) -> Result<Batch, serde_json::Error> {
        let mut batch = Batch {
            items: Vec::new(),
            through: None,
        };
        let mut size = 0;
        for entry in page {
            if self.filter.wants(&entry) {
                let line = self.format.line(&self.emitter, &entry)?;
                size += line.len();
                if size > self.bytes && !batch.items.is_empty() {
                    break;
                }
                let entry = entry.clone();
                batch.items.push(Item { entry, line });
            }
            batch.through = Some(entry);
        }
        Ok(batch)
    }
}
