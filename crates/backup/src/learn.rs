//! What is learnt from backups before anything is restored: which revision it comes to, and what holds
//! for ever.

use keyward_core::change::Change;

use crate::feed_rows::FeedRows;
use crate::manifest::Content;
use crate::reading::{Reading, unreadable};
use crate::restore::RestoreError;

impl Reading<'_> {
    /// Goes through all changes once: which is the last that is wanted, and what holds for ever.
    pub(crate) async fn learn(&mut self) -> Result<(), RestoreError> {
        let mut learnt = self.full.manifest.revision;
        for segment in self.segments.clone() {
            let parts = self.parts(segment);
            for part in parts.of(Content::Changes) {
                for change in self.changes(&parts, part).await? {
                    let is_wanted = self.is_wanted(&change);
                    self.facts.take(&change, !is_wanted);
                    if is_wanted && change.revision > self.restored.0 {
                        self.restored = (change.revision, change.committed_at);
                    }
                    learnt = learnt.max(change.revision);
                }
            }
        }
        // Their objects are not taken, so neither are the key-encryption keys that were made.
        self.facts.leave_new_keks();
        let mut facts = std::mem::take(&mut self.facts);
        let mut take = |change: &Change| facts.take(change, true);
        self.changes_beyond(learnt, &mut take).await?;
        self.facts = facts;
        Ok(())
    }

    /// What is known of changes after a revision without being applied, each once: from behind a gap,
    /// and from newer full backups.
    pub(crate) async fn changes_beyond(
        &self,
        mut learnt: i64,
        take: &mut (dyn FnMut(&Change) + Send),
    ) -> Result<(), RestoreError> {
        for beyond in self.beyond.iter().copied() {
            let parts = self.parts(beyond);
            let (mut rows, before) = (FeedRows::default(), learnt);
            for part in &beyond.manifest.parts {
                let changes = match part.content {
                    Content::Vault => continue,
                    Content::Changes => self.changes(&parts, part).await?,
                    Content::Registry => {
                        let opened = self.open(&parts, part).await?;
                        let text = std::str::from_utf8(&opened).ok();
                        let taken = text.and_then(|text| rows.take(text));
                        taken.ok_or_else(|| unreadable(part))?
                    }
                };
                for change in changes.iter().filter(|change| change.revision > before) {
                    take(change);
                    learnt = learnt.max(change.revision);
                }
            }
        }
        Ok(())
    }
}
