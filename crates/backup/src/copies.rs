//! Backups as a source of copies, from which lost and damaged records are put back. Everything that is
//! read is checked against its signed manifest; whose signature it is does not matter, since a record
//! counts only if it is the one that the registry names and opens.

use std::collections::BTreeSet;

use async_trait::async_trait;
use keyward_core::port::backup::BackupError;
use keyward_core::port::repair::{Copies, CopySource, SourceFault};
use keyward_core::port::storage::ObjectName;
use uuid::Uuid;

use crate::chain::{Chain, ChainError};
use crate::entry;
use crate::manifest::{Content, Manifest};
use crate::parts::Parts;
use crate::place::Place;
use crate::sealing::Identities;

/// The newest full backup and the segments behind it.
pub struct BackupCopies {
    place: Place,
    identities: Identities,
    deployment: Uuid,
}

impl BackupCopies {
    /// Of this deployment's backups, which these identities open.
    pub const fn new(place: Place, identities: Identities, deployment: Uuid) -> Self {
        Self {
            place,
            identities,
            deployment,
        }
    }

    /// The backups to look into, newest first.
    async fn newest_first(&self) -> Result<Vec<Uuid>, SourceFault> {
        let chain = Chain::find(&self.place, None, None).await;
        let chain = chain.map_err(|error| match error {
            ChainError::Place(error) => fault(error),
            other => unfit(other.to_string()),
        })?;
        let mut ids: Vec<Uuid> = chain.all().collect();
        ids.reverse();
        Ok(ids)
    }

    async fn manifest(&self, id: Uuid) -> Result<Manifest, SourceFault> {
        let stored = self.place.manifest(id).await.map_err(fault)?;
        let signed = Manifest::read(&stored.unwrap_or_default(), None);
        let signed = signed.map_err(|error| unfit(format!("backup {id}: {error}")))?;
        if signed.manifest.deployment != self.deployment {
            return Err(unfit(format!("backup {id} is another deployment's")));
        }
        Ok(signed.manifest)
    }

    /// Takes what is wanted out of one backup.
    async fn take(
        &self,
        id: Uuid,
        wanted: &mut BTreeSet<ObjectName>,
        copies: &mut Copies,
    ) -> Result<(), SourceFault> {
        let manifest = self.manifest(id).await?;
        let parts = Parts {
            place: &self.place,
            manifest: &manifest,
        };
        for part in parts.of(Content::Vault) {
            if wanted.is_empty() {
                break;
            }
            let opened = parts.opened(part, &self.identities).await.map_err(fault)?;
            let named = |why: &dyn std::fmt::Display| {
                unfit(format!("part {} of backup {id}: {why}", part.name))
            };
            let opened = opened.map_err(|error| named(&error))?;
            for object in entry::objects(&opened) {
                let object = object.ok_or_else(|| named(&"it is not whole"))?;
                if wanted.remove(&object.name) {
                    copies.insert(object.name, object.bytes);
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl CopySource for BackupCopies {
    fn name(&self) -> &'static str {
        "backup"
    }

    async fn check(&self) -> Result<(), SourceFault> {
        for id in self.newest_first().await? {
            let manifest = self.manifest(id).await?;
            let parts = Parts {
                place: &self.place,
                manifest: &manifest,
            };
            // One part that opens shows that the identity is one of the recipients'.
            let first = manifest.parts.iter().min_by_key(|part| part.sealed_bytes);
            if let Some(part) = first {
                let opened = parts.opened(part, &self.identities).await.map_err(fault)?;
                let named = |error| unfit(format!("part {} of backup {id}: {error}", part.name));
                opened.map_err(named)?;
            }
        }
        Ok(())
    }

    async fn copies(&self, names: &[ObjectName]) -> Result<Copies, SourceFault> {
        let mut wanted: BTreeSet<ObjectName> = names.iter().cloned().collect();
        let mut copies = Copies::new();
        for id in self.newest_first().await? {
            if wanted.is_empty() {
                break;
            }
            self.take(id, &mut wanted, &mut copies).await?;
        }
        Ok(copies)
    }
}

fn unfit(what: String) -> SourceFault {
    SourceFault::Unfit { what }
}

fn fault(error: BackupError) -> SourceFault {
    match error {
        BackupError::Destination(error) => SourceFault::Storage(error),
        other => unfit(other.to_string()),
    }
}
