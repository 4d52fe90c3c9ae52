//! Payloads too large to be held in memory: stored and opened in pieces.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use keyward_crypto::record::RecordLabel;
use keyward_crypto::secret::SecretBytes;

use super::storage::StorageError;
use crate::noun::tenant::Digest;

/// The largest payload, in bytes: 5 GiB.
pub const PAYLOAD_BYTES_MAX: u64 = 5 << 30;

/// A payload in pieces of any length, in order. An error ends it.
pub type Pieces<'a> = BoxStream<'a, Result<SecretBytes, StorageError>>;

/// A payload that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPayload {
    /// The ledger's word for the record.
    pub digest: Digest,
    /// Length of the payload in bytes.
    pub payload_bytes: u64,
}

/// Which bytes of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadRange {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many; all that follow if none. What lies behind the end is not there and no error.
    pub length: Option<u64>,
}

/// A record whose headers are verified and whose payload is still to come.
pub struct OpenedPayload {
    /// The metadata given when the record was stored.
    pub metadata: Vec<u8>,
    /// The bytes asked for. Each piece is verified before it is given; the payload is whole only
    /// if they end without an error.
    pub pieces: Pieces<'static>,
}

/// Secure storage for what does not fit into memory: values of up to [`PAYLOAD_BYTES_MAX`] in
/// memory that does not grow with them. What is stored so is a record like any other: it is under
/// its tenant's key, is wrapped under the next one, and is destroyed like any other.
#[async_trait]
pub trait StreamStorage: Send + Sync {
    /// Stores a record whose payload comes in pieces, under its tenant's current key-encryption
    /// key; durable on return. Before that nothing of it can be opened, and if a piece is an error
    /// nothing of it stays.
    async fn store_stream(
        &self,
        label: &RecordLabel,
        metadata: &[u8],
        payload: Pieces<'_>,
    ) -> Result<StoredPayload, StorageError>;

    /// Opens a record, comparing it with what it should be, and gives its payload, or a range of
    /// it, in pieces.
    async fn open_stream(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
        range: PayloadRange,
    ) -> Result<OpenedPayload, StorageError>;
}
