//! Requests to the store, asked again where that is safe. This file knows names, frames and
//! conditions; what a value is made of is for [`super::parts`].

use bytes::Bytes;
use keyward_core::port::storage::{ObjectName, StorageError};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use super::fault::{Fault, Kind, fault, late};
use super::frame::{self, WriteId};
use super::parts::PART_SIZE_BYTES;
use super::{ObjectBackend, wire};
use crate::backend::turns::Turns;
use crate::backend::unavailable;

/// Nothing that was written here is larger: a part with its frame. What a bucket returns is not
/// trusted, and more of it is not taken into memory.
const OBJECT_BYTES_MAX: u64 = (PART_SIZE_BYTES + frame::HEAD_LENGTH_MAX) as u64;

/// What was found under a path.
pub(super) struct Fetched {
    /// Which state of the object it is, for a conditional update.
    pub(super) version: UpdateVersion,
    pub(super) bytes: Bytes,
}

impl ObjectBackend {
    pub(super) fn turns(&self) -> Turns<'_> {
        Turns::new(&self.patience, &*self.random)
    }

    /// One attempt at something.
    pub(super) async fn attempt<T>(
        &self,
        turns: &mut Turns<'_>,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Fault> {
        match turns.take(wire::hear(request)).await {
            None => Err(late()),
            Some((Ok(value), _)) => Ok(value),
            Some((Err(error), heard)) => Err(fault(&error, &heard)),
        }
    }

    /// Does what may safely be done twice, until it is done or patience ends.
    pub(super) async fn repeat<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut turns = self.turns();
        loop {
            let failed = match self.attempt(&mut turns, request()).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            if !failed.passing {
                return Err(failed);
            }
            if turns.again(failed.clone().into_error()).await.is_err() {
                return Err(failed);
            }
        }
    }

    /// The object under a path, or its first bytes.
    pub(super) async fn fetch(
        &self,
        path: &Path,
        first_bytes: Option<usize>,
    ) -> Result<Option<Fetched>, StorageError> {
        let found = self
            .repeat(|| async {
                let range = first_bytes.map(|length| GetRange::Bounded(0..length as u64));
                let options = GetOptions {
                    range,
                    ..GetOptions::default()
                };
                let found = self.store.get_opts(path, options).await?;
                if found.range.end - found.range.start > OBJECT_BYTES_MAX {
                    return Ok(None);
                }
                let version = UpdateVersion {
                    e_tag: found.meta.e_tag.clone(),
                    version: found.meta.version.clone(),
                };
                let bytes = found.bytes().await?;
                Ok(Some(Fetched { version, bytes }))
            })
            .await;
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => Err(frame::damaged()),
            Err(failed) if failed.kind == Kind::Missing => Ok(None),
            Err(failed) => Err(failed.into_error()),
        }
    }

    /// One attempt at writing.
    pub(super) async fn put_once(
        &self,
        turns: &mut Turns<'_>,
        path: &Path,
        bytes: &Bytes,
        mode: PutMode,
    ) -> Result<(), Fault> {
        let payload = PutPayload::from_bytes(bytes.clone());
        let options = PutOptions::from(mode);
        let put = self.store.put_opts(path, payload, options);
        match self.attempt(turns, put).await {
            Ok(_) => Ok(()),
            // A bucket that is not there; an object need not be.
            Err(failed) if failed.kind == Kind::Missing => Err(Fault {
                kind: Kind::ConditionFailed,
                ..failed
            }),
            Err(failed) => Err(failed),
        }
    }

    /// Writes whatever is there.
    pub(super) async fn replace(&self, path: &Path, bytes: &Bytes) -> Result<(), StorageError> {
        let put = || {
            let payload = PutPayload::from_bytes(bytes.clone());
            self.store.put_opts(path, payload, PutOptions::default())
        };
        self.repeat(put).await.map(drop).map_err(Fault::into_error)
    }

    /// Creates an object. After an attempt whose answer was lost, "it exists" is looked at: what
    /// carries our write id is our own work.
    pub(super) async fn create(
        &self,
        path: &Path,
        bytes: &Bytes,
        write_id: &WriteId,
    ) -> Result<(), StorageError> {
        let mut turns = self.turns();
        let mut doubtful = false;
        loop {
            let put = self.put_once(&mut turns, path, bytes, PutMode::Create);
            let Err(failed) = put.await else {
                return Ok(());
            };
            if failed.kind == Kind::ConditionFailed {
                if doubtful {
                    return self.expect_ours(path, write_id).await;
                }
                return Err(StorageError::AlreadyExists);
            }
            doubtful |= failed.doubtful;
            let (passing, error) = (failed.passing, open_if(doubtful, failed.into_error()));
            if !passing {
                return Err(error);
            }
            turns.again(error).await?;
        }
    }

    /// Replaces an object by another while it stands for `expected`, which is looked at before
    /// each attempt.
    pub(super) async fn swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        bytes: &Bytes,
        write_id: &WriteId,
    ) -> Result<(), StorageError> {
        let path = &self.object_path(name)?;
        let mut turns = self.turns();
        let mut doubtful = false;
        loop {
            let found = self.fetch(path, None).await?;
            let found = match found {
                Some(found) if is_by(&found.bytes, write_id) => return Ok(()),
                Some(found) if self.stands_for(name, path, &found.bytes, expected).await? => found,
                _ => return Err(open_if(doubtful, StorageError::Conflict)),
            };
            let mode = PutMode::Update(found.version);
            let Err(failed) = self.put_once(&mut turns, path, bytes, mode).await else {
                return Ok(());
            };
            doubtful |= failed.doubtful;
            let is_lost = failed.kind == Kind::ConditionFailed;
            let (passing, error) = (failed.passing, open_if(doubtful, failed.into_error()));
            if !passing && !is_lost {
                return Err(error);
            }
            turns.again(error).await?;
        }
    }

    async fn expect_ours(&self, path: &Path, write_id: &WriteId) -> Result<(), StorageError> {
        let found = self.fetch(path, Some(frame::HEAD_LENGTH_MAX)).await?;
        match found {
            Some(found) if is_by(&found.bytes, write_id) => Ok(()),
            // Another's, or ours and replaced since: who asked must look.
            _ => Err(open()),
        }
    }

    /// Deletes an object; nothing there is no error.
    pub(super) async fn remove(&self, path: &Path) -> Result<(), StorageError> {
        match self.repeat(|| self.store.delete(path)).await {
            Err(failed) if failed.kind != Kind::Missing => Err(failed.into_error()),
            _ => Ok(()),
        }
    }
}

fn is_by(bytes: &Bytes, write_id: &WriteId) -> bool {
    frame::parse(bytes).is_ok_and(|head| head.write_id == *write_id)
}

/// After an attempt that may have taken effect, no answer may say that nothing was changed.
fn open_if(doubtful: bool, error: StorageError) -> StorageError {
    match error {
        error @ (StorageError::Unavailable { .. } | StorageError::Throttled { .. }) => error,
        _ if doubtful => open(),
        error => error,
    }
}

fn open() -> StorageError {
    unavailable("an answer was lost; read to see whether the change was made")
}
