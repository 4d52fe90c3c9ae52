//! Records that do not fit into memory. The core is cut into parts of [`PART_BYTES`], each an
//! object of its own, so that every backend takes them and none needs to know of them. The first
//! part, which holds the core header, is written last: until then there is no record.
//!
//! A record that was written whole is read here as well; one that was written here and fits into
//! one part is read by `records` as well.

mod end;
mod openings;
mod reading;
#[cfg(test)]
mod sealed_meanwhile;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{StreamExt, TryStreamExt};
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::Digest;
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_core::port::stream_storage::{
    OpenedPayload, PAYLOAD_BYTES_MAX, PayloadRange, Pieces, StoredPayload, StreamStorage,
};
use keyward_crypto::SecretBytes;
use keyward_crypto::digest::sha256;
use keyward_crypto::record::{
    self, RangeOpener, RecordError, RecordLabel, RecordSealer, SealedRecord, UnwrappedRecord,
};
use tokio::sync::SemaphorePermit;

use self::end::End;
pub(super) use self::openings::Openings;
use self::reading::Reading;
use super::{Vault, layout, refused};
use crate::object_names;

/// Bytes of the core in a part; the last part has fewer, or as many.
pub(crate) const PART_BYTES: usize = 4 << 20;
/// Parts on their way to the backend, or from it, at once.
const PARTS_AT_ONCE: usize = 3;
/// Names in a page when parts are deleted.
const PAGE_LENGTH: usize = 1000;

#[async_trait]
impl StreamStorage for Vault {
    async fn store_stream(
        &self,
        label: &RecordLabel,
        metadata: &[u8],
        payload: Pieces<'_>,
    ) -> Result<StoredPayload, StorageError> {
        let tenant = TenantId::from_uuid(label.tenant);
        // Only to find out that it can be had. A payload may come for hours, and who seals meanwhile
        // must find nobody who still holds the root key or a key-encryption key.
        self.current_kek(&*self.unsealed()?, tenant).await?;
        let begun = RecordSealer::new(label, metadata, &*self.random);
        let (sealer, core) = begun.map_err(refused)?;
        let digest = Digest(sealer.core_digest());
        let id = RecordId::from_uuid(label.record_id);
        // A record of this name is found out before its parts are touched.
        if self
            .backend
            .read(&object_names::record(id)?)
            .await?
            .is_some()
        {
            return Err(StorageError::AlreadyExists);
        }
        let mut writing = Writing {
            vault: self,
            id,
            tenant,
            cutter: Cutter::new(core),
            under_way: FuturesUnordered::new(),
            made: Vec::new(),
        };
        let stored = match writing.parts(sealer, payload).await {
            Ok((payload_bytes, record)) => {
                let written = writing.head(&record, digest.0).await;
                written.map(|()| payload_bytes)
            }
            Err(error) => Err(error),
        };
        match stored {
            Ok(payload_bytes) => Ok(StoredPayload {
                digest,
                payload_bytes,
            }),
            Err(error) => {
                self.take_back_made(id, writing.made).await;
                Err(error)
            }
        }
    }

    async fn open_stream(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
        range: PayloadRange,
    ) -> Result<OpenedPayload, StorageError> {
        let Opening {
            id, opener, core, ..
        } = self.headers(expected, digest).await?;
        let metadata = opener.metadata().to_vec();
        let reading = Reading::new(Arc::clone(&self.backend), id, opener, core, range);
        let pieces = stream::try_unfold(reading, Reading::next).boxed();
        Ok(OpenedPayload { metadata, pieces })
    }
}

/// A record whose headers are verified.
struct Opening<'a> {
    /// Of a large one, until its end is known.
    place: Option<SemaphorePermit<'a>>,
    id: RecordId,
    opener: RangeOpener,
    /// The first part, or all of the core.
    core: Vec<u8>,
    /// Whether all of it is one object.
    is_single: bool,
}

