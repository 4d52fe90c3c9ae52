//! A payload read piece by piece, each verified before it is given.

use std::future::ready;
use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use keyward_core::ids::RecordId;
use keyward_core::port::storage::{StorageBackend, StorageError};
use keyward_core::port::stream_storage::{PAYLOAD_BYTES_MAX, PayloadRange};
use keyward_crypto::SecretBytes;
use keyward_crypto::record::{CHUNK_LENGTH, RangeOpener, RecordError, SEALED_CHUNK_LENGTH};
use zeroize::Zeroizing;

use super::end::End;
use super::{PART_BYTES, PARTS_AT_ONCE};
use crate::object_names;
use crate::vault::refused;

/// Bytes of a core in order, from some place on.
type Parts = BoxStream<'static, Result<Vec<u8>, StorageError>>;

/// A record that is being read.
pub(super) struct Reading {
    opener: RangeOpener,
    /// Parts behind those in `bytes`.
    parts: Parts,
    /// Bytes of the core that are there and not yet opened.
    bytes: Vec<u8>,
    /// Of these, those that were opened already or lie before the range.
    used: usize,
    /// What says where the payload ends, if the range may begin behind it.
    end: Option<End>,
    /// The chunk that comes next; none after the last.
    chunk: Option<u64>,
    /// Bytes of the next chunk's payload that lie before the range.
    skip: usize,
    /// Bytes still to be given.
    left: u64,
}

impl Reading {
    pub(super) fn new(
        backend: Arc<dyn StorageBackend>,
        id: RecordId,
        opener: RangeOpener,
        head: Vec<u8>,
        range: PayloadRange,
    ) -> Self {
        let left = range.length.unwrap_or(u64::MAX);
        let offset = range.offset.min(PAYLOAD_BYTES_MAX);
        let chunk = RangeOpener::chunk_of(offset);
        let start = opener.chunk_start(chunk);
        let stop = offset.saturating_add(left).min(PAYLOAD_BYTES_MAX);
        // The chunk behind the range is asked for only if the range ends with a chunk.
        let stop = opener.chunk_start(RangeOpener::chunk_of(stop.max(1) - 1) + 1);
        let head_length = head.len() as u64;
        let (bytes, used, first, end) = if start < head_length {
            (head, usize::try_from(start).unwrap_or(usize::MAX), 1, None)
        } else {
            let part = start / PART_BYTES as u64;
            let used = usize::try_from(start % PART_BYTES as u64).unwrap_or(usize::MAX);
            let backend = Arc::clone(&backend);
            (Vec::new(), used, part, Some(End { backend, id, head }))
        };
        // A record that was written whole is one object of any length.
        let last = if head_length == PART_BYTES as u64 {
            stop.div_ceil(PART_BYTES as u64)
        } else {
            0
        };
        Self {
            parts: read_parts(backend, id, first..last.max(first)),
            opener,
            bytes,
            used,
            end,
            chunk: (left > 0).then_some(chunk),
            skip: usize::try_from(offset % CHUNK_LENGTH as u64).unwrap_or(0),
            left,
        }
    }

    /// The next piece: at most one chunk.
    pub(super) async fn next(mut self) -> Result<Option<(SecretBytes, Self)>, StorageError> {
        let Some(number) = self.chunk else {
            return Ok(None);
        };
        self.gather().await?;
        let rest = self.bytes.get(self.used..).unwrap_or_default();
        if let Some(end) = self.end.take().filter(|_| rest.is_empty()) {
            end.ensure_before(number, &self.opener).await?;
            return Ok(None);
        }
        let sealed = &rest[..rest.len().min(SEALED_CHUNK_LENGTH)];
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK_LENGTH));
        let opened = self.opener.open_chunk(number, sealed, &mut chunk);
        let is_last = opened.map_err(refused)?;
        self.used += sealed.len();
        if is_last && (self.used < self.bytes.len() || self.parts.try_next().await?.is_some()) {
            return Err(refused(RecordError::TrailingData));
        }
        let from = self.skip.min(chunk.len());
        let length = usize::try_from(self.left).unwrap_or(usize::MAX);
        let to = from.saturating_add(length).min(chunk.len());
        self.skip = 0;
        self.left -= (to - from) as u64;
        self.chunk = (!is_last && self.left > 0).then_some(number + 1);
        Ok(Some((SecretBytes::copy_from(&chunk[from..to]), self)))
    }

    /// Has the whole of the next chunk there, or what there is of it.
    async fn gather(&mut self) -> Result<(), StorageError> {
        while self.bytes.len() < self.used.saturating_add(SEALED_CHUNK_LENGTH) {
            let Some(part) = self.parts.try_next().await? else {
                break;
            };
            let done = self.used.min(self.bytes.len());
            self.bytes.drain(..done);
            self.used -= done;
            self.bytes.extend_from_slice(&part);
        }
        Ok(())
    }
}

/// The parts of these numbers, as far as there are any.
fn read_parts(backend: Arc<dyn StorageBackend>, id: RecordId, numbers: Range<u64>) -> Parts {
    stream::iter(numbers)
        .map(move |number| {
            let backend = Arc::clone(&backend);
            async move { backend.read(&object_names::part(id, number)?).await }
        })
        .buffered(PARTS_AT_ONCE)
        .try_take_while(|part| ready(Ok(part.is_some())))
        .try_filter_map(|part| ready(Ok(part)))
        .boxed()
}
