//! A file per object, for people who want to see, copy and check objects with ordinary tools.
//!
//! ```text
//! <root>/tmp/<number>              written, synced, and then given its name
//! <root>/objects/<segment>/…/<last segment>=
//! ```
//! `=` is in no name, so that an object `a` and a folder `a` do not meet. An object gets its name
//! by rename (replacing) or by hard link (which never overwrites) only after its bytes are synced,
//! and the answer follows only after its directory is synced. A directory is synced into its
//! parent before anything in it counts.
//!
//! All input and output goes through [`FileOps`], so that tests can lose and re-order what was not
//! synced. This module knows nothing of what the bytes mean.

mod ops;
mod tree;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

pub use self::ops::{DirectoryEntry, FileOps, NewFile, StdFileOps};
use self::tree::{Placement, Tree};
use super::{check_size, io_fault, unavailable};

/// Objects in files.
pub struct FileBackend {
    tree: Arc<Tree>,
}

impl FileBackend {
    /// Opens the folder, making it if it is not there, and sweeps up temporary files that a crash
    /// left behind. Blocks for a moment; the caller holds the lock of the data directory.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the folder is neither there nor can be made.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        Self::with_ops(root, Arc::new(StdFileOps))
    }

    /// Opens a folder that is there, to read beside somebody else who may be writing in it: makes
    /// nothing, sweeps nothing.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when the folder is not there.
    pub fn open_beside(root: &Path) -> Result<Self, StorageError> {
        let tree = Tree::beside(root, Arc::new(StdFileOps)).map_err(|error| io_fault(&error))?;
        Ok(Self {
            tree: Arc::new(tree),
        })
    }

    /// As [`FileBackend::open`], over other file operations than the system's.
    ///
    /// # Errors
    /// As [`FileBackend::open`].
    pub fn with_ops(root: &Path, ops: Arc<dyn FileOps>) -> Result<Self, StorageError> {
        let tree = Tree::open(root, ops).map_err(|error| io_fault(&error))?;
        Ok(Self {
            tree: Arc::new(tree),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> io::Result<T> + Send + 'static,
    ) -> Result<io::Result<T>, StorageError> {
        let tree = Arc::clone(&self.tree);
        tokio::task::spawn_blocking(move || work(&tree))
            .await
            .map_err(|_| unavailable("a file operation stopped"))
    }
}

#[async_trait]
impl StorageBackend for FileBackend {
    /// The folders were made when the backend was opened. They are looked at again; a disk that is
    /// full or read-only for now is no reason not to start, since what is there can be read.
    async fn init(&self) -> Result<(), StorageError> {
        let listed = self.run(|tree| tree.list("", None, 1)).await?;
        listed.map(drop).map_err(|error| io_fault(&error))
    }

    async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StorageError> {
        let name = name.clone();
        let found = self.run(move |tree| tree.read(&name)).await?;
        found.map_err(|error| io_fault(&error))
    }

    async fn write(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        check_size(&bytes)?;
        let objects = vec![(name.clone(), bytes)];
        let written = self
            .run(move |tree| tree.put(&objects, Placement::Replace))
            .await?;
        written.map_err(|error| io_fault(&error))
    }

    async fn write_if_absent(&self, name: &ObjectName, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.put_many(vec![(name.clone(), bytes)]).await
    }

    async fn put_many(&self, objects: Vec<(ObjectName, Vec<u8>)>) -> Result<(), StorageError> {
        for (_, bytes) in &objects {
            check_size(bytes)?;
        }
        let written = self
            .run(move |tree| tree.put(&objects, Placement::IfAbsent))
            .await?;
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StorageError::AlreadyExists,
            _ => io_fault(&error),
        })
    }

    async fn compare_and_swap(
        &self,
        name: &ObjectName,
        expected: &[u8],
        new: Vec<u8>,
    ) -> Result<(), StorageError> {
        check_size(&new)?;
        let (name, expected) = (name.clone(), expected.to_vec());
        let swapped = self
            .run(move |tree| tree.swap(&name, &expected, new))
            .await?;
        match swapped {
            Ok(true) => Ok(()),
            Ok(false) => Err(StorageError::Conflict),
            Err(error) => Err(io_fault(&error)),
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let name = name.clone();
        let deleted = self.run(move |tree| tree.delete(&name)).await?;
        deleted.map_err(|error| io_fault(&error))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<ObjectName>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        let listed = self
            .run(move |tree| tree.list(&prefix, after.as_ref(), limit))
            .await?;
        listed.map_err(|error| io_fault(&error))
    }

    async fn health(&self) -> Result<(), StorageError> {
        let probed = self.run(Tree::probe).await?;
        match probed {
            Ok(true) => Ok(()),
            Ok(false) => Err(unavailable("what was written was not read back")),
            Err(error) => Err(io_fault(&error)),
        }
    }
}