impl Vault {
    async fn headers(
        &self,
        expected: &RecordLabel,
        digest: Option<&Digest>,
    ) -> Result<Opening<'_>, StorageError> {
        self.unsealed()?;
        let id = RecordId::from_uuid(expected.record_id);
        let (object, place) = self.first_object(id).await?;
        let is_single = !layout::is_core(&object);
        let (outer, core) = if is_single {
            let (outer, core) = layout::split(&object)?;
            (outer.to_vec(), core.to_vec())
        } else {
            let found = self.backend.read(&object_names::outer(id)?).await?;
            (found.ok_or(refused(RecordError::Truncated))?, object)
        };
        let named = record::peek_outer(&outer).map_err(refused)?;
        let hierarchy = self.unsealed()?;
        let tenant = TenantId::from_uuid(expected.tenant);
        let kek = self.named_kek(&hierarchy, tenant, named).await?;
        let digest = digest.map(|digest| &digest.0);
        let opener =
            RangeOpener::new(&outer, &core, &kek.key, expected, digest).map_err(refused)?;
        Ok(Opening {
            place,
            id,
            opener,
            core,
            is_single,
        })
    }

    /// What lies under a record's name, and a place if it is the beginning of a large one. Who has to wait
    /// for that place holds nothing, and reads it again.
    async fn first_object(
        &self,
        id: RecordId,
    ) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), StorageError> {
        let name = object_names::record(id)?;
        let missing = StorageError::Missing;
        let reading = self.openings.read().await;
        let object = self.backend.read(&name).await?.ok_or(missing.clone())?;
        if object.len() < PART_BYTES || !layout::is_core(&object) {
            return Ok((object, None));
        }
        if let Some(place) = self.openings.large_now() {
            return Ok((object, Some(place)));
        }
        drop((object, reading));
        let place = self.openings.large().await;
        let object = self.backend.read(&name).await?.ok_or(missing)?;
        Ok((object, place))
    }

    /// The outer header under the tenant's key-encryption key of now: whoever wraps records under a new
    /// key while a payload comes does not find one that has no header yet.
    async fn outer_of_now(
        &self,
        tenant: TenantId,
        record: &UnwrappedRecord,
    ) -> Result<Vec<u8>, StorageError> {
        let hierarchy = self.unsealed()?;
        let kek = self.current_kek(&hierarchy, tenant).await?;
        let outer = record.wrap(&kek.key, kek.name, &*self.random);
        outer.map_err(refused)
    }

    /// Opens all of a record's payload. Its length is verified first: the last chunk is opened before
    /// the first is given.
    pub(super) async fn open_whole(
        &self,
        expected: &RecordLabel,
        digest: &Digest,
    ) -> Result<(u64, Pieces<'static>), StorageError> {
        let Opening {
            place,
            id,
            opener,
            core,
            ..
        } = self.headers(expected, Some(digest)).await?;
        let end = self.end(id, core.clone());
        let payload_bytes = end.payload_bytes(&opener).await?;
        drop(place);
        let range = PayloadRange::default();
        let reading = Reading::new(Arc::clone(&self.backend), id, opener, core, range);
        let pieces = stream::try_unfold(reading, Reading::next).boxed();
        Ok((payload_bytes, pieces))
    }
}

impl Vault {
    /// Deletes what a failed writing left, and nothing that another writing of the same record made:
    /// what is sealed twice is never the same. What cannot be deleted cannot be opened either: its
    /// outer header was never written, or it has no head.
    async fn take_back_made(&self, id: RecordId, made: Vec<(ObjectName, [u8; 32])>) {
        let deleted = async {
            // What makes the parts a record came last, and goes first.
            for (name, digest) in made.into_iter().rev() {
                let found = self.backend.read(&name).await?;
                if found.is_some_and(|bytes| sha256(&bytes) == digest) {
                    self.delete_and_look(&[name]).await?;
                }
            }
            Ok::<(), StorageError>(())
        };
        if let Err(error) = deleted.await {
            tracing::warn!(record = %id, %error, "parts of a record that was not stored stay behind");
        }
    }

    /// Deletes the parts behind the first, and looks until there are none.
    pub(super) async fn delete_parts(&self, id: RecordId) -> Result<(), StorageError> {
        let prefix = object_names::parts(id)?;
        for _ in 0..=MAX_PAGES {
            let names = self
                .backend
                .list(prefix.as_str(), None, PAGE_LENGTH)
                .await?;
            if names.is_empty() {
                return Ok(());
            }
            for name in &names {
                self.backend.delete(name).await?;
            }
        }
        let cause = "the backend still lists parts that were deleted".to_owned();
        Err(StorageError::Unavailable { cause })
    }
}

impl Vault {
    fn end(&self, id: RecordId, head: Vec<u8>) -> End {
        let backend = Arc::clone(&self.backend);
        End { backend, id, head }
    }

    /// The length of a payload that does not lie in one object, verified.
    pub(super) async fn size_if_large(
        &self,
        expected: &RecordLabel,
        digest: &Digest,
    ) -> Result<Option<u64>, StorageError> {
        let found = self.headers(expected, Some(digest)).await?;
        if found.is_single {
            return Ok(None);
        }
        let end = self.end(found.id, found.core);
        end.payload_bytes(&found.opener).await.map(Some)
    }
}

/// Pages that the parts of the largest record fill.
const MAX_PAGES: u64 = 2 + PAYLOAD_BYTES_MAX / (PART_BYTES * PAGE_LENGTH) as u64;

/// Sealed bytes on their way into parts.
struct Cutter {
    /// What is sealed and belongs to the next part.
    core: Vec<u8>,
    /// The first part, kept until the others are written.
    head: Option<Vec<u8>>,
    /// The number of the next part.
    next: u64,
}

impl Cutter {
    fn new(core_header: Vec<u8>) -> Self {
        Self {
            core: core_header,
            head: None,
            next: 0,
        }
    }

