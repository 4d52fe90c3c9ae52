//! The trees' files in a directory. None is ever there in part while the process or the system lives;
//! what a power cut may leave of those that were put is gone over when the trees are opened again.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::trees::LogFiles;

/// The directory.
pub struct LogDirectory {
    place: PathBuf,
    /// Files and directories that are not known to be durable.
    unsettled: Mutex<BTreeSet<PathBuf>>,
}

impl LogDirectory {
    /// Opens the directory, or makes it.
    pub fn new(place: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(place)?;
        for place in place.ancestors().take(2).filter(|place| place.is_dir()) {
            File::open(place)?.sync_all()?;
        }
        Ok(Self {
            place: place.to_owned(),
            unsettled: Mutex::default(),
        })
    }

    /// Writes a file beside its place and moves it there. Its directories are settled whether they
    /// are new or not: an earlier life of the process may have made them, and synced nothing.
    fn place(&self, path: &str, bytes: &[u8], sync: bool) -> io::Result<()> {
        let place = self.place.join(path);
        let folder = place.parent().unwrap_or(&self.place);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut beside = place.clone().into_os_string();
        beside.push(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&beside, &place)?;
        let mut unsettled = self.unsettled.lock();
        let above = folder
            .ancestors()
            .take_while(|above| above.starts_with(&self.place));
        unsettled.extend(above.map(Path::to_owned));
        if !sync {
            unsettled.insert(place);
        }
        Ok(())
    }
}

impl LogFiles for LogDirectory {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.place.join(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.place(path, bytes, false)
    }

    fn settle(&self) -> io::Result<()> {
        let unsettled = std::mem::take(&mut *self.unsettled.lock());
        // What fails stays unsettled: the trees are opened again, and make it anew.
        unsettled
            .iter()
            .try_for_each(|path| File::open(path)?.sync_all())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.place.join(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.place(path, bytes, true)?;
        self.settle()
    }
}
