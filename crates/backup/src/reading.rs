//! What a restore reads: backups that were verified, what was learnt from them, and what of them is
//! wanted. Nothing here is written anywhere.

use keyward_core::change::Change;
use keyward_core::facts::Facts;
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::alone::Selection;
use crate::chain;
use crate::manifest::{BackupKind, Part, Signed};
use crate::parts::{PartFault, Parts};
use crate::place::Place;
use crate::restore::{RestoreError, Source};
use crate::sealing::Identities;
use crate::verify::Verified;

/// What is read.
pub(crate) struct Reading<'a> {
    pub(crate) place: &'a Place,
    pub(crate) full: &'a Signed,
    pub(crate) segments: Vec<&'a Signed>,
    /// What only knows of things that hold for ever.
    pub(crate) beyond: Vec<&'a Signed>,
    pub(crate) identities: &'a Identities,
    pub(crate) to: Option<Timestamp>,
    pub(crate) facts: Facts,
    /// The revision that is restored, and when it was committed.
    pub(crate) restored: (i64, Timestamp),
    /// What of it is brought along; none for everything.
    pub(crate) selection: Option<Selection>,
    /// Why it is restored, for the log.
    pub(crate) reason: Option<String>,
}

impl<'a> Reading<'a> {
    /// Nothing but what was verified.
    pub(crate) fn new(
        source: &Source<'a>,
        identities: &'a Identities,
    ) -> Result<Self, RestoreError> {
        let full = source.full.ensure_restores()?;
        let behind = source.segments.iter().map(Verified::ensure_restores);
        let (segments, beyond) = split(full, behind.collect::<Result<_, _>>()?);
        Ok(Self {
            place: source.place,
            full,
            segments,
            beyond,
            identities,
            to: source.to,
            facts: Facts::default(),
            restored: (full.manifest.revision, full.manifest.committed_at),
            selection: None,
            reason: None,
        })
    }

    pub(crate) const fn parts(&self, of: &'a Signed) -> Parts<'a> {
        Parts {
            place: self.place,
            manifest: &of.manifest,
        }
    }

    pub(crate) fn is_wanted(&self, change: &Change) -> bool {
        self.to.is_none_or(|to| change.committed_at <= to)
    }

    pub(crate) async fn open(
        &self,
        parts: &Parts<'_>,
        part: &Part,
    ) -> Result<Zeroizing<Vec<u8>>, RestoreError> {
        let opened = parts.opened(part, self.identities).await?;
        opened.map_err(|fault| RestoreError::Part {
            part: part.name.clone(),
            fault,
        })
    }

    /// The changes of a part of a segment.
    pub(crate) async fn changes(
        &self,
        parts: &Parts<'_>,
        part: &Part,
    ) -> Result<Vec<Change>, RestoreError> {
        let opened = self.open(parts, part).await?;
        chain::changes(&opened).ok_or_else(|| unreadable(part))
    }
}

/// What lies behind a full backup: the segments that lead on from it, and, behind a gap or as a newer
/// full backup, what only knows of things that hold for ever.
fn split<'a>(full: &Signed, behind: Vec<&'a Signed>) -> (Vec<&'a Signed>, Vec<&'a Signed>) {
    let mut reached = full.manifest.revision;
    let (mut segments, mut beyond) = (Vec::new(), Vec::new());
    for signed in behind {
        let manifest = &signed.manifest;
        let leads_on = manifest.kind == BackupKind::Segment && manifest.from_revision <= reached;
        if leads_on && beyond.is_empty() {
            reached = reached.max(manifest.revision);
            segments.push(signed);
        } else {
            beyond.push(signed);
        }
    }
    (segments, beyond)
}

pub(crate) fn unreadable(part: &Part) -> RestoreError {
    RestoreError::Part {
        part: part.name.clone(),
        fault: PartFault::Contents,
    }
}
