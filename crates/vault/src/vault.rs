//! The vault: records under tenants' keys, those under the root key, and the root key under seals.
//!
//! | file | what |
//! |---|---|
//! | `initialize` | the first root key and its seal |
//! | `seals` | the manifest and the seals, as this node knows them |
//! | `control` | sealing and unsealing |
//! | `following` | the seals and the root key as another node may have changed them |
//! | `keeping` | seals proven, added, removed, wrapped anew |
//! | `seal_fault` | what callers hear of a seal that failed |
//! | `making` | one seal made, written and proven |
//! | `stray_seals` | seals that a crash left behind, deleted |
//! | `root_rotation` | the root key replaced |
//! | `root_rewrap` | key-encryption keys on their way to the new root key |
//! | `hierarchy` | the root key and tenants' key-encryption keys, in memory only while unsealed |
//! | `records` | storing, opening and destroying records |
//! | `repair` | putting records back from copies |
//! | `rewrap` | wrapping records under a newer key-encryption key |
//! | `secrets` | the values of secrets, as records of their own kind |
//! | `streams` | records that do not fit into memory, in parts |
//! | `layout` | a record as one object or two |
//!
//! The backend is not trusted: what it returns is verified against its own authentication, against
//! the label the caller expects, and against the digest that the registry keeps. The registry is
//! not trusted with secrets: it sees ids and digests.

mod control;
mod following;
mod hierarchy;
mod initialize;
mod keeping;
mod layout;
mod making;
mod records;
mod repair;
mod rewrap;
mod root_rewrap;
mod root_rotation;
mod seal_fault;
mod seals;
mod secrets;
mod stray_seals;
mod streams;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyward_core::port::storage::{RecordLedger, StorageBackend, StorageError};
use keyward_crypto::Random;
use keyward_crypto::record::RecordError;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use self::hierarchy::OpenHierarchy;
use self::root_rewrap::Pass;
use self::seals::Seals;
use self::stray_seals::Strays;
use self::streams::Openings;
use crate::fair_gate::{FairGate, GateLimits};
use crate::seal::{SealAccess, SealError};

pub use self::initialize::{InitOutcome, SealSetup};
pub(crate) use self::layout::is_core;
pub(crate) use self::streams::PART_BYTES;

/// How long the root key before is kept at least, unless told otherwise: nodes follow within
/// seconds, and look once more with every check of the seals.
const PREVIOUS_ROOT_SECONDS: i64 = 600;

/// Secure storage over a backend. Starts sealed.
pub struct Vault {
    backend: Arc<dyn StorageBackend>,
    ledger: Arc<dyn RecordLedger>,
    random: Arc<dyn Random>,
    gate: Arc<FairGate>,
    openings: Openings,
    access: SealAccess,
    seals: RwLock<Seals>,
    /// Whether `seals` holds keys, for those who ask often and must not wait for it.
    is_open: AtomicBool,
    /// Whether this node sealed itself because another one rotated the root key away from it.
    is_outdated: AtomicBool,
    /// How long the root key before is kept at least.
    previous_root_seconds: i64,
    /// One change of the seals or of the root key at a time.
    changing: tokio::sync::Mutex<()>,
    /// How far key-encryption keys were gone through since the root key was rotated.
    pass: Mutex<Pass>,
    /// Seals that no manifest names, since this node saw them.
    strays: Mutex<Strays>,
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
        let seals = Seals::load(&*backend).await?;
        seals.ensure_one_is_readable()?;
        Ok(Self {
            backend,
            ledger,
            random,
            gate: FairGate::new(GateLimits::default()),
            openings: Openings::default(),
            access: SealAccess::default(),
            seals: RwLock::new(seals),
            is_open: AtomicBool::new(false),
            is_outdated: AtomicBool::new(false),
            previous_root_seconds: PREVIOUS_ROOT_SECONDS,
            changing: tokio::sync::Mutex::new(()),
            pass: Mutex::default(),
            strays: Mutex::default(),
        })
    }

    /// What this node has to open seals with by itself.
    #[must_use]
    pub fn with_access(self, access: SealAccess) -> Self {
        Self { access, ..self }
    }

    /// How long the root key before is kept at least after a rotation was committed. Until then
    /// every node on this storage must have heard of it; one that has not opens again by its seals.
    #[must_use]
    pub fn keeping_previous_root(self, seconds: i64) -> Self {
        Self {
            previous_root_seconds: seconds,
            ..self
        }
    }

    /// The deployment this storage was initialised for.
    pub fn deployment(&self) -> Option<Uuid> {
        let seals = self.seals.read();
        seals.manifest().map(|manifest| manifest.deployment)
    }

    /// The keys in memory, while there are any.
    fn unsealed(&self) -> Result<Arc<OpenHierarchy>, StorageError> {
        self.seals.read().hierarchy().ok_or(StorageError::Sealed)
    }
}

fn refused(error: RecordError) -> StorageError {
    StorageError::Refused(error)
}
