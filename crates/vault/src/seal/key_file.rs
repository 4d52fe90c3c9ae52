//! The seal that one node opens by itself: its sealing key is 32 random bytes in a file that only
//! the server's user may open. Whoever has that file and the storage has everything; the file
//! belongs on another disk, or in the platform's secret store.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use keyward_core::port::seal::SealKind;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::{Algorithm, CryptoError, KeyMaterial, Random, SecretBytes, random};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SealError;
use super::manifest::{FORMAT, RootKeyName, check_format, encode, parse};
use super::wrapped_root::{Binding, unwrap, wrap};

/// Length of the sealing key, in bytes.
const KEY_LENGTH: usize = 32;
/// Permission bits of group and others.
const EXPOSED: u32 = 0o077;
const WHAT: &str = "the seal of the key file";

/// The root key under a key file, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFileSeal {
    format: u32,
    kind: SealKind,
    /// Tells a wrong key file from a damaged seal; nothing follows from it about the key.
    key_fingerprint: String,
    wrapped_root: String,
}

impl KeyFileSeal {
    /// Wraps the root key under the key of a key file; the result is to be stored.
    pub(crate) fn make(
        root: &Kek,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        let key_fingerprint = fingerprint(sealing_key)?;
        let binding = Binding {
            deployment,
            root_key,
            kind: SealKind::KeyFile.name(),
            seal_id: &key_fingerprint,
        };
        let wrapped_root = wrap(root, sealing_key, &binding, random)?;
        let seal = Self {
            format: FORMAT,
            kind: SealKind::KeyFile,
            key_fingerprint,
            wrapped_root,
        };
        encode(&seal, WHAT)
    }

    /// Reads a stored seal.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, SealError> {
        let seal: Self = parse(stored, WHAT)?;
        check_format(seal.format, WHAT)?;
        Ok(seal)
    }

    /// Which key file it is of.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.key_fingerprint
    }

    /// Whether a key file's key is the seal's.
    pub(crate) fn is_of(&self, sealing_key: &SecretBytes) -> Result<bool, SealError> {
        Ok(self.key_fingerprint == fingerprint(sealing_key)?)
    }

    /// Opens it.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        if !self.is_of(sealing_key)? {
            return Err(SealError::WrongKeyFile);
        }
        let binding = Binding {
            deployment,
            root_key,
            kind: SealKind::KeyFile.name(),
            seal_id: &self.key_fingerprint,
        };
        unwrap(&self.wrapped_root, sealing_key, &binding)
    }
}

/// Reads a key file, refusing one that others may open.
pub(crate) fn read(path: &Path) -> Result<SecretBytes, SealError> {
    // Not through a symbolic link at the end, and not waiting on a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => SealError::KeyFileMissing,
            kind => SealError::KeyFileUnavailable(kind),
        })?;
    let metadata = file
        .metadata()
        .map_err(|error| SealError::KeyFileUnavailable(error.kind()))?;
    if !metadata.is_file() {
        return Err(SealError::KeyFileMalformed);
    }
    if metadata.mode() & EXPOSED != 0 {
        return Err(SealError::KeyFileExposed);
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(SealError::KeyFileForeign);
    }
    if metadata.len() != KEY_LENGTH as u64 {
        return Err(SealError::KeyFileMalformed);
    }
    let mut key = SecretBytes::zeroed(KEY_LENGTH);
    file.read_exact(key.expose_mut())
        .map_err(|_| SealError::KeyFileMalformed)?;
    Ok(key)
}

/// Reads the key file, or makes it. One that is there is taken over: it is what an initialisation
/// left behind that was interrupted, or what the operator put there.
pub(crate) fn read_or_create(path: &Path, random: &dyn Random) -> Result<SecretBytes, SealError> {
    match read(path) {
        Err(SealError::KeyFileMissing) => create(path, random),
        found => found,
    }
}

/// Makes the key file: written and synced under another name first, so that under its own it is
/// either whole or not there; linked, so that nothing is overwritten; its directory synced, so
/// that no root key is ever wrapped under a key that power loss takes away.
fn create(path: &Path, random: &dyn Random) -> Result<SecretBytes, SealError> {
    let key = random::secret(random, KEY_LENGTH)?;
    let mut suffix = [0; 8];
    random.fill(&mut suffix)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".new-{}", HEXLOWER.encode(&suffix)));
    let unfinished = PathBuf::from(unfinished);
    let placed = write_synced(&unfinished, key.expose())
        .and_then(|()| std::fs::hard_link(&unfinished, path));
    // Whether or not the key got its name, the other one must go.
    let removed = std::fs::remove_file(&unfinished);
    placed
        .and(removed)
        .and_then(|()| sync_directory_of(path))
        .map_err(|error| SealError::KeyFileUnavailable(error.kind()))?;
    Ok(key)
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn fingerprint(sealing_key: &SecretBytes) -> Result<String, CryptoError> {
    let material = KeyMaterial::import(Algorithm::Aes256GcmCommit, sealing_key)?;
    Ok(HEXLOWER.encode(&material.fingerprint()))
}
