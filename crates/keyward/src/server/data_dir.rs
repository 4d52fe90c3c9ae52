//! The data directory: made private, of a format that this program knows, and held by one process
//! at a time for as long as that lives. Servers and offline commands hold it alike.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::server::filesystem::{FilesystemError, ensure_local};

/// The format that this program writes.
const FORMAT: u32 = 1;

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error(
        "the data directory {} is in use by {holder}; stop that process first",
        path.display()
    )]
    InUse {
        /// Where.
        path: PathBuf,
        /// Who, as the lock file says.
        holder: String,
    },
    /// A newer program wrote it.
    #[error(
        "the data directory {} has format {found}, and this keyward knows formats up to {FORMAT}: \
         it was written by a newer one; use that one or restore a backup made before the upgrade",
        path.display()
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// There is nothing to work on.
    #[error("{} is not the data directory of a deployment: there is no VERSION file in it; nothing was made", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// Its version file is not one of ours.
    #[error("{} is not a version file of keyward's; is this a data directory?", path.display())]
    NotOurs {
        /// Which file.
        path: PathBuf,
    },
    /// A network file system.
    #[error(transparent)]
    Filesystem(#[from] FilesystemError),
    /// It cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data directory that this process holds. The lock goes with the value, and with the process
/// however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes hold of a directory, making it if it is not there.
    pub fn hold(path: &Path) -> Result<Self, DataDirError> {
        ensure_local(path)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io_error(path))?;
        let path = path.canonicalize().map_err(io_error(path))?;
        let lock = take_lock(&path)?;
        check_format(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Takes hold of a directory that is one already: what works on a deployment makes none.
    pub fn hold_existing(path: &Path) -> Result<Self, DataDirError> {
        match fs::symlink_metadata(path.join("VERSION")) {
            Ok(_) => Self::hold(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DataDirError::Missing {
                path: path.to_owned(),
            }),
            Err(source) => Err(DataDirError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn take_lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join("lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error(&path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = Read::by_ref(&mut lock).take(64).read_to_string(&mut holder);
            let holder = match holder.trim().parse::<u32>() {
                Ok(pid) => format!("process {pid}"),
                Err(_) => "another process".to_owned(),
            };
            return Err(DataDirError::InUse {
                path: dir.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(source)) => return Err(DataDirError::Io { path, source }),
    }
    write_holder(&mut lock).map_err(io_error(&path))?;
    Ok(lock)
}

/// The number is for the message of whoever comes second; the lock itself is the kernel's.
fn write_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())
}

fn check_format(dir: &Path) -> Result<(), DataDirError> {
    let path = dir.join("VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(1..=FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => Err(DataDirError::Newer {
                path: dir.to_owned(),
                found,
            }),
            _ => Err(DataDirError::NotOurs { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(dir, &path).map_err(io_error(&path))
        }
        Err(source) => Err(DataDirError::Io { path, source }),
    }
}

/// Written whole or not at all: a torn version file would lock its owner out.
fn write_format(dir: &Path, path: &Path) -> io::Result<()> {
    let draft = dir.join("VERSION.new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { path, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_new_directory_is_private_and_holds_its_format() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(&dir.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(held.path()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_to_string(held.path().join("VERSION")).unwrap(),
            "1\n"
        );
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::hold(dir.path()).unwrap();
        let refused = DataDir::hold(dir.path()).unwrap_err();
        assert!(matches!(refused, DataDirError::InUse { .. }));
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id()))
        );
        drop(held);
        DataDir::hold(dir.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("VERSION"), "2\n").unwrap();
        let refused = DataDir::hold(dir.path()).unwrap_err();
        assert!(
            matches!(refused, DataDirError::Newer { found: 2, .. }),
            "{refused}"
        );
        assert_eq!(
            fs::read_to_string(dir.path().join("VERSION")).unwrap(),
            "2\n"
        );
    }

    #[test]
    fn a_strange_version_file_is_refused() {
        for text in ["", "0", "-1", "one", "99999999999999"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("VERSION"), text).unwrap();
            assert!(
                matches!(DataDir::hold(dir.path()), Err(DataDirError::NotOurs { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_directory_of_the_format_in_the_corpus_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let told = include_str!("../../../../corpus/data-directory/1/VERSION");
        fs::write(dir.path().join("VERSION"), told).unwrap();
        assert!(DataDir::hold_existing(dir.path()).is_ok());
    }
}
