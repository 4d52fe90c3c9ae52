//! What a node has to open seals with by itself: key files and key services.

use std::path::PathBuf;
use std::sync::Arc;

use keyward_core::port::seal::{SealKind, SealService};
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{Random, SecretBytes};
use uuid::Uuid;

use super::SealError;
use super::key_file::{self, KeyFileSeal};
use super::manifest::RootKeyName;
use super::service::ServiceSeal;
use super::stored::StoredSeal;

/// Key files and key services of a node, as it is configured.
#[derive(Clone, Default)]
pub struct SealAccess {
    /// Key files, in the order in which they are tried.
    pub key_files: Vec<PathBuf>,
    /// Key services, at most one of a kind.
    pub services: Vec<Arc<dyn SealService>>,
}

impl SealAccess {
    /// The service of a kind.
    pub(crate) fn service(&self, kind: SealKind) -> Result<&Arc<dyn SealService>, SealError> {
        let found = self.services.iter().find(|service| service.kind() == kind);
        found.ok_or(SealError::NotConfigured { kind })
    }

    /// The sealing key of a stored seal, if this node can have it by itself.
    pub(crate) async fn sealing_key(
        &self,
        kind: SealKind,
        stored: &SealToOpen,
        deployment: Uuid,
    ) -> Result<SecretBytes, SealError> {
        match stored {
            SealToOpen::KeyFile(seal) => self.key_of(seal),
            SealToOpen::Service(seal) => {
                let service = self.service(kind)?;
                seal.sealing_key(&**service, deployment).await
            }
        }
    }

    /// The key of the file that a seal is of.
    fn key_of(&self, seal: &KeyFileSeal) -> Result<SecretBytes, SealError> {
        let mut failure = SealError::NoKeyFileConfigured;
        for path in &self.key_files {
            match key_file::read(path) {
                Ok(key) if seal.is_of(&key)? => return Ok(key),
                Ok(_) => failure = SealError::WrongKeyFile,
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The key of the first file that none of these seals is of; made if it is not there.
    pub(crate) fn free_key<'s>(
        &self,
        seals: impl Iterator<Item = &'s StoredSeal>,
        random: &dyn Random,
    ) -> Result<Option<SecretBytes>, SealError> {
        let taken: Vec<&KeyFileSeal> = seals
            .filter_map(|stored| match stored {
                StoredSeal::KeyFile(seal) => Some(seal),
                _ => None,
            })
            .collect();
        for path in &self.key_files {
            let key = key_file::read_or_create(path, random)?;
            let mut is_taken = false;
            for seal in &taken {
                is_taken |= seal.is_of(&key)?;
            }
            if !is_taken {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

/// A stored seal that needs nobody, apart from those that people open.
pub(crate) enum SealToOpen {
    KeyFile(KeyFileSeal),
    Service(ServiceSeal),
}

impl SealToOpen {
    /// Opens the root key with the sealing key.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        match self {
            Self::KeyFile(seal) => seal.open(sealing_key, deployment, root_key),
            Self::Service(seal) => seal.open(sealing_key, deployment, root_key),
        }
    }

    /// A copy of what is stored, if the seal needs nobody.
    pub(crate) fn of(stored: &StoredSeal) -> Option<Self> {
        match stored {
            StoredSeal::KeyFile(seal) => Some(Self::KeyFile(seal.clone())),
            StoredSeal::Service(seal) => Some(Self::Service(seal.clone())),
            StoredSeal::Shares(_) | StoredSeal::Passphrase(_) => None,
        }
    }
}
