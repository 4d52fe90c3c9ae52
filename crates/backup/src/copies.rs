//! Backups as a source of copies, from which lost and damaged records are put back. They are read by the
//! rules of a restore: one chain of one history, all of it signed by the deployment's own key, every part
//! checked against its signed manifest. But for a missing segment: a record counts only if it is the one
//! that the registry names and opens, and what no longer holds the registry itself knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::ops::backup::made_public_key;
use keyward_core::port::backup::BackupError;
use keyward_core::port::registry::Registry;
use keyward_core::port::repair::{Copies, CopySource, SourceFault};
use keyward_core::port::storage::ObjectName;
use uuid::Uuid;

use crate::chain::{Chain, ChainError};
use crate::entry;
use crate::manifest::{Content, Manifest};
use crate::parts::Parts;
use crate::place::Place;
use crate::sealing::Identities;
use crate::signature::BackupKey;

/// The newest full backup and the segments behind it.
pub struct BackupCopies {
    place: Place,
    identities: Identities,
    registry: Arc<dyn Registry>,
    deployment: Uuid,
}

/// What is to be read, newest first, and by whom it must be signed.
struct Own {
    backups: Vec<Uuid>,
    key: BackupKey,
}

impl BackupCopies {
    /// Of this deployment's backups, which these identities open. Its registry says which key signs
    /// them.
    pub const fn new(
        place: Place,
        identities: Identities,
        registry: Arc<dyn Registry>,
        deployment: Uuid,
    ) -> Self {
        Self {
            place,
            identities,
            registry,
            deployment,
        }
    }

    /// The key that signs this deployment's backups.
    async fn own_key(&self) -> Result<BackupKey, SourceFault> {
        let made = made_public_key(&*self.registry).await;
        let made = made.map_err(|error| unfit(format!("the registry does not answer: {error}")))?;
        let text = made.ok_or_else(|| unfit("this deployment has signed no backup".to_owned()))?;
        BackupKey::parse(&text).map_err(|error| unfit(error.to_string()))
    }

    /// The backups to look into.
    async fn own(&self) -> Result<Own, SourceFault> {
        let key = self.own_key().await?;
        let chain = Chain::find_over_gaps(&self.place, Some(&key), None).await;
        let chain = chain.map_err(|error| match error {
            ChainError::Place(error) => fault(error),
            other => unfit(other.to_string()),
        })?;
        let mut backups: Vec<Uuid> = chain.all().collect();
        backups.reverse();
        Ok(Own { backups, key })
    }

    async fn manifest(&self, id: Uuid, key: &BackupKey) -> Result<Manifest, SourceFault> {
        let stored = self.place.manifest(id).await.map_err(fault)?;
        let signed = Manifest::read(&stored.unwrap_or_default(), Some(key));
        let signed = signed.map_err(|error| unfit(format!("backup {id}: {error}")))?;
        // Genuine, and put into another's place.
        if signed.manifest.backup != id {
            return Err(unfit(format!("backup {id} is another one")));
        }
        if signed.manifest.deployment != self.deployment {
            return Err(unfit(format!("backup {id} is another deployment's")));
        }
        Ok(signed.manifest)
    }

    /// Takes what is wanted out of one backup.
    async fn take(
        &self,
        id: Uuid,
        key: &BackupKey,
        wanted: &mut BTreeSet<ObjectName>,
        copies: &mut Copies,
    ) -> Result<(), SourceFault> {
        let manifest = self.manifest(id, key).await?;
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
        let own = self.own().await?;
        for id in own.backups {
            let manifest = self.manifest(id, &own.key).await?;
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
        let own = self.own().await?;
        for id in own.backups {
            if wanted.is_empty() {
                break;
            }
            self.take(id, &own.key, &mut wanted, &mut copies).await?;
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
