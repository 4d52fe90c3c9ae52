//! Where backups lie: a folder or prefix for each, named by its id, with its parts in it and its
//! manifest, which is written last and whose name says whether it is a full backup or a segment. What
//! has no manifest is no backup, but what an interrupted one left behind, or one that is being removed:
//! then a mark says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_core::port::backup::BackupError;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_core::time::Timestamp;
use uuid::Uuid;

use crate::manifest::BackupKind;

/// The name of a full backup's manifest in its folder.
const MANIFEST: &str = "manifest";
/// The name of a segment's.
const SEGMENT: &str = "segment";
/// What no manifest was written for is kept for so long, in seconds: two days.
const LEFTOVERS_KEPT_SECONDS: i64 = 2 * 24 * 3600;
/// The mark of one that is being removed: written before anything of it goes, and removed last.
const REMOVING: &str = "removing";
/// Where the reports of drills lie.
const DRILLS: &str = "drills";
/// Names asked for at once.
const PAGE: usize = 1000;

/// A place for backups.
#[derive(Clone)]
pub struct Place {
    destination: Arc<dyn StorageBackend>,
}

/// What lies in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Complete full backups, oldest first.
    pub complete: Vec<Uuid>,
    /// Complete segments, oldest first.
    pub segments: Vec<Uuid>,
    /// What is being removed, or was when something ended it: no backups any more.
    pub half_removed: Vec<Uuid>,
    /// Names of what interrupted backups left behind, by the id they had.
    pub leftovers: BTreeMap<Uuid, Vec<ObjectName>>,
}

impl Place {
    /// A directory or an object store.
    pub const fn new(destination: Arc<dyn StorageBackend>) -> Self {
        Self { destination }
    }

    /// Makes sure that the place does what is expected of it.
    pub(crate) async fn prepare(&self) -> Result<(), BackupError> {
        let prepared = self.destination.init().await;
        prepared.map_err(BackupError::Destination)
    }

    /// Looks at everything that is there.
    pub async fn list(&self) -> Result<Listing, BackupError> {
        let mut found: BTreeMap<Uuid, Vec<ObjectName>> = BTreeMap::new();
        for name in self.names("").await? {
            let folder = name.as_str().split('/').next();
            // What is not named as backups are is not ours.
            if let Some(id) = folder.and_then(|folder| Uuid::try_parse(folder).ok()) {
                found.entry(id).or_default().push(name);
            }
        }
        let mut listing = Listing::default();
        for (id, names) in found {
            if names.contains(&name(id, MANIFEST)?) {
                listing.complete.push(id);
            } else if names.contains(&name(id, SEGMENT)?) {
                listing.segments.push(id);
            } else if names.contains(&name(id, REMOVING)?) {
                listing.half_removed.push(id);
            } else {
                listing.leftovers.insert(id, names);
            }
        }
        Ok(listing)
    }

    async fn names(&self, prefix: &str) -> Result<Vec<ObjectName>, BackupError> {
        let mut found: Vec<ObjectName> = Vec::new();
        loop {
            let listed = self.destination.list(prefix, found.last(), PAGE).await;
            let names = listed.map_err(BackupError::Destination)?;
            let is_last = names.len() < PAGE;
            found.extend(names);
            if is_last {
                return Ok(found);
            }
        }
    }

    /// The manifest of a backup, as stored.
    pub(crate) async fn manifest(&self, id: Uuid) -> Result<Option<Vec<u8>>, BackupError> {
        match self.read(&name(id, MANIFEST)?).await? {
            Some(found) => Ok(Some(found)),
            None => self.read(&name(id, SEGMENT)?).await,
        }
    }

