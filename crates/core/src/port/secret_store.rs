//! Where the values of secrets are kept. A port of its own, and narrower than storage: what comes
//! and goes here is a secret's value and can be nothing else, so that no reference, however it was
//! altered, gives out or destroys key material.

use async_trait::async_trait;
use keyward_crypto::secret::SecretBytes;

use crate::ids::{RecordId, SecretId, TenantId};
use crate::noun::tenant::{Digest, TenantKek};
use crate::port::storage::StorageError;

/// What a value is the value of. Kept with it, and compared with every later request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretSpec {
    /// Whose; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Of which secret.
    pub secret: SecretId,
    /// Of which version.
    pub version: u32,
    /// In which record.
    pub record: RecordId,
}

/// The vault of values.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores a value in a fresh record, durable on return. The digest is the ledger's word for it.
    async fn put(&self, spec: SecretSpec, value: SecretBytes) -> Result<Digest, StorageError>;

    /// Stores a value of a tenant that is about to be made, under the key-encryption key that it will
    /// have: the registry does not name that one yet.
    async fn put_first(
        &self,
        spec: SecretSpec,
        kek: &TenantKek,
        value: SecretBytes,
    ) -> Result<Digest, StorageError>;

    /// Opens a value, comparing it with what it should be.
    async fn open(&self, spec: SecretSpec, digest: &Digest) -> Result<SecretBytes, StorageError>;

    /// Destroys a value and looks whether it is gone; gone already is no error. Refuses a record
    /// that says it is another.
    async fn destroy(&self, spec: SecretSpec) -> Result<(), StorageError>;
}
