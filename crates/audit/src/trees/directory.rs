//! A log's files in a directory: each written beside its place, synced, and moved there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::trees::LogFiles;

/// The directory.
pub struct LogDirectory {
    place: PathBuf,
}

impl LogDirectory {
    /// Opens the directory, or makes it.
    pub fn new(place: &Path) -> io::Result<Self> {
        make(place)?;
        Ok(Self {
            place: place.to_owned(),
        })
    }
}

/// Makes a directory and those above it, and makes their names durable.
fn make(place: &Path) -> io::Result<()> {
    if place.is_dir() {
        return Ok(());
    }
    let above = place.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    match DirBuilder::new().mode(0o700).create(place) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other?,
    }
    above.map_or(Ok(()), |above| File::open(above)?.sync_all())
}

impl LogFiles for LogDirectory {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.place.join(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let place = self.place.join(path);
        let folder = place.parent().unwrap_or(&self.place);
        make(folder)?;
        let mut beside = place.clone().into_os_string();
        beside.push(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &place)?;
        File::open(folder)?.sync_all()
    }
}
