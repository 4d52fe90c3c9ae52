//! Whether the seals of a backup lead to the key-encryption keys that it holds. Keys and root are read
//! one after the other, and on this node no key is wrapped anew meanwhile; another node may rotate the
//! root key, wrap them all anew, and drop the root key under which they were copied.

use keyward_core::ids::RecordId;
use keyward_core::port::backup::{BackupError, SealedObject};
use keyward_core::port::storage::StorageError;
use keyward_crypto::record::KekRef;

use crate::sealed_record::{Seen, look};

/// What is wrong with a key that no root key opens, though none was rotated.
pub(crate) const ASTRAY: &str = "under a root key that no seal leads to";

/// Key-encryption keys that were copied, and the root key that each is under.
#[derive(Default)]
pub(crate) struct UnderRoot(Vec<(RecordId, KekRef)>);

impl UnderRoot {
    /// Takes note of a copied key.
    pub(crate) fn note(&mut self, record: RecordId, found: &[SealedObject]) {
        let root = found.iter().find_map(|object| match look(&object.bytes) {
            Seen::Whole { kek, .. } | Seen::Outer { kek } => Some(kek),
            Seen::Core { .. } | Seen::Other => None,
        });
        self.0.extend(root.map(|root| (record, root)));
    }

    /// Whether every one of them is under one of these root keys.
    pub(crate) fn is_under(&self, roots: &[KekRef]) -> bool {
        self.astray(roots).next().is_none()
    }

    fn astray(&self, roots: &[KekRef]) -> impl Iterator<Item = RecordId> {
        let astray = self.0.iter().filter(|(_, root)| !roots.contains(root));
        astray.map(|(record, _)| *record)
    }

    /// Those that the root keys copied with them do not open. An error if the root keys were others at
    /// another look: then they were rotated meanwhile, and all of it is to be copied again.
    pub(crate) fn beyond(
        &self,
        copied: &[KekRef],
        at_another_look: &[KekRef],
    ) -> Result<Vec<RecordId>, BackupError> {
        let astray: Vec<RecordId> = self.astray(copied).collect();
        if !astray.is_empty() && copied != at_another_look {
            return Err(BackupError::Vault(StorageError::Conflict));
        }
        Ok(astray)
    }
}