    /// A part, as stored.
    pub(crate) async fn part(&self, id: Uuid, part: &str) -> Result<Option<Vec<u8>>, BackupError> {
        self.read(&name(id, part)?).await
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, BackupError> {
        let read = self.destination.read(name).await;
        read.map_err(BackupError::Destination)
    }

    /// Writes a part; durable on return.
    pub(crate) async fn put(
        &self,
        id: Uuid,
        part: &str,
        bytes: Vec<u8>,
    ) -> Result<(), BackupError> {
        self.write(name(id, part)?, bytes).await
    }

    /// Writes several parts; all durable on return.
    pub(crate) async fn put_all(
        &self,
        id: Uuid,
        parts: Vec<(String, Vec<u8>)>,
    ) -> Result<(), BackupError> {
        if parts.is_empty() {
            return Ok(());
        }
        let named = parts.into_iter();
        let named = named.map(|(part, bytes)| Ok((name(id, &part)?, bytes)));
        let named: Vec<_> = named.collect::<Result<_, BackupError>>()?;
        let written = self.destination.put_many(named).await;
        written.map_err(BackupError::Destination)
    }

    /// Writes the manifest, which makes it a backup.
    pub(crate) async fn complete(
        &self,
        id: Uuid,
        kind: BackupKind,
        manifest: Vec<u8>,
    ) -> Result<(), BackupError> {
        let called = match kind {
            BackupKind::Full => MANIFEST,
            BackupKind::Segment => SEGMENT,
        };
        self.write(name(id, called)?, manifest).await
    }

    /// Files the signed report of a drill beside the backups.
    pub(crate) async fn file_report(
        &self,
        drill: &str,
        report: Vec<u8>,
    ) -> Result<(), BackupError> {
        let name = ObjectName::new(&format!("{DRILLS}/{drill}")).ok_or_else(malformed)?;
        self.write(name, report).await
    }

    async fn write(&self, name: ObjectName, bytes: Vec<u8>) -> Result<(), BackupError> {
        let written = self.destination.write_if_absent(&name, bytes).await;
        written.map_err(BackupError::Destination)
    }

    /// Removes a backup: the mark, the manifest, the parts, the mark. Whatever ends this, it is whole, or
    /// marked and without a manifest, and this can be done again.
    pub(crate) async fn remove(&self, id: Uuid) -> Result<(), BackupError> {
        let names = self.names(&format!("{id}/")).await?;
        let mark = name(id, REMOVING)?;
        let manifests = [name(id, MANIFEST)?, name(id, SEGMENT)?];
        let is_backup = manifests.iter().any(|manifest| names.contains(manifest));
        if names.contains(&mark) {
            // Removed to some part already.
        } else if is_backup {
            self.write(mark.clone(), REMOVING.into()).await?;
        } else {
            // Perhaps one that is being made.
            return Ok(());
        }
        for name in &manifests {
            self.delete(name).await?;
        }
        let is_part = |name: &&ObjectName| **name != mark && !manifests.contains(name);
        for name in names.iter().filter(is_part) {
            self.delete(name).await?;
        }
        self.delete(&mark).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), BackupError> {
        let deleted = self.destination.delete(name).await;
        deleted.map_err(BackupError::Destination)
    }

    /// Removes what an interrupted backup left behind under this id. A complete one is not touched.
    pub(crate) async fn sweep(&self, id: Uuid) -> Result<u64, BackupError> {
        let mut listing = self.list().await?;
        let left = listing.leftovers.remove(&id).unwrap_or_default();
        self.remove_all(&left).await
    }

    /// Removes what was left behind so long ago that nobody can be writing it still, others that share
    /// the place included: a crash leaves parts under ids that nothing remembers.
    pub(crate) async fn sweep_old(&self, now: Timestamp) -> Result<u64, BackupError> {
        let before = now.plus_seconds(-LEFTOVERS_KEPT_SECONDS).as_micros() / 1_000_000;
        let before = u64::try_from(before).unwrap_or(0);
        let mut removed = 0;
        for (id, left) in self.list().await?.leftovers {
            if is_older(id, before) {
                removed += self.remove_all(&left).await?;
            }
        }
        Ok(removed)
    }

    async fn remove_all(&self, left: &[ObjectName]) -> Result<u64, BackupError> {
        for name in left {
            self.delete(name).await?;
        }
        Ok(left.len() as u64)
    }
}

/// Whether an id was made before an instant, in seconds since the Unix epoch; one that tells nothing of
/// its time was not.
fn is_older(id: Uuid, seconds: u64) -> bool {
    id.get_timestamp()
        .is_some_and(|made| made.to_unix().0 < seconds)
}

fn name(id: Uuid, part: &str) -> Result<ObjectName, BackupError> {
    ObjectName::new(&format!("{id}/{part}")).ok_or_else(malformed)
}

fn malformed() -> BackupError {
    BackupError::Destination(StorageError::Unavailable {
        cause: "a part's name is not well formed".to_owned(),
    })
}
