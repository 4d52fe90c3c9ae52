//! A full backup and what follows on it: what a restore to a second is made of.

use keyward_core::change::Change;
use keyward_core::port::backup::BackupError;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::manifest::{BackupKind, Manifest, ManifestError, Signed};
use crate::place::{Listing, Place};
use crate::signature::BackupKey;

/// What two nodes that make segments at once may be apart, by their clocks and by how long one takes.
const MAKERS_APART_SECONDS: i64 = 600;

/// Which backups are needed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The full one.
    pub full: Uuid,
    /// What follows on it in the same history: its segments, those after the wanted second too, for
    /// what holds for ever; for the same reason a newer full backup that knows of more changes than
    /// they do. Behind a gap nothing is applied, and only what holds for ever is taken.
    pub segments: Vec<Uuid>,
    /// Backups of the same place that were passed over because another key signed them.
    pub strangers: Vec<Uuid>,
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
    /// None that the expected key signed.
    #[error(
        "none of the {found} backups is signed by the key given: compare it with the one that \
         `keyward backup key` printed"
    )]
    Strangers {
        /// How many there are.
        found: usize,
    },
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
    /// A segment between two others is not there.
    #[error(
        "a segment is missing: nothing holds revisions {} to {before}, and segment {segment} follows \
         on them. What was revoked, compromised or destroyed in them would not hold in what is restored: \
         look for it, name with --to the instant of a full backup, or restore the state before the gap \
         with --accept-gap",
        .reached + 1
    )]
    Gap {
        /// Up to where there is no gap.
        reached: i64,
        /// The last revision that is missing.
        before: i64,
        /// What follows on the gap.
        segment: Uuid,
    },
}

