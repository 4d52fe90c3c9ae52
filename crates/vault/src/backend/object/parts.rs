//! Values that are larger than one request should carry: they lie in parts, and the object under
//! the value's name only says which. The parts are written first, under paths that the write id
//! makes fresh, so that the one conditional write of the name decides, as it does for small values.
//! (The services' own multipart uploads cannot be completed on a condition everywhere.)
//!
//! A crash between the two leaves parts that no name refers to. They are ciphertext without a key
//! in reach, and are swept up at a later start.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use keyward_core::port::storage::{ObjectName, StorageError};
use keyward_crypto::record::RecordError;
use object_store::ObjectMeta;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::frame::{self, Head, Value, WriteId};
use super::{Fault, ObjectBackend, flat};
use crate::backend::OBJECT_SIZE_MAX_BYTES;

/// Values up to this size are one object.
pub(super) const PART_SIZE_BYTES: usize = 8 << 20;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 4;
/// How often a value is read again because it was replaced while its parts were fetched.
const REPLACED_MAX: usize = 16;
/// Parts without a name are left alone for so long: their writer may still be at it.
const ORPHAN_AGE_HOURS: i64 = 24;

/// A value ready for its name.
pub(super) struct Draft {
    pub(super) write_id: WriteId,
    /// What goes under the name.
    pub(super) head: Bytes,
    parts: u32,
}

impl ObjectBackend {
    /// Frames a value; writes its parts if it is large.
    pub(super) async fn draft(
        &self,
        name: &ObjectName,
        value: Vec<u8>,
    ) -> Result<Draft, StorageError> {
        let write_id = self.fresh_write_id()?;
        if value.len() <= PART_SIZE_BYTES {
            let head = frame::whole(&write_id, &value);
            return Ok(Draft {
                write_id,
                head,
                parts: 0,
            });
        }
        let parts = value.len().div_ceil(PART_SIZE_BYTES) as u32;
        let value = &Bytes::from(value);
        let written = stream::iter(0..parts)
            .map(|number| async move {
                let begin = number as usize * PART_SIZE_BYTES;
                let piece = value.slice(begin..value.len().min(begin + PART_SIZE_BYTES));
                let path = self.part_path(name, &write_id, number)?;
                self.replace(&path, &frame::part(&write_id, number, &piece))
                    .await
            })
            .buffer_unordered(PARTS_AT_ONCE)
            .try_collect::<()>()
            .await;
        let draft = Draft {
            write_id,
            head: frame::in_parts(&write_id, value.len() as u64, parts),
            parts,
        };
        if written.is_err() {
            self.discard(name, &draft).await;
        }
        written.map(|()| draft)
    }

    /// Removes the parts of a draft that did not get its name.
    pub(super) async fn discard(&self, name: &ObjectName, draft: &Draft) {
        self.remove_parts(name, &draft.write_id, draft.parts).await;
    }

    /// Removes the parts of what a name stood for until now.
    pub(super) async fn discard_replaced(&self, name: &ObjectName, head: &Bytes, by: &WriteId) {
        if let Ok(Head {
            write_id,
            value: Value::InParts { parts, .. },
        }) = frame::parse(head)
            && write_id != *by
        {
            self.remove_parts(name, &write_id, parts).await;
        }
    }

