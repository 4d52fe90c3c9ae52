//! Making a deployment: a root key, wrapped by one seal. The manifest is written last and never
//! over another: a crash half-way leaves nothing that counts, and of two who initialise at once
//! one is told that the other was first.

use std::path::PathBuf;

use keyward_core::port::seal::SealKind;
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_crypto::Random;
use keyward_crypto::keywrap::Kek;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Vault;
use crate::object_names;
use crate::seal::manifest::{FORMAT, Manifest, RootKeyName, SealEntry};
use crate::seal::{SealError, key_file, shares};

/// How the root key is to be sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealSetup {
    /// By a file of 32 random bytes, mode 0600. It is made if it is not there.
    KeyFile(PathBuf),
    /// By shares given to people.
    Shares {
        /// How many of them unseal.
        threshold: u8,
        /// How many are made.
        total: u8,
    },
}

/// What an initialisation hands out, once.
pub struct InitOutcome {
    /// The root key's id.
    pub root_key: Uuid,
    /// The shares to be given to people, each as text; none with a key file.
    pub shares: Vec<Zeroizing<String>>,
}

impl Vault {
    /// Makes the root key of a deployment and seals it.
    ///
    /// # Errors
    /// [`SealError::AlreadyInitialized`], with nothing changed; [`SealError::Shares`] for numbers
    /// out of range; those of the key file and of the backend.
    pub async fn initialize(
        backend: &dyn StorageBackend,
        deployment: Uuid,
        setup: &SealSetup,
        random: &dyn Random,
    ) -> Result<InitOutcome, SealError> {
        let manifest_name = object_names::root_manifest()?;
        if backend.read(&manifest_name).await?.is_some() {
            return Err(SealError::AlreadyInitialized);
        }
        let root_key = RootKeyName {
            id: fresh_id(random)?,
            version: 1,
        };
        let prepared = seal_root(deployment, root_key, setup, random)?;
        backend
            .write_if_absent(&prepared.name, prepared.stored)
            .await?;
        let manifest = Manifest {
            format: FORMAT,
            deployment,
            root_key,
            seals: vec![SealEntry::new(prepared.kind, &prepared.name)],
            next: None,
            previous: None,
            discarded: Vec::new(),
        };
        let encoded = manifest.encode()?;
        match backend.write_if_absent(&manifest_name, encoded).await {
            Ok(()) => Ok(InitOutcome {
                root_key: root_key.id,
                shares: prepared.shares,
            }),
            Err(StorageError::AlreadyExists) => Err(SealError::AlreadyInitialized),
            Err(error) => Err(error.into()),
        }
    }
}

/// A seal ready to be written.
struct PreparedSeal {
    kind: SealKind,
    name: keyward_core::port::storage::ObjectName,
    stored: Vec<u8>,
    shares: Vec<Zeroizing<String>>,
}

/// Draws the root key and seals it. The key lives only as long as this call.
fn seal_root(
    deployment: Uuid,
    root_key: RootKeyName,
    setup: &SealSetup,
    random: &dyn Random,
) -> Result<PreparedSeal, SealError> {
    let root = Kek::generate(random)?;
    match setup {
        SealSetup::KeyFile(path) => {
            let sealing_key = key_file::read_or_create(path, random)?;
            let stored =
                key_file::KeyFileSeal::make(&root, &sealing_key, deployment, root_key, random)?;
            Ok(PreparedSeal {
                kind: SealKind::KeyFile,
                name: object_names::key_file_seal(root_key.id)?,
                stored,
                shares: Vec::new(),
            })
        }
        SealSetup::Shares { threshold, total } => {
            let new = shares::make(&root, (*threshold, *total), deployment, root_key, random)?;
            Ok(PreparedSeal {
                kind: SealKind::Shares,
                name: object_names::shares_seal(&new.set_id)?,
                stored: new.stored,
                shares: new.shares,
            })
        }
    }
}

/// A random id.
pub(super) fn fresh_id(random: &dyn Random) -> Result<Uuid, SealError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
