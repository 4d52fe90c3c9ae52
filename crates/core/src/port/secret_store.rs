//! Where the values of secrets are kept. A port of its own, and narrower than storage: what comes
//! and goes here is a secret's value and can be nothing else, so that no reference, however it was
//! altered, gives out or destroys key material.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use keyward_crypto::secret::SecretBytes;

use crate::ids::{RecordId, SecretId, TenantId};
use crate::noun::tenant::{Digest, TenantKek};
use crate::port::storage::StorageError;
use crate::port::stream_storage::{Pieces, StoredPayload};

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

/// A value whose record is verified but for what lies between its headers and its end.
pub struct OpenedValue {
    /// Its length in bytes, verified.
    pub size_bytes: u64,
    /// The value. Each piece is verified before it is given; it is whole only if they end without an
    /// error.
    pub pieces: Pieces<'static>,
}

/// The vault of values.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores a value in a fresh record, durable on return. The digest is the ledger's word for it.
    async fn put(&self, spec: SecretSpec, value: SecretBytes) -> Result<Digest, StorageError>;

    /// Stores a value that comes in pieces, in memory that does not grow with it; durable on return. If a
    /// piece is an error, nothing of it stays.
    async fn put_pieces(
        &self,
        spec: SecretSpec,
        value: Pieces<'_>,
    ) -> Result<StoredPayload, StorageError>;

    /// Stores a value of a tenant that is about to be made, under the key-encryption key that it will
    /// have: the registry does not name that one yet.
    async fn put_first(
        &self,
        spec: SecretSpec,
        kek: &TenantKek,
        value: SecretBytes,
    ) -> Result<Digest, StorageError>;

    /// Opens a value, comparing it with what it should be. One that came in pieces and is too large for
    /// memory is refused: [`Self::open_pieces`].
    async fn open(&self, spec: SecretSpec, digest: &Digest) -> Result<SecretBytes, StorageError>;

    /// Opens a value of any length, to be read in pieces.
    async fn open_pieces(
        &self,
        spec: SecretSpec,
        digest: &Digest,
    ) -> Result<OpenedValue, StorageError>;

    /// The length in bytes, verified, of a value that is too large to lie in one object; none of others,
    /// which are not opened for it.
    async fn size_if_large(
        &self,
        spec: SecretSpec,
        digest: &Digest,
    ) -> Result<Option<u64>, StorageError>;

    /// Reads and verifies all of a value, of any length, and gives nothing of it.
    async fn verify(&self, spec: SecretSpec, digest: &Digest) -> Result<(), StorageError> {
        let mut pieces = self.open_pieces(spec, digest).await?.pieces;
        while pieces.try_next().await?.is_some() {}
        Ok(())
    }

    /// Destroys a value and looks whether it is gone; gone already is no error. Refuses a record
    /// that says it is another.
    async fn destroy(&self, spec: SecretSpec) -> Result<(), StorageError>;
}
