//! Where addresses wait that came while the server was sealed: a file each, beside the journal, so that none is
//! ever there in part and each goes by itself. What is in them this room cannot read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use keyward_core::port::waiting_addresses::{WaitingAddresses, WaitingError};
use rustix::fs::OFlags;
use tokio::task::spawn_blocking;

use crate::trees::{LogDirectory, LogFiles};

/// The file of the public key.
const KEY: &str = "key";
/// The folder of what waits.
const FOLDER: &str = "waiting";
/// What the name of a file ends with that is being written.
const NEW: &str = ".new";
/// Letters of a name.
const NAME_LETTERS: usize = 22;
/// No file here is longer, in bytes; of one that somebody put here no more is read.
const BYTES_MAX: u64 = 4096;

/// The place.
pub struct WaitingFiles(Arc<Files>);

struct Files {
    place: PathBuf,
    directory: LogDirectory,
    /// How many files are being written, whether anybody still waits for it or not.
    writing: Arc<AtomicUsize>,
}

/// One that is being written, until it really ended.
struct Writing(Arc<AtomicUsize>);

impl Writing {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count.clone())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl WaitingFiles {
    /// Opens the place in this directory, or makes it. What a crash left of one that was never answered goes.
    pub fn open(place: &Path) -> io::Result<Self> {
        let files = Files {
            place: place.to_owned(),
            directory: LogDirectory::new(place)?,
            writing: Arc::default(),
        };
        files.sweep()?;
        Ok(Self(Arc::new(files)))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, WaitingError> {
        let files = self.0.clone();
        let done = spawn_blocking(move || work(&files)).await;
        let done = done.map_err(|_| WaitingError("it was interrupted".to_owned()))?;
        done.map_err(|error| WaitingError(error.kind().to_string()))
    }
}

impl Files {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        // Whoever writes here can put a pipe in a file's place, whose opening nobody would ever answer.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        let options = options.read(true).custom_flags(flags);
        let file = match options.open(self.place.join(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if !file.metadata()?.is_file() {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The names of all files in the folder that are text.
    fn all(&self) -> io::Result<Vec<String>> {
        let folder = match fs::read_dir(self.place.join(FOLDER)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut names = Vec::new();
        for entry in folder {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn sweep(&self) -> io::Result<()> {
        for name in self.all()? {
            if name.strip_suffix(NEW).is_some_and(is_name) {
                self.directory.remove(&format!("{FOLDER}/{name}"))?;
            }
        }
        Ok(())
    }

    fn names(&self, most: usize) -> io::Result<Vec<String>> {
        let mut names = self.all()?;
        names.retain(|name| is_name(name));
        names.sort_unstable();
        names.truncate(most);
        Ok(names)
    }

    /// Writes a file; what is answered is durable, whoever else writes at the same time.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.directory.write(path, bytes) {
            // What was begun would lie here until the next start. Should it not go now, it goes then.
            let _ = self.directory.remove(&format!("{path}{NEW}"));
            return Err(error);
        }
        // Two at a time share what is to be settled: the other may have taken it, and not be through.
        if let Some(folder) = self.place.join(path).parent() {
            File::open(folder)?.sync_all()?;
        }
        File::open(&self.place)?.sync_all()
    }

    fn remove(&self, names: &[String]) -> io::Result<()> {
        for name in names.iter().filter(|name| is_name(name)) {
            self.directory.remove(&format!("{FOLDER}/{name}"))?;
        }
        match File::open(self.place.join(FOLDER)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            folder => folder?.sync_all(),
        }
    }
}

/// Whether a file is one that waits: nothing else here is read or removed.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.len() == NAME_LETTERS && name.bytes().all(is_letter)
}

#[async_trait]
impl WaitingAddresses for WaitingFiles {
    async fn key(&self) -> Result<Option<Vec<u8>>, WaitingError> {
        self.blocking(|files| files.read(KEY)).await
    }

    async fn put_key(&self, key: &[u8]) -> Result<(), WaitingError> {
        let key = key.to_vec();
        let put = self.blocking(move |files| files.write(KEY, &key));
        put.await
    }

    async fn keep(&self, name: &str, sealed: &[u8]) -> Result<(), WaitingError> {
        if !is_name(name) {
            return Err(WaitingError("a name is no name".to_owned()));
        }
        let (path, sealed) = (format!("{FOLDER}/{name}"), sealed.to_vec());
        let writing = Writing::begin(&self.0.writing);
        let kept = self.blocking(move |files| {
            let _writing = writing;
            files.write(&path, &sealed)
        });
        kept.await
    }

    fn is_writing(&self) -> bool {
        self.0.writing.load(Ordering::Acquire) > 0
    }

    async fn names(&self, most: usize) -> Result<Vec<String>, WaitingError> {
        self.blocking(move |files| files.names(most)).await
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, WaitingError> {
        if !is_name(name) {
            return Ok(None);
        }
        let path = format!("{FOLDER}/{name}");
        self.blocking(move |files| files.read(&path)).await
    }

    async fn remove(&self, names: &[String]) -> Result<(), WaitingError> {
        let names = names.to_vec();
        self.blocking(move |files| files.remove(&names)).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    const NAME: &str = "AAECAwQFBgcICQoLDA0ODw";

    #[tokio::test]
    async fn what_is_no_file_is_an_error_of_its_own_and_hangs_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let files = WaitingFiles::open(directory.path()).unwrap();
        files.keep(NAME, b"sealed").await.unwrap();
        assert!(!files.is_writing());
        assert_eq!(files.read(NAME).await, Ok(Some(b"sealed".to_vec())));
        let place = directory.path().join(FOLDER);
        let (pipe, folder, link) = ("B".repeat(22), "C".repeat(22), "D".repeat(22));
        mknodat(CWD, place.join(&pipe), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::create_dir(place.join(&folder)).unwrap();
        std::os::unix::fs::symlink(place.join(NAME), place.join(&link)).unwrap();
        for name in [&pipe, &folder, &link] {
            assert!(files.read(name).await.is_err(), "{name}");
        }
        assert_eq!(files.names(9).await.unwrap().len(), 4);
    }

    #[tokio::test]
    async fn of_a_write_that_fails_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let files = WaitingFiles::open(directory.path()).unwrap();
        // A directory is in the place where the file is to be.
        let place = directory.path().join(FOLDER);
        fs::create_dir_all(place.join(NAME)).unwrap();
        assert!(files.keep(NAME, b"sealed").await.is_err());
        assert!(!files.is_writing());
        let left: Vec<_> = fs::read_dir(&place).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
