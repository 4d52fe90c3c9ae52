//! Where a mirror lies: a directory, in which it can be verified as it is, or an object store.

use std::path::Path;
use std::sync::Arc;

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use crate::mirror::MirrorError;
use crate::mirror::directory::Directory;

/// Names asked for at once.
const PAGE: usize = 1000;

/// The place.
pub enum MirrorPlace {
    /// A directory, its files under their own names.
    Directory(Directory),
    /// An object store, under the names that its adapter gives.
    Store(Arc<dyn StorageBackend>),
}

/// What became of a file that must not be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It was not there, and is now, durably.
    Written,
    /// Something is there, which was left as it is.
    Present,
}

impl MirrorPlace {
    /// A directory, which is made when it is first written to.
    pub fn directory(root: &Path) -> Self {
        Self::Directory(Directory::new(root))
    }

    /// An object store.
    pub const fn store(backend: Arc<dyn StorageBackend>) -> Self {
        Self::Store(backend)
    }

    /// A file whole; none if it is not there.
    ///
    /// # Errors
    /// [`MirrorError::Place`].
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, MirrorError> {
        match self {
            Self::Directory(directory) => directory.read(path).await,
            Self::Store(store) => store.read(&name(path)?).await.map_err(|error| told(&error)),
        }
    }

    /// Writes a file if nothing is there.
    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<Put, MirrorError> {
        match self {
            Self::Directory(directory) => directory.put(path, bytes).await,
            Self::Store(store) => match store.write_if_absent(&name(path)?, bytes).await {
                Ok(()) => Ok(Put::Written),
                Err(StorageError::AlreadyExists) => Ok(Put::Present),
                Err(error) => Err(told(&error)),
            },
        }
    }

    /// Writes a file over what was there, which is what is said; none: nothing. Whether it was.
    pub(super) async fn exchange(
        &self,
        path: &str,
        before: Option<&[u8]>,
        bytes: Vec<u8>,
    ) -> Result<bool, MirrorError> {
        let Some(before) = before else {
            return Ok(self.put(path, bytes).await? == Put::Written);
        };
        match self {
            Self::Directory(directory) => directory.exchange(path, before, bytes).await,
            Self::Store(store) => match store.compare_and_swap(&name(path)?, before, bytes).await {
                Ok(()) => Ok(true),
                Err(StorageError::Conflict) => Ok(false),
                Err(error) => Err(told(&error)),
            },
        }
    }

    /// Removes a file that nobody needs. A place that does not let it go keeps it.
    pub(super) async fn remove(&self, path: &str) -> Result<(), MirrorError> {
        match self {
            Self::Directory(directory) => directory.remove(path).await,
            Self::Store(store) => store
                .delete(&name(path)?)
                .await
                .map_err(|error| told(&error)),
        }
    }

    /// The names of everything that is there, in order.
    ///
    /// # Errors
    /// [`MirrorError::Place`].
    pub async fn list(&self) -> Result<Vec<String>, MirrorError> {
        let store = match self {
            Self::Directory(directory) => return directory.list().await,
            Self::Store(store) => store,
        };
        let mut found: Vec<ObjectName> = Vec::new();
        loop {
            let page = store.list("", found.last(), PAGE).await;
            let page = page.map_err(|error| told(&error))?;
            let is_last = page.len() < PAGE;
            found.extend(page);
            if is_last {
                return Ok(found.iter().map(|name| name.as_str().to_owned()).collect());
            }
        }
    }
}

fn name(path: &str) -> Result<ObjectName, MirrorError> {
    ObjectName::new(path)
        .ok_or_else(|| MirrorError::Place(format!("{path} is no name of an object")))
}

fn told(error: &StorageError) -> MirrorError {
    MirrorError::Place(error.to_string())
}
