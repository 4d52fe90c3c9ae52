//! A full backup and the segments that follow on it: what a restore to a second is made of.

use keyward_core::change::Change;
use keyward_core::port::backup::BackupError;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::manifest::{BackupKind, Manifest, ManifestError};
use crate::place::Place;
use crate::signature::BackupKey;

/// Which backups are needed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The full one.
    pub full: Uuid,
    /// What follows on it without a gap, the last one last: those after the wanted second too, for
    /// what holds for ever.
    pub segments: Vec<Uuid>,
    /// Where there is a gap behind them: what else has to be known of what holds for ever.
    pub later: Option<Later>,
}

/// The newest full backup, whose change feed knows everything before it, and what follows on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// The full one.
    pub full: Uuid,
    /// What follows on it without a gap.
    pub segments: Vec<Uuid>,
}

/// There is no such chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The place.
    #[error(transparent)]
    Place(#[from] BackupError),
    /// No backup at all.
    #[error("there is no complete backup")]
    None,
    /// None so early.
    #[error("no full backup is as old as that: the oldest restores {oldest}")]
    TooEarly {
        /// What the oldest restores.
        oldest: Timestamp,
    },
    /// Segments that would lead there are not kept any more.
    #[error(
        "no segments lead to {wanted}: the full backup before it restores {before}, the next one \
         {after}; name one of these times with --to"
    )]
    Gap {
        /// What was asked for.
        wanted: Timestamp,
        /// What can be restored before it.
        before: Timestamp,
        /// And after it.
        after: Timestamp,
    },
    /// A manifest that may be needed is not sound.
    #[error("backup {backup}: {source}; name a backup with --backup to restore without it")]
    Refused {
        /// Whose.
        backup: Uuid,
        /// What is wrong with it.
        source: ManifestError,
    },
}

impl Chain {
    /// One backup alone.
    pub const fn only(full: Uuid) -> Self {
        Self {
            full,
            segments: Vec::new(),
            later: None,
        }
    }

    /// What it takes to restore the last second that is covered, or the one that is wanted: the
    /// newest full backup that is not after it, and every segment behind that one.
    pub async fn find(
        place: &Place,
        key: Option<&BackupKey>,
        to: Option<Timestamp>,
    ) -> Result<Self, ChainError> {
        let listing = place.list().await?;
        let mut full: Option<Manifest> = None;
        let mut oldest = None;
        for id in listing.complete.iter().rev() {
            let found = manifest(place, *id, key).await?;
            oldest = Some(found.committed_at);
            if to.is_none_or(|to| found.committed_at <= to) {
                full = Some(found);
                break;
            }
        }
        let full = match (full, oldest) {
            (Some(full), _) => full,
            (None, Some(oldest)) => return Err(ChainError::TooEarly { oldest }),
            (None, None) => return Err(ChainError::None),
        };
        let mut all = Vec::with_capacity(listing.segments.len());
        for id in &listing.segments {
            let found = manifest(place, *id, key).await?;
            if found.kind == BackupKind::Segment && found.deployment == full.deployment {
                all.push(found);
            }
        }
        let (segments, reached) = follow(&all, &full);
        let mut chain = Self {
            full: full.backup,
            segments,
            later: None,
        };
        let behind = listing.complete.iter().rev();
        let mut next: Option<Manifest> = None;
        for id in behind.take_while(|id| **id != full.backup) {
            let found = manifest(place, *id, key).await?;
            if found.deployment != full.deployment || found.revision <= reached.revision {
                continue;
            }
            if chain.later.is_none() {
                let segments = follow(&all, &found).0;
                let full = found.backup;
                chain.later = Some(Later { full, segments });
            }
            next = Some(found);
        }
        match (to, next) {
            (Some(wanted), Some(next)) if wanted > reached.committed_at => Err(ChainError::Gap {
                wanted,
                before: reached.committed_at,
                after: next.committed_at,
            }),
            _ => Ok(chain),
        }
    }

    /// Every backup that is restored, in order.
    pub fn all(&self) -> impl Iterator<Item = Uuid> {
        [self.full].into_iter().chain(self.segments.iter().copied())
    }
}

/// How far a chain leads.
struct Reached {
    revision: i64,
    committed_at: Timestamp,
}

/// Which segments follow on a full backup without a gap, and how far they lead.
fn follow(segments: &[Manifest], full: &Manifest) -> (Vec<Uuid>, Reached) {
    let mut reached = Reached {
        revision: full.revision,
        committed_at: full.committed_at,
    };
    let mut following = Vec::new();
    for segment in segments {
        if segment.from_revision <= reached.revision && segment.revision > reached.revision {
            reached = Reached {
                revision: segment.revision,
                committed_at: segment.committed_at,
            };
            following.push(segment.backup);
        }
    }
    (following, reached)
}

async fn manifest(
    place: &Place,
    id: Uuid,
    key: Option<&BackupKey>,
) -> Result<Manifest, ChainError> {
    let stored = place.manifest(id).await?.unwrap_or_default();
    match Manifest::read(&stored, key) {
        Ok(signed) => Ok(signed.manifest),
        Err(source) => Err(ChainError::Refused { backup: id, source }),
    }
}

/// The changes of an opened part; none if it holds something else.
pub(crate) fn changes(opened: &[u8]) -> Option<Vec<Change>> {
    let text = std::str::from_utf8(opened).ok()?;
    let lines = text.lines();
    lines.map(|line| serde_json::from_str(line).ok()).collect()
}
