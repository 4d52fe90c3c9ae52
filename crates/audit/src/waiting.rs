//! Where addresses wait that came while the server was sealed: a file each, beside the journal, so that none is
//! ever there in part and each goes by itself. What is in them this room cannot read.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::port::waiting_addresses::{WaitingAddresses, WaitingError};
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
}

impl WaitingFiles {
    /// Opens the place in this directory, or makes it. What a crash left of one that was never answered goes.
    pub fn open(place: &Path) -> io::Result<Self> {
        let files = Files {
            place: place.to_owned(),
            directory: LogDirectory::new(place)?,
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
        let file = match File::open(self.place.join(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
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
        let put = self.blocking(move |files| files.directory.write(KEY, &key));
        put.await
    }

    async fn keep(&self, name: &str, sealed: &[u8]) -> Result<(), WaitingError> {
        if !is_name(name) {
            return Err(WaitingError("a name is no name".to_owned()));
        }
        let (path, sealed) = (format!("{FOLDER}/{name}"), sealed.to_vec());
        let kept = self.blocking(move |files| files.directory.write(&path, &sealed));
        kept.await
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
