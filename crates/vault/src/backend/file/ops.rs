//! The seam between the file backend and the file system: the few operations it needs, and
//! nothing more. What each promises about power loss is said here, since that is what tests break.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its name in the directory.
    pub name: String,
    /// Whether it is a directory itself.
    pub is_directory: bool,
}

/// A file that is being written and has no name that matters yet.
pub trait NewFile {
    /// Appends bytes. They may be lost until [`NewFile::sync`] has returned.
    ///
    /// # Errors
    /// Of the file system.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes survive power loss. Says nothing about the file's name.
    ///
    /// # Errors
    /// Of the file system.
    fn sync(&mut self) -> io::Result<()>;
}

/// What the file backend asks of a file system. Changes of names may be lost, in any order, until
/// [`FileOps::sync_directory`] has returned for the directory they are in.
pub trait FileOps: Send + Sync {
    /// Makes a directory that only its owner may enter; fails if there is something.
    ///
    /// # Errors
    /// Of the file system.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes an empty file that only its owner may read; fails if there is something.
    ///
    /// # Errors
    /// Of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// Of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name; fails with [`io::ErrorKind::AlreadyExists`] if it is taken.
    ///
    /// # Errors
    /// Of the file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// Of the file system.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory survive power loss.
    ///
    /// # Errors
    /// Of the file system.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// Of the file system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The entries of a directory, in any order.
    ///
    /// # Errors
    /// Of the file system.
    fn list(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>>;
}

/// The system's own file operations.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdFileOps;

impl NewFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl FileOps for StdFileOps {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirectoryEntry {
                    name,
                    is_directory: entry.file_type()?.is_dir(),
                });
            }
        }
        Ok(entries)
    }
}
