//! Why a backup was not restored.

use keyward_core::ids::RecordId;
use keyward_core::port::backup::BackupError;
use keyward_core::port::registry::RegistryError;
use keyward_core::port::snapshot::SnapshotError;
use keyward_core::port::storage::StorageError;

use crate::parts::PartFault;
use crate::verify::Finding;

/// Why a backup was not restored. Each says what was changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The place where it lies.
    #[error("{0}; nothing that counts was changed: run it again")]
    Backup(#[from] BackupError),
    /// It does not verify.
    #[error("the backup does not verify, and nothing was changed: {}", first(.0))]
    NotSound(Vec<Finding>),
    /// The registry takes no snapshot.
    #[error("{0}")]
    Registry(#[from] SnapshotError),
    /// The registry fails.
    #[error("the registry could not be completed: {0}; run it again")]
    Completion(#[from] RegistryError),
    /// The vault is in use.
    #[error(
        "the vault is not empty: it holds `{name}`; nothing was changed: name an empty place, or \
         move what is there away"
    )]
    VaultNotEmpty {
        /// Something in it.
        name: String,
    },
    /// The vault holds something else under a name.
    #[error("the vault holds another `{name}` than the backup; it was not overwritten")]
    OtherObject {
        /// Which.
        name: String,
    },
    /// The vault fails.
    #[error("the vault could not be written: {0}; run it again")]
    Vault(StorageError),
    /// That second had no such thing.
    #[error("the backup had no such {what} at that second; nothing was changed")]
    NotThere {
        /// What.
        what: &'static str,
    },
    /// It is gone for ever.
    #[error("{what}, and that holds for ever; nothing was changed")]
    Gone {
        /// What happened.
        what: &'static str,
    },
    /// The vault has no root key.
    #[error("the vault here has no root key: restore everything into an empty place")]
    NoRootHere,
    /// A tenant's key lies under a root key that is gone.
    #[error(
        "the backup has `{name}` under a root key that was rotated away since; nothing was changed: \
         restore everything into an empty place"
    )]
    OtherRoot {
        /// Which object.
        name: String,
    },
    /// A record that the finished registry names was not restored.
    #[error(
        "record {record} is {wrong}: what was restored would not be whole, and is not finished. Restore \
         another second or an older backup, into an empty place"
    )]
    Incomplete {
        /// Which.
        record: RecordId,
        /// What is wrong.
        wrong: &'static str,
    },
    /// A part changed since it was verified.
    #[error("part {part}: {fault}; run it again")]
    Part {
        /// Which.
        part: String,
        /// What is wrong.
        fault: PartFault,
    },
}

fn first(findings: &[Finding]) -> String {
    let more = findings.len().saturating_sub(1);
    let first = findings
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    match more {
        0 => first,
        more => format!("{first}; and {more} more, which `keyward backup verify` lists"),
    }
}
