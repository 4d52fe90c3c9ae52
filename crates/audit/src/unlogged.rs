//! Which changes a journal lacks that was made again from a mirror: any number of the last ones.

use keyward_core::audit::AuditEvent;
use keyward_core::noun::action::Action;
use keyward_core::port::audit_log::AuditError;

use crate::journal::{Journal, Unlogged};
use crate::revisions::{HOLES_MAX, HOLES_OF_A_LOSS};
use crate::tail::revision_of;

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

impl Journal {
    /// The registry revisions that have no entry in a journal that was made again since what was counted up to
    /// an entry. Where more may be missing than a segment's header can say, all of it is read. Blocks.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn unlogged_since_loss(&self, counted: u64) -> Result<Unlogged, AuditError> {
        let known = self.unlogged();
        if known.missing.len() < HOLES_MAX {
            return Ok(known.clone());
        }
        let whole_to = self.whole_to(counted)?;
        // What was let go of is known by the first segment that was not.
        let mut revisions = self.revisions_before_beginning()?;
        let mut after = 0;
        loop {
            let page = self.written(after, PAGE_BYTES)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for entry in &page {
                let sequence = entry.sequence;
                let revision = revision_of(&entry.bytes, sequence);
                let revision = revision.map_err(|_| AuditError::Damaged { sequence })?;
                let lacks_few = sequence <= whole_to;
                let holes = if lacks_few {
                    HOLES_MAX
                } else {
                    HOLES_OF_A_LOSS
                };
                if let Some(revision) = revision {
                    revisions.note_among(revision, holes);
                }
            }
        }
        Ok(Unlogged {
            missing: revisions.missing.into_iter().collect(),
            after: revisions.highest,
        })
    }

    /// Up to which entry nothing is missing that the journal had, as the entries say that begin what was continued.
    fn whole_to(&self, counted: u64) -> Result<u64, AuditError> {
        let mut whole_to = u64::MAX;
        for (_, first) in self.chasms()? {
            if first <= counted {
                continue;
            }
            let page = self.written(first - 1, 1)?;
            let entry = page
                .first()
                .map(|entry| serde_json::from_slice(&entry.bytes));
            let Some(Ok(AuditEvent {
                action: Action::AuditContinue,
                details,
                ..
            })) = entry
            else {
                continue;
            };
            let through = details.get("through").and_then(serde_json::Value::as_u64);
            whole_to = whole_to.min(through.unwrap_or(0));
        }
        Ok(whole_to)
    }
}
