//! Files that hold secrets: readable by their owner and nobody else, or not used at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// No secret of ours is longer.
const BYTES_MAX: u64 = 64 * 1024;

/// A file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It is not there, or cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{} can be read by others (mode {mode:03o}); run: chmod 600 {}", path.display(), path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no regular file, or too large to hold a secret, or not text.
    #[error("{} is not a file with a secret in it", path.display())]
    Strange {
        /// Which.
        path: PathBuf,
    },
}

impl PrivateFileError {
    /// Whether the file is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Refuses a file that others may read.
pub fn ensure_private(path: &Path) -> Result<(), PrivateFileError> {
    open_private(path).map(drop)
}

/// Reads a secret text, without the line end that editors add.
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    let file = open_private(path)?;
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error(path))?;
    let text = std::str::from_utf8(&bytes)
        .ok()
        .filter(|_| bytes.len() as u64 <= BYTES_MAX);
    let text = text.ok_or_else(|| PrivateFileError::Strange {
        path: path.to_owned(),
    })?;
    Ok(Zeroizing::new(
        text.trim_end_matches(['\n', '\r']).to_owned(),
    ))
}

/// Refuses a name that is taken, before something is done whose result could not be written there.
pub fn ensure_absent(path: &Path) -> Result<(), PrivateFileError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path)(error)),
        Ok(_) => Err(io_error(path)(io::ErrorKind::AlreadyExists.into())),
    }
}

/// Writes a secret file whole or not at all, mode 0600, where nothing is yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let mut file = NewFile::begin(path)?;
    file.write(bytes)?;
    file.finish()
}

/// A secret file, mode 0600, that is written bit by bit beside its place, and takes its place only when
/// all of it is there. One that is not finished is removed.
pub struct NewFile {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins one where nothing is yet.
    pub fn begin(path: &Path) -> Result<Self, PrivateFileError> {
        ensure_absent(path)?;
        let draft = draft_of(path);
        let file = create(&draft).map_err(io_error(path))?;
        Ok(Self {
            path: path.to_owned(),
            draft,
            file,
        })
    }

    /// Writes more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PrivateFileError> {
        self.file.write_all(bytes).map_err(io_error(&self.path))
    }

    /// Gives it its name, which must still be free; durable when it has it.
    pub fn finish(self) -> Result<(), PrivateFileError> {
        let synced = self.file.sync_all();
        // A second name for the draft, which the system refuses to give if it is taken.
        let named = synced.and_then(|()| fs::hard_link(&self.draft, &self.path));
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let durable = named.and_then(|()| File::open(folder)?.sync_all());
        durable.map_err(io_error(&self.path))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.draft);
    }
}

/// Writes a secret file whole or not at all, mode 0600, replacing what was there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let draft = draft_of(path);
    let written = write_draft(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map_err(io_error(path))
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    path.with_file_name(name)
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(draft: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
}

/// Looks at the file that was opened, not at its name: between the two another could take its place.
fn open_private(path: &Path) -> Result<File, PrivateFileError> {
    let file = File::open(path).map_err(io_error(path))?;
    let metadata = file.metadata().map_err(io_error(path))?;
    if !metadata.is_file() {
        return Err(PrivateFileError::Strange {
            path: path.to_owned(),
        });
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(file)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError {
    move |source| PrivateFileError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_private_and_reads_back_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write(&path, b"first").unwrap();
        write(&path, b"second\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(*read_text(&path).unwrap(), "second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for refused in [write_new(&path, b"second"), ensure_absent(&path)] {
            let refused = refused.unwrap_err();
            assert!(refused.to_string().contains("exists"), "{refused}");
        }
        ensure_absent(&dir.path().join("other")).unwrap();
        assert_eq!(*read_text(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write(&path, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o660, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = read_text(&path).unwrap_err().to_string();
            assert!(message.contains("chmod 600"), "{message}");
            assert!(!message.contains("secret"));
        }
    }

    #[test]
    fn what_is_no_secret_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            read_text(&dir.path().join("none"))
                .unwrap_err()
                .is_missing()
        );
        assert!(matches!(
            read_text(Path::new("/dev/null")),
            Err(PrivateFileError::Strange { .. } | PrivateFileError::Open { .. })
        ));
        let path = dir.path().join("big");
        write(&path, &vec![b'a'; BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(
            read_text(&path),
            Err(PrivateFileError::Strange { .. })
        ));
    }
}
