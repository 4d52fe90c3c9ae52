//! The vault: records under tenants' keys, those under the root key, and the root key under seals.
//!
//! | file | what |
//! |---|---|
//! | `initialize` | the first root key and its seal |
//! | `control` | sealing and unsealing |
//! | `hierarchy` | the root key and tenants' key-encryption keys, in memory only while unsealed |
//! | `records` | storing, opening and destroying records |
//! | `rewrap` | wrapping records under a newer key-encryption key |
//! | `secrets` | the values of secrets, as records of their own kind |
//! | `layout` | a record as one object or two |
//!
//! The backend is not trusted: what it returns is verified against its own authentication, against
//! the label the caller expects, and against the digest that the registry keeps. The registry is
//! not trusted with secrets: it sees ids and digests.

mod control;
mod hierarchy;
mod initialize;
mod layout;
mod records;
mod rewrap;
mod secrets;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyward_core::port::storage::{RecordLedger, StorageBackend, StorageError};
use keyward_crypto::Random;
use keyward_crypto::record::RecordError;
use parking_lot::RwLock;
use uuid::Uuid;

use self::control::Seals;
use self::hierarchy::OpenHierarchy;
use crate::fair_gate::{FairGate, GateLimits};
use crate::object_names;
use crate::seal::SealError;
use crate::seal::manifest::Manifest;

pub use self::initialize::{InitOutcome, SealSetup};
pub(crate) use self::layout::is_core;

/// Secure storage over a backend. Starts sealed.
pub struct Vault {
    backend: Arc<dyn StorageBackend>,
    ledger: Arc<dyn RecordLedger>,
    random: Arc<dyn Random>,
    gate: Arc<FairGate>,
    manifest: Option<Manifest>,
    seals: RwLock<Seals>,
    /// Whether `seals` holds keys, for those who ask often and must not wait for it.
    is_open: AtomicBool,
}

impl Vault {
    /// Opens a deployment's storage, sealed. One that is not initialised opens as well, and says
    /// so.
    ///
    /// # Errors
    /// [`SealError::Storage`], [`SealError::Damaged`].
    pub async fn open(
        backend: Arc<dyn StorageBackend>,
        ledger: Arc<dyn RecordLedger>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SealError> {
        let stored = backend.read(&object_names::root_manifest()?).await?;
        let manifest = stored.as_deref().map(Manifest::parse).transpose()?;
        let seals = match &manifest {
            Some(manifest) => Seals::load(&*backend, manifest).await?,
            None => Seals::default(),
        };
        Ok(Self {
            backend,
            ledger,
            random,
            gate: FairGate::new(GateLimits::default()),
            manifest,
            seals: RwLock::new(seals),
            is_open: AtomicBool::new(false),
        })
    }

    /// The deployment this storage was initialised for.
    pub fn deployment(&self) -> Option<Uuid> {
        self.manifest.as_ref().map(|manifest| manifest.deployment)
    }

    /// The keys in memory, while there are any.
    fn unsealed(&self) -> Result<Arc<OpenHierarchy>, StorageError> {
        self.seals.read().hierarchy().ok_or(StorageError::Sealed)
    }
}

fn refused(error: RecordError) -> StorageError {
    StorageError::Refused(error)
}
