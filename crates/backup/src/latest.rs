//! What the next segment follows on: the newest backup in the place that this deployment made itself,
//! in the history that it is in. The place may be shared: a restored registry has the deployment's id,
//! and writes where the lost one wrote; and whoever can write there can put a manifest of their own
//! there. Neither may be taken for this history's.

use keyward_core::port::backup::BackupError;
use keyward_core::port::snapshot::SnapshotError;
use uuid::Uuid;

use crate::create::Backups;
use crate::manifest::{BackupKind, Manifest};
use crate::signature::BackupKey;

/// How far the clocks of two machines may be apart, in seconds: by that much a backup may look older
/// than the restore that it came after.
const CLOCKS_APART_SECONDS: u64 = 24 * 3600;

/// The newest of this history.
pub(crate) struct Latest {
    /// None if there is no full backup of it.
    pub(crate) manifest: Option<Manifest>,
    /// Whether the history began with a restore.
    pub(crate) is_restored: bool,
    /// How many segments of others lie there that are newer.
    pub(crate) strangers: u64,
    /// How many segments there are since the newest full backup.
    pub(crate) since_full: u64,
}

/// Who looks: of whom it is and by whom it has to be signed.
struct Own<'a> {
    deployment: Uuid,
    history: Uuid,
    by: &'a BackupKey,
}

impl Own<'_> {
    /// Nothing of a history can be older than the restore that began it. The first one has no such
    /// bound: its id says nothing about time.
    fn may_be(&self, id: Uuid) -> bool {
        let seconds = |id: Uuid| id.get_timestamp().map(|it| it.to_unix().0);
        match (seconds(self.history), seconds(id)) {
            (Some(begun), Some(made)) => made + CLOCKS_APART_SECONDS >= begun,
            _ => true,
        }
    }
}

impl Backups {
    /// The last segment, so that there is no gap between segments whatever full backups are made
    /// meanwhile; the first one follows on the oldest full backup.
    pub(crate) async fn latest(&self, by: &BackupKey) -> Result<Latest, BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        let own = Own {
            deployment: self.feed.deployment().await.map_err(registry)?,
            history: self.registry.deployment_history().await?,
            by,
        };
        let mut latest = Latest {
            manifest: None,
            is_restored: own.history != own.deployment,
            strangers: 0,
            since_full: 0,
        };
        let listing = self.place.list().await?;
        let newest = listing.complete.last().copied();
        let since = listing.segments.iter();
        latest.since_full = since.filter(|id| Some(**id) > newest).count() as u64;
        let segments: Vec<Uuid> = listing.segments.into_iter().rev().collect();
        for id in segments.iter().take_while(|id| own.may_be(**id)) {
            latest.manifest = self.own(*id, BackupKind::Segment, &own).await?;
            if latest.manifest.is_some() {
                break;
            }
            latest.strangers += 1;
        }
        let follows_segment = latest.manifest.is_some();
        let mut full = None;
        let fulls: Vec<Uuid> = listing.complete.into_iter().rev().collect();
        for id in fulls.iter().take_while(|id| own.may_be(**id)) {
            full = self.own(*id, BackupKind::Full, &own).await?.or(full);
            if follows_segment && full.is_some() {
                break;
            }
        }
        // A segment alone restores nothing.
        if full.is_none() {
            latest.manifest = None;
        } else if !follows_segment {
            // What lay there before this history had a segment is nobody who interferes.
            latest.strangers = 0;
            latest.manifest = full;
        }
        Ok(latest)
    }

    /// The manifest, if it is of this history and signed by this deployment.
    async fn own(
        &self,
        id: Uuid,
        kind: BackupKind,
        own: &Own<'_>,
    ) -> Result<Option<Manifest>, BackupError> {
        let Some(stored) = self.place.manifest(id).await? else {
            return Ok(None);
        };
        let read = Manifest::read(&stored, Some(own.by)).ok();
        let found = read.map(|signed| signed.manifest).filter(|found| {
            found.backup == id && found.kind == kind && found.is_of(own.deployment, own.history)
        });
        Ok(found)
    }

    /// Refuses to go on from a backup that this registry cannot have been at: a database that was put
    /// back to an earlier state by other means than a restore, for instance.
    pub(crate) async fn ensure_leads_on(&self, previous: &Manifest) -> Result<(), BackupError> {
        let registry = |error| BackupError::Snapshot(SnapshotError::Registry(error));
        let reached = self.feed.revision().await.map_err(registry)?;
        let at = self.feed.changes_after(previous.revision - 1, 1).await;
        let at = at.map_err(registry)?.into_iter().next();
        let is_same = at.is_some_and(|own| {
            own.revision == previous.revision && own.committed_at == previous.committed_at
        });
        if is_same {
            return Ok(());
        }
        Err(BackupError::Refused {
            backup: previous.backup,
            what: format!("revision {}", previous.revision),
            why: format!(
                "the registry, which is at revision {reached}, was never there: it was put back to an \
                 earlier state, or another server writes backups into the same place"
            ),
        })
    }
}
