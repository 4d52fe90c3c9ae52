//! Where a payload ends: for whoever must know its length before its first byte, and for a range that
//! begins at its end or behind it. Nothing of such a range is there, and that is true only if the last
//! chunk says that it is the last.

use std::sync::Arc;

use keyward_core::ids::RecordId;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};
use keyward_crypto::record::{CHUNK_LENGTH, RangeOpener, RecordError, SEALED_CHUNK_LENGTH};
use zeroize::Zeroizing;

use super::{PAGE_LENGTH, PART_BYTES};
use crate::object_names;
use crate::vault::refused;

/// A record of which only the beginning is at hand.
pub(super) struct End {
    pub(super) backend: Arc<dyn StorageBackend>,
    pub(super) id: RecordId,
    /// The first part, or all of the core.
    pub(super) head: Vec<u8>,
}

impl End {
    /// An error if the last chunk that is stored is not the last of the payload, or if it does not lie
    /// before `wanted`, whose bytes are missing then.
    pub(super) async fn ensure_before(
        self,
        wanted: u64,
        opener: &RangeOpener,
    ) -> Result<(), StorageError> {
        let (last, _) = self.last_chunk(opener).await?;
        if last >= wanted {
            return Err(refused(RecordError::Truncated));
        }
        Ok(())
    }

    /// The length of the payload, as its last chunk has it.
    pub(super) async fn payload_bytes(self, opener: &RangeOpener) -> Result<u64, StorageError> {
        let (last, length) = self.last_chunk(opener).await?;
        Ok(last * CHUNK_LENGTH as u64 + length)
    }

    /// Opens the last chunk that is stored: its number, and the length of what is in it. An error if it
    /// is not the last of the payload.
    async fn last_chunk(&self, opener: &RangeOpener) -> Result<(u64, u64), StorageError> {
        let truncated = || refused(RecordError::Truncated);
        let header = opener.chunk_start(0);
        let (mut tail, mut tail_start) = self.tail().await?;
        let payload_end = (tail_start + tail.len() as u64).checked_sub(header + 1);
        let last = payload_end.ok_or_else(truncated)? / SEALED_CHUNK_LENGTH as u64;
        let start = opener.chunk_start(last);
        if start < tail_start {
            // A part is longer than a chunk: it begins in the part before.
            tail_start -= PART_BYTES as u64;
            let before = self.part(tail_start / PART_BYTES as u64).await?;
            tail = [before, tail].concat();
        }
        let from = usize::try_from(start.saturating_sub(tail_start)).unwrap_or(usize::MAX);
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK_LENGTH));
        let sealed = tail.get(from..).unwrap_or_default();
        let is_last = opener.open_chunk(last, sealed, &mut chunk);
        if is_last.map_err(refused)? {
            Ok((last, chunk.len() as u64))
        } else {
            Err(truncated())
        }
    }

    /// The last part, and where in the core it begins.
    async fn tail(&self) -> Result<(Vec<u8>, u64), StorageError> {
        let number = match self.head.len() {
            PART_BYTES => self.last_part().await?,
            _ => 0,
        };
        Ok((self.part(number).await?, number * PART_BYTES as u64))
    }

    async fn part(&self, number: u64) -> Result<Vec<u8>, StorageError> {
        if number == 0 {
            return Ok(self.head.clone());
        }
        let name = object_names::part(self.id, number)?;
        let found = self.backend.read(&name).await?;
        found.ok_or(refused(RecordError::Truncated))
    }

    async fn last_part(&self) -> Result<u64, StorageError> {
        let prefix = object_names::parts(self.id)?;
        let mut last: Option<ObjectName> = None;
        loop {
            let names = self
                .backend
                .list(prefix.as_str(), last.as_ref(), PAGE_LENGTH)
                .await?;
            let is_all = names.len() < PAGE_LENGTH;
            last = names.into_iter().next_back().or(last);
            if is_all {
                let number = last.as_ref().and_then(object_names::part_number);
                return Ok(number.unwrap_or(0));
            }
        }
    }
}
