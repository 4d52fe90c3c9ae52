//! Where the journal lacks very many numbers: no block is made there, and nobody looks.

use std::borrow::Cow;

use crate::index::keeper::AuditIndex;

impl AuditIndex {
    fn chasms(&self) -> Cow<'_, [(u64, u64)]> {
        if let Some(known) = self.chasms.get() {
            return Cow::Borrowed(known);
        }
        match self.journal.chasms() {
            Ok(found) => Cow::Borrowed(self.chasms.get_or_init(|| found)),
            // Asked again: until then they begin a little later.
            Err(error) => {
                tracing::warn!(%error, "the journal does not say where numbers are missing");
                Cow::Owned(self.journal.chasms_at_least())
            }
        }
    }

    /// The last number, up to this one, that an entry may have.
    pub(super) fn last_before_chasm(&self, sequence: u64) -> u64 {
        let is_in = |(last, first): &&(u64, u64)| *last < sequence && sequence < *first;
        let chasms = self.chasms();
        let chasm = chasms.iter().find(is_in);
        chasm.map_or(sequence, |(last, _)| *last)
    }

    /// The numbers of all blocks before one that may have entries.
    pub(super) fn blocks_before(&self, open: u64) -> impl Iterator<Item = u64> + use<> {
        let mut ranges = Vec::new();
        let mut from = self.block_of(self.journal.beginning());
        for (last, first) in self.chasms().iter() {
            let behind = self.block_of(*last) + 1;
            ranges.push(from..behind.min(open));
            from = from.max(behind).max(self.block_of(*first));
        }
        ranges.push(from..open);
        ranges.into_iter().flatten()
    }
}
