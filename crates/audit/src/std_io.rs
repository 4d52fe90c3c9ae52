//! The journal's directory on a real file system.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::io::{Access, Identity, JournalIo, SegmentFile};

/// A directory, made with mode 0700 if it is not there; its files have mode 0600.
#[derive(Clone)]
pub struct StdIo {
    dir: PathBuf,
}

impl StdIo {
    /// Opens the directory, or makes it and makes that durable.
    pub fn new(dir: &Path) -> io::Result<Self> {
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
        })
    }
}

impl JournalIo for StdIo {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.read_dir()? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        Ok(Box::new(StdFile(options.open(self.dir.join(name))?)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn SegmentFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        Ok(Box::new(StdFile(options.open(self.dir.join(name))?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn identity(&self, name: &str) -> io::Result<Identity> {
        // Of a link, the link: what it leads to is not what was here.
        let found = std::fs::symlink_metadata(self.dir.join(name))?;
        Ok(Identity {
            file: (found.dev(), found.ino()),
            size: found.size(),
            changed_at: (found.mtime(), found.mtime_nsec()),
        })
    }
}

struct StdFile(File);

impl SegmentFile for StdFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    /// `fdatasync`: it covers the length too, which is all of the metadata that reading needs.
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
