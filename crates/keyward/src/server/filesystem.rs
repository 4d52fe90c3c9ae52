//! Refuses data directories on network file systems: their locks and syncs do not keep what a
//! ledger of keys needs (two machines may both hold "the" lock, a sync may return early).

use std::io;
use std::path::{Path, PathBuf};

/// The data directory is not on a local disk.
#[derive(Debug, thiserror::Error)]
pub enum FilesystemError {
    /// A network file system.
    #[error(
        "{} is on a network file system ({kind}), which does not keep locks and syncs; \
         use a local disk",
        path.display()
    )]
    Network {
        /// Where.
        path: PathBuf,
        /// Which.
        kind: &'static str,
    },
    /// It cannot be told.
    #[error("the file system of {} cannot be told: {source}", path.display())]
    Unknown {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks the file system of a path, or of its nearest ancestor that is there.
pub fn ensure_local(path: &Path) -> Result<(), FilesystemError> {
    let present = nearest_present(path);
    let statistics = rustix::fs::statfs(&present).map_err(|error| FilesystemError::Unknown {
        path: present.clone(),
        source: error.into(),
    })?;
    match network_kind(statistics.f_type as u64) {
        None => Ok(()),
        Some(kind) => Err(FilesystemError::Network {
            path: path.to_owned(),
            kind,
        }),
    }
}

fn nearest_present(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .ancestors()
        .find(|ancestor| ancestor.exists())
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// Names a network file system by its magic number (linux/magic.h, and the file systems' own
/// sources). FUSE and 9p are let through: containers and desktops use them for local disks.
const fn network_kind(magic: u64) -> Option<&'static str> {
    // The field is signed on some machines: only its low 32 bits are the number.
    match magic & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x0116_1970 => Some("GFS2"),
        0x7461_636f => Some("OCFS2"),
        0x564c => Some("NCP"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_however_it_is_extended() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xfe53_4d42), Some("SMB2"));
        assert_eq!(network_kind(0xff53_4d42_i64 as u64), Some("CIFS"));
        assert_eq!(
            network_kind(i64::from(0xff53_4d42_u32 as i32) as u64),
            Some("CIFS")
        );
    }

    #[test]
    fn local_ones_are_let_through() {
        for (name, magic) in [
            ("ext4", 0xef53),
            ("xfs", 0x5846_5342),
            ("btrfs", 0x9123_683e),
            ("tmpfs", 0x0102_1994),
        ] {
            assert_eq!(network_kind(magic), None, "{name}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_yet_is_judged_by_its_ancestor() {
        let dir = tempfile::tempdir().unwrap();
        ensure_local(&dir.path().join("not/there/yet")).unwrap();
    }
}
