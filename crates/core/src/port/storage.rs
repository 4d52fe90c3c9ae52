//! Secure storage and the backends beneath it. Everything secret is here; the registry is not.

use async_trait::async_trait;
use keyward_crypto::record::{OpenedRecord, RecordLabel};
use keyward_crypto::secret::SecretBytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{RecordId, TenantId};
use crate::noun::tenant::{Digest, TenantKek};

/// What can go wrong with storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Nothing is stored under this name.
    #[error("no such record")]
    Missing,
    /// Write-if-absent found something.
    #[error("a record with this name exists already")]
    AlreadyExists,
    /// Compare-and-swap found something else.
    #[error("the record changed meanwhile")]
    Conflict,
    /// The record is not what it should be; the detail names how (altered, truncated, swapped,
    /// replayed, unknown version).
    #[error("the stored record was refused: {0}")]
    Refused(keyward_crypto::record::RecordError),
    /// The server is sealed.
    #[error("the server is sealed")]
    Sealed,
    /// The tenant has no key-encryption key: it was shredded.
    #[error("the tenant's key-encryption key is gone")]
    NoTenantKek,
    /// The backend is down, broken or out of reach. A change that ended so may have been made or
    /// not: reading says which.
    #[error("the storage backend is unavailable: {cause}")]
    Unavailable {
        /// The kind of fault, without paths.
        cause: String,
    },
    /// The backend knows us not, or not enough. Nothing was changed.
    #[error("the storage backend denies access: {cause}; check its credentials and permissions")]
    Denied {
        /// The kind of fault, without paths or credentials.
        cause: String,
    },
    /// The backend asks for fewer requests, and went on asking. A change that ended so may have
    /// been made or not.
    #[error("the storage backend is asked too often: {cause}; try again later")]
    Throttled {
        /// What it said.
        cause: String,
    },
    /// The backend takes no writes: it is full or read-only. Reading goes on.
    #[error("the storage backend takes no writes: {cause}; give it space or the right to write")]
    NotWritable {
        /// Which of the two.
        cause: String,
    },
    /// The object is larger than any backend takes. Nothing was changed.
    #[error("the object has {size_bytes} bytes; storage takes at most {size_bytes_max}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The largest.
        size_bytes_max: usize,
    },
    /// The backend is not what its settings say: no such bucket, another region, a store that
    /// ignores conditions, a schema of another release.
    #[error("the storage backend is not set up as it must be: {cause}")]
    Misconfigured {
        /// What is wrong.
        cause: String,
    },
}

/// A name in a backend: segments of `[a-z0-9._-]` joined by `/`, at most 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Box<str>);

impl Serialize for ObjectName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not a name of a stored object"))
    }
}

impl ObjectName {
    /// Checks the form.
    pub fn new(text: &str) -> Option<Self> {
        let segment = |s: &str| {
            !s.is_empty()
                && s != "."
                && s != ".."
                && s.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
                })
        };
        (text.len() <= 200 && text.split('/').all(segment)).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where bytes are kept. Returns from a write only when what was written survives power loss.
///
/// Each name is a register of its own: whatever is done to it at once by many, on one node or on
/// several, has an order in which every answer makes sense (linearizable per name). A change that
/// ends in [`StorageError::Unavailable`] or [`StorageError::Throttled`] may have been made; any
/// other error means that it was not.
#[async_trait]
pub trait StorageBackend: Send + Sync {
    /// Prepares what the backend needs (folders, a schema) and proves that it does what this port
    /// promises. Done at every start before anything else; doing it again changes nothing.
    async fn init(&self) -> Result<(), StorageError>;

    /// The bytes under a name.
    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes, replacing what was there.
    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError>;

    /// Writes if nothing is there.
    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError>;

    /// Writes each if nothing is there under its name. One sync for all where the backend can.
    /// On an error some may have been written.
    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError>;

    /// Replaces `expected` with `new`, or reports a conflict.
    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError>;

    /// Removes what is there; nothing there is no error.
    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError>;

    /// Names that begin with `prefix`, in order, after `after`, at most `limit`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError>;

    /// Writes, reads and deletes a probe.
    async fn health(&self) -> Result<(), StorageError>;
}

/// A record to be stored.
pub struct NewRecord {
    /// What it is; its `record_id` must be fresh.
    pub label: RecordLabel,
    /// Kept encrypted beside the payload.
    pub metadata: Vec<u8>,
    /// The secret.
    pub payload: SecretBytes,
}

/// Secure storage over a backend.
#[async_trait]
pub trait SecureStorage: Send + Sync {
    /// Stores records, each under its tenant's current key-encryption key, all durable on return.
    /// The digests are the ledger's words for them, in order.
    async fn store(&self, records: Vec<NewRecord>) -> Result<Vec<Digest>, StorageError>;

    /// Opens a record, comparing it with what it should be.
    async fn open(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
    ) -> Result<OpenedRecord, StorageError>;

    /// Deletes a record and looks whether it is gone.
    async fn destroy(&self, record: RecordId) -> Result<(), StorageError>;
}

/// What became of one slice of stored objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewrapSlice {
    /// Where the next slice begins; none after the last.
    pub next: Option<ObjectName>,
    /// Objects looked at.
    pub examined: u64,
    /// Of these: records of the tenant under an older key.
    pub found: u64,
    /// Of these: records now under the newest.
    pub changed: u64,
    /// Of these: records that were refused or could not be written. The log names them.
    pub failed: u64,
}

/// The tenants' key-encryption keys, under the root key.
#[async_trait]
pub trait KeyHierarchy: Send + Sync {
    /// Makes the first key-encryption key of a tenant; durable on return. The registry's
    /// transaction makes it count.
    async fn create_tenant_kek(
        &self,
        tenant: TenantId,
        now: crate::time::Timestamp,
    ) -> Result<TenantKek, StorageError>;

    /// Makes the version after `current`; durable on return. The registry's transaction makes it
    /// count; whoever commits it has the tenant forgotten afterwards.
    async fn next_tenant_kek(
        &self,
        current: &TenantKek,
        now: crate::time::Timestamp,
    ) -> Result<TenantKek, StorageError>;

    /// Looks at the next `limit` objects behind `after`, and wraps those of a tenant's records
    /// under its newest key-encryption key that are under an older one. Only their outer headers
    /// change.
    async fn rewrap_slice(
        &self,
        tenant: TenantId,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<RewrapSlice, StorageError>;

    /// Reads a key-encryption key and verifies that it is the very one, without keeping it.
    async fn verify_tenant_kek(&self, kek: &TenantKek) -> Result<(), StorageError>;

    /// Deletes a key-encryption key and looks whether it is gone.
    async fn destroy_tenant_kek(&self, kek: &TenantKek) -> Result<(), StorageError>;

    /// Drops what is cached of a tenant, zeroized.
    fn forget_tenant(&self, tenant: TenantId);
}

/// The registry's word for which records are the right ones.
#[async_trait]
pub trait RecordLedger: Send + Sync {
    /// The tenant's live key-encryption keys, newest first.
    async fn tenant_keks(&self, tenant: TenantId) -> Result<Vec<TenantKek>, StorageError>;

    /// The live key-encryption keys of all, those of the system among them, in the order of their
    /// records: at most `limit` behind `after`.
    async fn live_keks(
        &self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<TenantKek>, StorageError>;
}