    /// Cuts a part of `length` bytes; none if it is the first, which waits.
    fn cut(&mut self, length: usize) -> Option<(u64, Vec<u8>)> {
        let rest = self.core.split_off(length);
        let part = std::mem::replace(&mut self.core, rest);
        let number = self.next;
        self.next += 1;
        if number == 0 {
            self.head = Some(part);
            return None;
        }
        Some((number, part))
    }
}

/// A record that is being written.
struct Writing<'a> {
    vault: &'a Vault,
    id: RecordId,
    tenant: TenantId,
    cutter: Cutter,
    under_way: FuturesUnordered<BoxFuture<'a, Result<(), StorageError>>>,
    /// What was sent to the backend, and the digest of each.
    made: Vec<(ObjectName, [u8; 32])>,
}

impl Writing<'_> {
    /// Seals the payload and writes its parts. Returns when none is on its way any more, whether
    /// it went well or not.
    async fn parts(
        &mut self,
        sealer: RecordSealer,
        payload: Pieces<'_>,
    ) -> Result<(u64, UnwrappedRecord), StorageError> {
        let written = self.seal_all(sealer, payload).await;
        let mut settled = Ok(());
        while let Some(result) = self.under_way.next().await {
            settled = settled.and(result);
        }
        let written = written?;
        settled.map(|()| written)
    }

    async fn seal_all(
        &mut self,
        mut sealer: RecordSealer,
        mut payload: Pieces<'_>,
    ) -> Result<(u64, UnwrappedRecord), StorageError> {
        let mut payload_bytes = 0_u64;
        while let Some(piece) = self.next_piece(&mut payload).await? {
            // What comes when the server is sealed ends there, and with it the record's own key.
            self.vault.unsealed()?;
            payload_bytes = payload_bytes.saturating_add(piece.len() as u64);
            if payload_bytes > PAYLOAD_BYTES_MAX {
                return Err(too_large(payload_bytes));
            }
            // In bounded steps, whatever the length of a piece.
            for step in piece.expose().chunks(PART_BYTES) {
                let core = &mut self.cutter.core;
                sealer.push(step, core).map_err(refused)?;
                self.send(PART_BYTES + 1).await?;
            }
        }
        let core = &mut self.cutter.core;
        let record = sealer.finish(core).map_err(refused)?;
        // What is left is at most a part and the last chunk; the last of it may be any length.
        self.send(PART_BYTES + 1).await?;
        if self.cutter.head.is_some() {
            self.send(1).await?;
        }
        Ok((payload_bytes, record))
    }

    /// The next piece. Parts go on their way meanwhile: who sends slowly must not hold up what others
    /// wait for.
    async fn next_piece(
        &mut self,
        payload: &mut Pieces<'_>,
    ) -> Result<Option<SecretBytes>, StorageError> {
        while !self.under_way.is_empty() {
            match select(payload.try_next(), self.under_way.next()).await {
                Either::Left((piece, _)) => return piece,
                Either::Right((Some(Err(error)), _)) => return Err(error),
                Either::Right(_) => {}
            }
        }
        payload.try_next().await
    }

    /// Sends parts off while at least `least` bytes are there.
    async fn send(&mut self, least: usize) -> Result<(), StorageError> {
        while self.cutter.core.len() >= least {
            let length = self.cutter.core.len().min(PART_BYTES);
            let Some((number, part)) = self.cutter.cut(length) else {
                continue;
            };
            while self.under_way.len() >= PARTS_AT_ONCE {
                self.under_way.try_next().await?;
            }
            let (vault, tenant) = (self.vault, self.tenant);
            let name = object_names::part(self.id, number)?;
            self.made.push((name.clone(), sha256(&part)));
            self.under_way.push(Box::pin(async move {
                let _turn = vault.gate.enter(tenant, 1).await?;
                vault.backend.write_if_absent(&name, part).await
            }));
        }
        Ok(())
    }

    /// Writes what makes the parts a record: the outer header and the first part.
    async fn head(
        &mut self,
        record: &UnwrappedRecord,
        core_digest: [u8; 32],
    ) -> Result<(), StorageError> {
        let outer = self.vault.outer_of_now(self.tenant, record).await?;
        let rest = std::mem::take(&mut self.cutter.core);
        let core = self.cutter.head.take().unwrap_or(rest);
        let sealed = SealedRecord {
            outer,
            core,
            core_digest,
        };
        let objects = layout::objects(self.id, sealed)?;
        let digests = objects
            .iter()
            .map(|(name, bytes)| (name.clone(), sha256(bytes)));
        self.made.extend(digests);
        let _turn = self.vault.gate.enter(self.tenant, objects.len()).await?;
        self.vault.backend.put_many(objects).await
    }
}

fn too_large(payload_bytes: u64) -> StorageError {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    StorageError::TooLarge {
        size_bytes: bytes(payload_bytes),
        size_bytes_max: bytes(PAYLOAD_BYTES_MAX),
    }
}
