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
        let mut reached = full.revision;
        let mut segments = Vec::new();
        for id in &listing.segments {
            let found = manifest(place, *id, key).await?;
            let is_of_it = found.kind == BackupKind::Segment && found.deployment == full.deployment;
            if is_of_it && found.from_revision <= reached && found.revision > reached {
                reached = found.revision;
                segments.push(*id);
            }
        }
        Ok(Self {
            full: full.backup,
            segments,
        })
    }

    /// Every backup of it, in order.
    pub fn all(&self) -> impl Iterator<Item = Uuid> {
        [self.full].into_iter().chain(self.segments.iter().copied())
    }
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