    async fn remove_parts(&self, name: &ObjectName, write_id: &WriteId, parts: u32) {
        let removed = stream::iter(0..parts.min(parts_max()))
            .map(|number| async move {
                let path = self.part_path(name, write_id, number)?;
                self.remove(&path).await
            })
            .buffer_unordered(PARTS_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        if removed.iter().any(Result::is_err) {
            tracing::debug!("parts without a name stay until a later start sweeps them up");
        }
    }

    /// The value that a head stands for.
    pub(super) async fn value(
        &self,
        name: &ObjectName,
        path: &Path,
        mut object: Bytes,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        for _ in 0..REPLACED_MAX {
            let head = frame::parse(&object)?;
            let (size_bytes, parts) = match head.value {
                Value::Whole(value) => return Ok(Some(value.into())),
                Value::InParts { size_bytes, parts } => (size_bytes, parts),
            };
            if size_bytes > OBJECT_SIZE_MAX_BYTES as u64 || parts > parts_max() {
                return Err(frame::damaged());
            }
            if let Some(value) = self.gather(name, &head.write_id, parts).await? {
                let is_whole = value.len() as u64 == size_bytes;
                return is_whole.then(|| Some(value.into())).ok_or(frame::damaged());
            }
            // A part is missing: the value was replaced meanwhile, or it is not whole.
            match self.fetch(path, None).await? {
                None => return Ok(None),
                Some(now) if is_same(&now.bytes, &head.write_id) => {
                    return Err(StorageError::Refused(RecordError::Truncated));
                }
                Some(now) => object = now.bytes,
            }
        }
        Err(crate::backend::unavailable(
            "the value changes faster than it can be read",
        ))
    }

    /// Whether an object's value is this one.
    pub(super) async fn stands_for(
        &self,
        name: &ObjectName,
        path: &Path,
        object: &Bytes,
        expected: &[u8],
    ) -> Result<bool, StorageError> {
        match &frame::parse(object)?.value {
            Value::Whole(value) => Ok(value == expected),
            Value::InParts { size_bytes, .. } if *size_bytes != expected.len() as u64 => Ok(false),
            Value::InParts { .. } => {
                let value = self.value(name, path, object.clone()).await?;
                Ok(value.as_deref() == Some(expected))
            }
        }
    }

    async fn gather(
        &self,
        name: &ObjectName,
        write_id: &WriteId,
        parts: u32,
    ) -> Result<Option<BytesMut>, StorageError> {
        let mut arriving = stream::iter(0..parts)
            .map(|number| async move {
                let path = self.part_path(name, write_id, number)?;
                let found = self.fetch(&path, None).await?;
                found
                    .map(|part| frame::parse_part(&part.bytes, write_id, number))
                    .transpose()
            })
            .buffered(PARTS_AT_ONCE);
        let mut value = BytesMut::with_capacity(parts as usize * PART_SIZE_BYTES);
        while let Some(part) = arriving.try_next().await? {
            match part {
                Some(bytes) => value.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// Removes parts that no name refers to and whose writer is long gone, page by page. `now` is an
    /// object that was written just now: its time is the store's own.
    pub(super) async fn sweep(&self, now: &Path) -> Result<(), StorageError> {
        use object_store::ObjectStoreExt;
        let folder = self.parts_folder();
        let mut page_token = None;
        let mut written_at = None;
        loop {
            let page = self
                .repeat(|| {
                    let options = PaginatedListOptions {
                        page_token: page_token.clone(),
                        ..PaginatedListOptions::default()
                    };
                    self.store.list_paginated(Some(&folder), options)
                })
                .await
                .map_err(Fault::into_error)?;
            if !page.result.objects.is_empty() {
                if written_at.is_none() {
                    let probe = self.repeat(|| self.store.head(now)).await;
                    written_at = Some(probe.map_err(Fault::into_error)?.last_modified);
                }
                let old = |part: &ObjectMeta| {
                    let age = written_at.map(|now| now - part.last_modified);
                    age.is_some_and(|age| age.num_hours() >= ORPHAN_AGE_HOURS)
                };
                let parts = page.result.objects.into_iter().filter(old);
                self.sweep_parts(&folder, parts.map(|part| part.location))
                    .await?;
            }
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes those of some old parts that no name refers to.
    async fn sweep_parts(
        &self,
        folder: &str,
        parts: impl Iterator<Item = Path>,
    ) -> Result<(), StorageError> {
        let mut old: BTreeMap<(String, String), Vec<Path>> = BTreeMap::new();
        for part in parts {
            let text = part.as_ref().strip_prefix(folder);
            let split = text.and_then(|text| {
                let (rest, _number) = text.rsplit_once('/')?;
                let (name, write_id) = rest.rsplit_once('/')?;
                Some((name.to_owned(), write_id.to_owned()))
            });
            if let Some(owner) = split {
                old.entry(owner).or_default().push(part);
            }
        }
        for ((name, write_id), parts) in old {
            let Some(name) = flat::name(&name) else {
                continue;
            };
            let path = self.object_path(&name)?;
            let head = self.fetch(&path, Some(frame::HEAD_LENGTH_MAX)).await?;
            // A head that cannot be read is no reason to throw away what it may have named.
            let is_used = head.is_some_and(|head| {
                frame::parse(&head.bytes).map_or(true, |head| {
                    data_encoding::HEXLOWER.encode(&head.write_id) == write_id
                })
            });
            if !is_used {
                for part in parts {
                    self.remove(&part).await?;
                }
            }
        }
        Ok(())
    }
}

fn is_same(object: &Bytes, write_id: &WriteId) -> bool {
    frame::parse(object).is_ok_and(|head| head.write_id == *write_id)
}

const fn parts_max() -> u32 {
    OBJECT_SIZE_MAX_BYTES.div_ceil(PART_SIZE_BYTES) as u32
}
