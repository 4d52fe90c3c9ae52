//! A stored seal of any kind.

use keyward_core::port::seal::SealKind;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{Random, SecretBytes};
use uuid::Uuid;

use super::SealError;
use super::key_file::KeyFileSeal;
use super::manifest::RootKeyName;
use super::passphrase::PassphraseSeal;
use super::service::ServiceSeal;
use super::shares::SharesSeal;

/// What is stored of a seal, read.
pub(crate) enum StoredSeal {
    KeyFile(KeyFileSeal),
    Shares(SharesSeal),
    Passphrase(PassphraseSeal),
    Service(ServiceSeal),
}

impl StoredSeal {
    /// Reads a stored seal.
    pub(crate) fn parse(kind: SealKind, stored: &[u8]) -> Result<Self, SealError> {
        Ok(match kind {
            SealKind::KeyFile => Self::KeyFile(KeyFileSeal::parse(stored)?),
            SealKind::Shares => Self::Shares(SharesSeal::parse(stored)?),
            SealKind::Passphrase => Self::Passphrase(PassphraseSeal::parse(stored)?),
            SealKind::Pkcs11 | SealKind::Transit => Self::Service(ServiceSeal::parse(stored)?),
        })
    }

    /// Opens the root key with the sealing key.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        match self {
            Self::KeyFile(seal) => seal.open(sealing_key, deployment, root_key),
            Self::Shares(seal) => seal.open(sealing_key, deployment, root_key),
            Self::Passphrase(seal) => seal.open(sealing_key, deployment, root_key),
            Self::Service(seal) => seal.open(sealing_key, deployment, root_key),
        }
    }

    /// The same seal of people, holding another root key. The others are simply made again.
    pub(crate) fn holding(
        &self,
        root: &Kek,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
        random: &dyn Random,
    ) -> Result<Option<Vec<u8>>, SealError> {
        match self {
            Self::KeyFile(_) | Self::Service(_) => Ok(None),
            Self::Shares(seal) => seal
                .holding(root, sealing_key, deployment, root_key, random)
                .map(Some),
            Self::Passphrase(seal) => seal
                .holding(root, sealing_key, deployment, root_key, random)
                .map(Some),
        }
    }

    /// Which key holds it, and which version of that, for people.
    pub(crate) fn key(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::KeyFile(seal) => (Some(seal.fingerprint()), None),
            Self::Service(seal) => {
                let (key, version) = seal.key();
                (Some(key), version)
            }
            Self::Shares(_) | Self::Passphrase(_) => (None, None),
        }
    }

    /// The shares, if it is a seal of shares.
    pub(crate) fn shares(&self) -> Option<&SharesSeal> {
        match self {
            Self::Shares(seal) => Some(seal),
            _ => None,
        }
    }

    /// The shares, to be given to.
    pub(crate) fn shares_mut(&mut self) -> Option<&mut SharesSeal> {
        match self {
            Self::Shares(seal) => Some(seal),
            _ => None,
        }
    }
}
