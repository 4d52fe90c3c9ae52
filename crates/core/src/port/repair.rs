//! Putting back what the storage lost or damaged. Where copies lie is not trusted: what is there is put
//! back only if it is the very record that the registry's ledger names, and opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::ids::{RecordId, TenantId};
use crate::noun::tenant::{Digest, TenantKek};
use crate::port::storage::{ObjectName, StorageError};

/// What the ledger names, and the storage does not have as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A record under its tenant's key-encryption key.
    Record {
        /// Whose.
        tenant: TenantId,
        /// Which.
        record: RecordId,
        /// The ledger's word for it.
        digest: Digest,
    },
    /// A key-encryption key, under the root key.
    Kek(TenantKek),
}

/// Sealed objects by name, as some copy of the vault has them.
pub type Copies = BTreeMap<ObjectName, Vec<u8>>;

/// A source of copies cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// It does not answer, or not as it must.
    #[error("{0}")]
    Storage(StorageError),
    /// It is none, or another deployment's.
    #[error("{what}")]
    Unfit {
        /// What is wrong with it, and with what of it.
        what: String,
    },
}

/// Where copies of sealed objects lie. It is read only.
#[async_trait]
pub trait CopySource: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// Whether it can be read and holds this deployment's vault.
    async fn check(&self) -> Result<(), SourceFault>;

    /// What it has under these names. What is not there is left out.
    async fn copies(&self, names: &[ObjectName]) -> Result<Copies, SourceFault>;
}

/// An object, and what is there in its place.
pub struct Replacement {
    /// Its name.
    pub name: ObjectName,
    /// What is there now; nothing, if it is missing.
    pub found: Option<Vec<u8>>,
    /// What is to be there.
    pub bytes: Vec<u8>,
}

/// Why a record was not put back. Nothing was changed, but for what [`Self::Storage`] may leave open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepairFault {
    /// The source does not have it.
    #[error("it has no copy")]
    Absent,
    /// What the source has is not what the ledger names, or does not open.
    #[error("its copy was refused: {0}")]
    Refused(StorageError),
    /// It is larger than memory, and lies in parts that are not put back one by one.
    #[error(
        "it came in pieces, which are not put back here; delete it and restore it from a backup"
    )]
    InPieces,
    /// Somebody else wrote meanwhile, and that stays.
    #[error("it was changed meanwhile")]
    Changed,
    /// The storage failed.
    #[error("{0}")]
    Storage(StorageError),
}

/// The vault, for whoever puts records back.
#[async_trait]
pub trait RecordRepair: Send + Sync {
    /// The objects in which it lies, or may lie.
    fn objects(&self, wanted: &Wanted) -> Result<Vec<ObjectName>, StorageError>;

    /// Verifies that copies are the very record that is wanted and open, and what of them has to be
    /// written; under the newest key-encryption key, or root key. Writes nothing.
    async fn prepare(
        &self,
        wanted: &Wanted,
        copies: &Copies,
    ) -> Result<Vec<Replacement>, RepairFault>;

    /// Writes each, if what is there is still what was found.
    async fn put_back(&self, wanted: &Wanted, objects: Vec<Replacement>)
    -> Result<(), RepairFault>;

    /// Removes what was put back of a record that was destroyed meanwhile, and looks whether it is
    /// gone.
    async fn take_back(&self, wanted: &Wanted) -> Result<(), StorageError>;
}

/// What repairs are made with.
#[derive(Clone)]
pub struct Repairs {
    /// Who verifies and writes.
    pub vault: Arc<dyn RecordRepair>,
    /// Where copies lie; the first that has a fit one is taken.
    pub sources: Vec<Arc<dyn CopySource>>,
}