impl Chain {
    /// One backup alone.
    pub const fn only(full: Uuid) -> Self {
        Self {
            full,
            segments: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// What it takes to restore the last second that is covered, or the one that is wanted: the
    /// newest full backup that is not after it, and what is behind that one in the same history. All
    /// of it is signed by one key: the one given, or the full backup's. A gap is refused.
    pub async fn find(
        place: &Place,
        key: Option<&BackupKey>,
        to: Option<Timestamp>,
    ) -> Result<Self, ChainError> {
        let (chain, gap) = look(place, Wanted::by(key, to)).await?;
        match gap {
            Some(gap) => Err(gap),
            None => Ok(chain),
        }
    }

    /// The same for whoever accepts that what a missing segment held is not known: what comes before
    /// it, and from what comes after it what holds for ever.
    pub async fn find_over_gaps(
        place: &Place,
        key: Option<&BackupKey>,
        to: Option<Timestamp>,
    ) -> Result<Self, ChainError> {
        Ok(look(place, Wanted::by(key, to)).await?.0)
    }

    /// What it takes to restore the last second of this history that is covered, all of it signed by
    /// this key. A gap is refused.
    pub async fn of_history(
        place: &Place,
        key: &BackupKey,
        history: Uuid,
    ) -> Result<Self, ChainError> {
        let wanted = Wanted {
            history: Some(history),
            ..Wanted::by(Some(key), None)
        };
        let (chain, gap) = look(place, wanted).await?;
        gap.map_or(Ok(chain), Err)
    }

    /// Every backup of it, in order.
    pub fn all(&self) -> impl Iterator<Item = Uuid> {
        [self.full].into_iter().chain(self.segments.iter().copied())
    }
}

/// What is looked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    key: Option<&'a BackupKey>,
    to: Option<Timestamp>,
    /// Of this history alone; if none, of the one of the full backup that is found.
    history: Option<Uuid>,
}

impl<'a> Wanted<'a> {
    const fn by(key: Option<&'a BackupKey>, to: Option<Timestamp>) -> Self {
        Self {
            key,
            to,
            history: None,
        }
    }
}

/// The full backups that matter.
struct Fulls {
    /// What is restored.
    base: Signed,
    /// The newest of the same history after it.
    newest: Option<Manifest>,
}

async fn look(
    place: &Place,
    wanted: Wanted<'_>,
) -> Result<(Chain, Option<ChainError>), ChainError> {
    let to = wanted.to;
    let listing = place.list().await?;
    let mut strangers = Vec::new();
    let Fulls { base, newest } = fulls(place, &listing, wanted, &mut strangers).await?;
    let behind = behind(place, &listing, &base, &mut strangers).await?;
    let (mut reached, mut last) = (base.manifest.revision, base.manifest.committed_at);
    let (mut before, mut after, mut gap) = (Vec::new(), Vec::new(), None);
    for segment in behind {
        if gap.is_none() && segment.from_revision > reached {
            gap = Some((reached, segment.from_revision, segment.backup));
        }
        if gap.is_some() {
            after.push(segment.backup);
        } else if segment.revision > reached {
            (reached, last) = (segment.revision, segment.committed_at);
            before.push(segment.backup);
        }
    }
    // What it knows of the changes since is in no segment.
    let knows_more = newest.filter(|full| full.revision > reached);
    let is_bridged = |missing: i64| {
        let is_known = knows_more
            .as_ref()
            .is_some_and(|full| full.revision >= missing);
        // The instant of the full backup itself is meant where segments behind it are not kept.
        let is_whole = |to: Timestamp| last > to || (before.is_empty() && last == to);
        is_known && to.is_some_and(is_whole)
    };
    let gap = gap.filter(|(_, before, _)| !is_bridged(*before));
    let segments = before.into_iter();
    let segments = segments.chain(knows_more.map(|full| full.backup));
    let chain = Chain {
        full: base.manifest.backup,
        segments: segments.chain(after).collect(),
        strangers,
    };
    let gap = gap.map(|(reached, before, segment)| ChainError::Gap {
        reached,
        before,
        segment,
    });
    Ok((chain, gap))
}

/// The newest full backup that is not after the second, and the newest of its history.
async fn fulls(
    place: &Place,
    listing: &Listing,
    wanted: Wanted<'_>,
    strangers: &mut Vec<Uuid>,
) -> Result<Fulls, ChainError> {
    let mut newer: Vec<Signed> = Vec::new();
    for id in listing.complete.iter().rev() {
        let Some(found) = signed(place, *id, wanted.key).await? else {
            strangers.push(*id);
            continue;
        };
        let history = found.manifest.history;
        if wanted.history.is_some_and(|only| only != history) {
            continue;
        }
        let is_wanted = wanted.to.is_none_or(|to| found.manifest.committed_at <= to);
        if !is_wanted {
            newer.push(found);
            continue;
        }
        let of_base = |other: &Signed| {
            let base = &found.manifest;
            other.by == found.by && other.manifest.is_of(base.deployment, base.history)
        };
        let newest = newer.into_iter().find(of_base);
        return Ok(Fulls {
            base: found,
            newest: newest.map(|signed| signed.manifest),
        });
    }
    match newer.last() {
        Some(oldest) => Err(ChainError::TooEarly {
            oldest: oldest.manifest.committed_at,
        }),
        None if strangers.is_empty() => Err(ChainError::None),
        None => Err(ChainError::Strangers {
            found: strangers.len(),
        }),
    }
}

/// The segments of the same history and by the same key behind a full backup, in order.
async fn behind(
    place: &Place,
    listing: &Listing,
    base: &Signed,
    strangers: &mut Vec<Uuid>,
) -> Result<Vec<Manifest>, ChainError> {
    let full = &base.manifest;
    let mut found = Vec::new();
    // The newest first: what is older than the full one need not be read. Nodes that make segments at
    // once have clocks of their own, and one of them may look further than the other's later one.
    let begun = full.begun_at.as_micros() / 1_000_000 - MAKERS_APART_SECONDS;
    let is_old = |id: &Uuid| {
        let made = id.get_timestamp().map(|made| made.to_unix().0);
        made.is_none_or(|made| i64::try_from(made).is_ok_and(|made| made < begun))
    };
    for id in listing.segments.iter().rev() {
        let Some(Signed { manifest, .. }) = signed(place, *id, Some(&base.by)).await? else {
            strangers.push(*id);
            continue;
        };
        let is_of_it = manifest.kind == BackupKind::Segment
            && manifest.backup == *id
            && manifest.is_of(full.deployment, full.history);
        if !is_of_it {
            continue;
        }
        if manifest.revision > full.revision {
            found.push(manifest);
        } else if is_old(id) {
            break;
        }
    }
    found.sort_by_key(|segment| (segment.from_revision, segment.revision));
    Ok(found)
}

/// The manifest; none if another key than the one given signed it.
async fn signed(
    place: &Place,
    id: Uuid,
    key: Option<&BackupKey>,
) -> Result<Option<Signed>, ChainError> {
    let stored = place.manifest(id).await?.unwrap_or_default();
    match Manifest::read(&stored, key) {
        Ok(signed) => Ok(Some(signed)),
        Err(ManifestError::OtherKey { .. }) => Ok(None),
        Err(source) => Err(ChainError::Refused { backup: id, source }),
    }
}

/// The changes of an opened part; none if it holds something else.
pub(crate) fn changes(opened: &[u8]) -> Option<Vec<Change>> {
    let text = std::str::from_utf8(opened).ok()?;
    let lines = text.lines();
    lines.map(|line| serde_json::from_str(line).ok()).collect()
}
