//! Opening parts of a payload where they stand, without what is before them. Each chunk is
//! authenticated by itself (number, whether it is the last, core digest), so that what comes out
//! of a range is as genuine as what comes out of the whole; that nothing follows is known only
//! from the last chunk.

use super::header::CoreHeader;
use super::stream::{CHUNK_LENGTH, ChunkCipher, SEALED_CHUNK_LENGTH};
use super::{RecordError, RecordLabel, unlock};
use crate::keywrap::Kek;

/// A record whose headers are verified and whose chunks may be opened in any order.
pub struct RangeOpener {
    cipher: ChunkCipher,
    header_length: usize,
    core_digest: [u8; 32],
    metadata: Vec<u8>,
}

impl RangeOpener {
    /// Verifies both headers. `core_start` is the beginning of the core, long enough to hold its
    /// header.
    ///
    /// # Errors
    /// As [`super::open`], but for the payload's.
    pub fn new(
        outer: &[u8],
        core_start: &[u8],
        kek: &Kek,
        expected: &RecordLabel,
        expected_core_digest: Option<&[u8; 32]>,
    ) -> Result<Self, RecordError> {
        let header = CoreHeader::parse(core_start)?;
        let unlocked = unlock(
            outer,
            &header,
            core_start,
            kek,
            expected,
            expected_core_digest,
        )?;
        Ok(Self {
            cipher: unlocked.cipher,
            header_length: header.length,
            core_digest: unlocked.core_digest,
            metadata: unlocked.metadata,
        })
    }

    /// SHA-256 of the core header.
    pub fn core_digest(&self) -> [u8; 32] {
        self.core_digest
    }

    /// The metadata given when the record was sealed.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }

    /// The number of the chunk that holds a byte of the payload.
    #[must_use]
    pub fn chunk_of(payload_offset: u64) -> u64 {
        payload_offset / CHUNK_LENGTH as u64
    }

    /// Where a chunk begins in the core, in bytes.
    pub fn chunk_start(&self, number: u64) -> u64 {
        self.header_length as u64 + number * SEALED_CHUNK_LENGTH as u64
    }

    /// Opens a chunk, given all of its bytes, and appends its payload to `out`. Says whether it is
    /// the last.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] when the bytes end where another chunk should follow,
    /// [`RecordError::Altered`].
    pub fn open_chunk(
        &self,
        number: u64,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, RecordError> {
        self.cipher.open_either(number, sealed, out)
    }
}
