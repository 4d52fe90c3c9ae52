//! Where things are that no setting puts elsewhere.

use std::path::PathBuf;

use super::{Config, StorageKind};

impl Config {
    /// The SQLite registry, used when no URL is set.
    pub fn registry_file(&self) -> PathBuf {
        self.node.data_dir.join("registry.db")
    }

    /// Where the vault is, if it is on this machine's disks.
    pub fn vault_path(&self) -> Option<PathBuf> {
        let usual = match self.storage.backend {
            StorageKind::Embedded => "vault.db",
            StorageKind::File => "vault",
            StorageKind::Postgres | StorageKind::S3 | StorageKind::Azure | StorageKind::Gcs => {
                return None;
            }
        };
        let usual = || self.node.data_dir.join(usual);
        Some(self.storage.path.clone().unwrap_or_else(usual))
    }

    /// Where the journal is.
    pub fn audit_dir(&self) -> PathBuf {
        self.audit
            .dir
            .clone()
            .unwrap_or_else(|| self.node.data_dir.join("audit"))
    }
}
