//! Where the next entry of each tree will stand: counted where entries are written, so that an answer can
//! say it before the trees have the entry.

use std::collections::HashMap;

use keyward_core::audit::{AuditEvent, Leaf, LogKind};
use keyward_core::port::audit_log::AuditError;

use crate::reader::Reader;
use crate::trees::{Tree, of_entry, of_event};

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// How many entries each tree has.
pub(crate) struct Numbers {
    sizes: HashMap<Tree, u64>,
    /// The last entry of the journal that is counted.
    after: u64,
}

impl Numbers {
    /// As the trees were after an entry of the journal.
    pub(crate) fn new(sizes: impl IntoIterator<Item = (Tree, u64)>, after: u64) -> Self {
        let sizes = sizes.into_iter().collect();
        Self { sizes, after }
    }

    /// The place of the entry that was written just now.
    pub(crate) fn take(&mut self, event: &AuditEvent) -> Leaf {
        let tree = of_event(event);
        let log = match tree {
            Tree::System => LogKind::System,
            Tree::Changes(_) => LogKind::Changes,
            Tree::Operations(_) => LogKind::Operations,
        };
        let index = self.count(tree);
        Leaf { log, index }
    }

    fn count(&mut self, tree: Tree) -> u64 {
        let size = self.sizes.entry(tree).or_default();
        let index = *size;
        *size += 1;
        index
    }

    /// Counts what was written up to an entry.
    pub(crate) fn catch_up(&mut self, reader: &Reader, until: u64) -> Result<(), AuditError> {
        while self.after < until {
            let page = reader.written(self.after, until, PAGE_BYTES)?;
            let before = self.after;
            for entry in &page {
                let sequence = entry.sequence;
                let tree = of_entry(&entry.bytes).ok_or(AuditError::Damaged { sequence })?;
                self.count(tree);
                self.after = sequence;
            }
            if self.after == before {
                let sequence = before + 1;
                return Err(AuditError::Damaged { sequence });
            }
        }
        Ok(())
    }
}
