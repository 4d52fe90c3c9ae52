//! Why a server did not start. Every message says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use keyward_backup::RestoreError as Unrestored;
use keyward_core::error::OpError;
use keyward_core::port::registry::RegistryError;
use keyward_core::port::storage::StorageError;
use keyward_vault::migration::MigrationError;

use crate::exit::{Exit, Failure};
use crate::private_file::PrivateFileError;
use crate::server::config::ConfigError;
use crate::server::data_dir::DataDirError;
use crate::server::tls::TlsError;

/// Why a server did not start, or a deployment was not made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cryptography computes wrongly.
    #[error(transparent)]
    SelfTest(#[from] keyward_crypto::self_test::SelfTestFailed),
    /// Keys would use the FIPS module, and TLS something else.
    #[error(
        "this build computes with the FIPS module and would not let TLS use it: build it with \
         `cargo build --release --package keyward --features fips`"
    )]
    TlsOutsideFipsModule,
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Another directory.
    #[error("{} cannot be made: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file with a secret.
    #[error(transparent)]
    PrivateFile(#[from] PrivateFileError),
    /// The registry did not open.
    #[error(transparent)]
    OpenRegistry(#[from] keyward_store::OpenError),
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The vault's backend.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] keyward_vault::SealError),
    /// The journal is not what was signed of it.
    #[error(transparent)]
    AuditLog(#[from] keyward_audit::trees::TreesError),
    /// A log was being continued.
    #[error(
        "the audit log was being continued from a mirror, and nothing of it counts yet: say the same \
         `keyward audit continue` again; or remove {}, and a log under another name begins \
         (docs/audit-mirror.md)",
        path.display()
    )]
    AuditContinuing {
        /// What was made until then.
        path: PathBuf,
    },
    /// The same, and some of it is in its place.
    #[error(
        "the audit log was continued from a mirror, and its journal is not in its place yet: say the same \
         `keyward audit continue` again, which does the rest (docs/audit-mirror.md)"
    )]
    AuditHalfContinued,
    /// The vault belongs to another registry.
    #[error(
        "the vault and the registry belong to different deployments; put back together what \
         belongs together, from one backup"
    )]
    Mixed,
    /// A migration moved the vault, or is filling this backend.
    #[error(
        "{why}: write the [storage] sections of the backend that holds the vault into the \
         configuration, or go on with the migration (docs/migration.md)"
    )]
    VaultElsewhere {
        /// What the backend says.
        why: String,
    },
    /// A migration moved the registry.
    #[error(
        "the registry has moved to {name}: name that one in [registry] of the configuration, or go \
         back with `keyward registry roll-back` (docs/migration.md)"
    )]
    RegistryElsewhere {
        /// Where it is now.
        name: String,
    },
    /// Another migration of the registry has not ended.
    #[error(
        "the registry's migration from {from} to {to} has not ended: end it with `keyward registry \
         commit` or `keyward registry roll-back` between these two, then begin another"
    )]
    RegistryMigrationOpen {
        /// Its source.
        from: String,
        /// Its target.
        to: String,
    },
    /// After a migration of the registry the sides are not the same.
    #[error(
        "the two databases differ in {}; nothing was switched: is the target another deployment's, or \
         was it written meanwhile?",
        tables.join(", ")
    )]
    RegistriesDiffer {
        /// Where.
        tables: Vec<String>,
    },
    /// The side that is to take the registry holds something else.
    #[error(
        "the database that is to take the registry cannot: {why}; nothing was switched (docs/migration.md)"
    )]
    RegistryTargetTaken {
        /// What is wrong with it.
        why: String,
    },
    /// The registry is still being carried over.
    #[error(
        "the registry's migration is not cut over: finish it with `keyward registry migrate` or let the \
         server do it, or give it up with `keyward registry roll-back`"
    )]
    RegistryNotCutOver,
    /// It was done, and a database does not bear its mark.
    #[error(
        "it is written down and in force; a mark in one of the databases could not be put right: {cause}; \
         say the same command again"
    )]
    RegistryUnmarked {
        /// What the database said.
        cause: String,
    },
    /// The sides of the registry's migration.
    #[error(transparent)]
    Follow(#[from] keyward_store::follow::FollowError),
    /// The registry as a whole.
    #[error(transparent)]
    Snapshot(#[from] keyward_core::port::snapshot::SnapshotError),
    /// A migration to where it comes from.
    #[error("source and target are the same: {name}")]
    SameVault {
        /// Both.
        name: String,
    },
    /// There is nothing to commit or roll back.
    #[error("no migration is under way between these two")]
    NoMigration,
    /// A migration of the vault.
    #[error(transparent)]
    Migration(#[from] keyward_vault::migration::MigrationError),
    /// Where backups go.
    #[error("the directory of backups: {0}")]
    BackupPlace(StorageError),
    /// Where backups should be is nothing.
    #[error("there are no backups in {}: {source}", path.display())]
    NoBackups {
        /// Where.
        path: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// Who can open backups.
    #[error("the recipients of backups: {0}")]
    Recipients(crate::server::backups::RecipientsError),
    /// A restore has begun and not ended.
    #[error(
        "the data directory {} is being restored from backup {backup}, which was not finished: run \
         `keyward backup restore` again, as before; it goes on where it was",
        path.display()
    )]
    RestoreUnfinished {
        /// Which directory.
        path: PathBuf,
        /// From which backup.
        backup: uuid::Uuid,
    },
    /// A restore.
    #[error(transparent)]
    Restore(#[from] keyward_backup::RestoreError),
    /// A backup that cannot be read.
    #[error(transparent)]
    Backup(#[from] keyward_core::port::backup::BackupError),
    /// No backup restores what is wanted.
    #[error(transparent)]
    Chain(#[from] keyward_backup::ChainError),
    /// A part goes back only to where it came from.
    #[error(
        "the backup is of deployment {of}, and this is another one; a tenant's keys open under the root \
         key of its own: restore everything into an empty place instead"
    )]
    OtherDeployment {
        /// Whose it is.
        of: uuid::Uuid,
    },
    /// A part goes back only into its own history.
    #[error(
        "the backup is of the history {of} of this deployment, and another one goes on here since a \
         restore: what was done in the one is not known to the other; name a backup that was made \
         after that restore, or restore everything into an empty place"
    )]
    OtherHistory {
        /// Of which.
        of: uuid::Uuid,
    },
    /// A part goes back only from what the deployment signed itself, or from what the key signed that
    /// was given.
    #[error(
        "the backup is signed by {by}, and that is not this deployment's key: whoever can write where \
         backups lie can have put it there; name with --key the key that must have signed it"
    )]
    OtherSigner {
        /// By whom.
        by: String,
    },
    /// A restore of a part is ordered by somebody.
    #[error(
        "who orders it is not known: a restore of one tenant takes a token with the permission \
         backup.restore_part; run `keyward login` before the server is stopped, or set KEYWARD_TOKEN_FILE"
    )]
    NobodyOrders,
    /// A word that means something only where a deployment is.
    #[error("{flag} is for a deployment that is there; the data directory is empty: leave it out")]
    NotIntoEmpty {
        /// Which.
        flag: &'static str,
    },
    /// There is no backup to restore.
    #[error("{0}")]
    NothingToRestore(&'static str),
    /// What lies where the deployment is to be.
    #[error(
        "{} holds a deployment already ({found}); nothing was changed: name an empty data directory, \
         or add --set-aside to move what is there into a directory inside it",
        path.display()
    )]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// The journal.
    #[error("{}", with_source(.0))]
    Journal(#[from] keyward_audit::OpenError),
    /// What records would be put back from.
    #[error(transparent)]
    Repairs(#[from] crate::server::config::RepairsError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken or not ours.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A secret of the configuration that is in the vault.
    #[error("`vault:{name}` of the configuration cannot be read: {source}")]
    ConfigSecret {
        /// Under which name.
        name: keyward_core::names::SecretName,
        /// Why.
        source: OpError,
    },
    /// An operation of start or stop.
    #[error(transparent)]
    Operation(#[from] OpError),
    /// A name that the program itself made.
    #[error("{0}")]
    Name(#[from] keyward_core::names::InvalidName),
    /// The operating system.
    #[error("the server failed: {0}")]
    Io(#[from] io::Error),
    /// The generator of random bytes.
    #[error("no random bytes could be drawn")]
    Random,
    /// `keyward dev` beyond loopback.
    #[error(
        "keyward dev listens on loopback only, and {address} is not; use `keyward serve` with TLS"
    )]
    DevBeyondLoopback {
        /// Where it was to listen.
        address: SocketAddr,
    },
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl StartError {
    /// Whether another database than the one that was named is the registry, or is to be.
    const fn is_of_another_registry(&self) -> bool {
        use keyward_store::OpenError;
        matches!(
            self,
            Self::RegistryElsewhere { .. }
                | Self::RegistryMigrationOpen { .. }
                | Self::RegistriesDiffer { .. }
                | Self::RegistryTargetTaken { .. }
                | Self::RegistryNotCutOver
                | Self::OpenRegistry(OpenError::Moved { .. } | OpenError::Filling { .. })
        )
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        use keyward_core::ops::restore::Refusal;
        let exit = match &error {
            error if error.is_of_another_registry() => Exit::Conflict,
            StartError::NobodyOrders
            | StartError::Operation(OpError::Unauthenticated | OpError::Forbidden { .. }) => {
                Exit::Refused
            }
            StartError::Config(_)
            | StartError::NotIntoEmpty { .. }
            | StartError::DevBeyondLoopback { .. }
            | StartError::SameVault { .. } => Exit::Usage,
            StartError::Operation(OpError::Restore(
                Refusal::NotThereThen { .. } | Refusal::TenantMissing,
            ))
            | StartError::NothingToRestore(_)
            | StartError::Restore(Unrestored::NotThere { .. })
            | StartError::DataDir(DataDirError::Missing { .. })
            | StartError::NoBackups { .. }
            | StartError::Chain(
                keyward_backup::ChainError::None | keyward_backup::ChainError::TooEarly { .. },
            ) => Exit::NotFound,
            StartError::OtherDeployment { .. }
            | StartError::Restore(Unrestored::Gone { .. })
            | StartError::OtherHistory { .. }
            | StartError::Operation(OpError::Restore(_))
            | StartError::DataDir(DataDirError::InUse { .. })
            | StartError::VaultElsewhere { .. }
            | StartError::NoMigration
            | StartError::Migration(
                MigrationError::NotEmpty { .. }
                | MigrationError::Phase { .. }
                | MigrationError::NotVerified
                | MigrationError::Contradicted { .. }
                | MigrationError::OtherSides { .. },
            )
            | StartError::Seal(keyward_vault::SealError::AlreadyInitialized)
            | StartError::RestoreUnfinished { .. }
            | StartError::NotEmpty { .. } => Exit::Conflict,
            StartError::OtherSigner { .. }
            | StartError::Chain(
                keyward_backup::ChainError::Refused { .. }
                | keyward_backup::ChainError::Strangers { .. }
                | keyward_backup::ChainError::Gap { .. },
            )
            | StartError::Restore(Unrestored::NotSound(_) | Unrestored::Incomplete { .. }) => {
                Exit::NotValid
            }
            StartError::OpenRegistry(_)
            | StartError::Registry(_)
            | StartError::Storage(
                StorageError::Unavailable { .. } | StorageError::Throttled { .. },
            ) => Exit::Unavailable,
            _ => Exit::Failure,
        };
        let failure = Self::new(exit, &error);
        match &error {
            StartError::Config(_) => failure.next("docs/configuration.md lists every setting"),
            StartError::Listen { .. } => {
                failure.next("name another address, or stop what listens there")
            }
            StartError::ConfigSecret { .. } => failure.next(
                "start with a file instead, and put it with `keyward secret put NAME --tenant system`",
            ),
            _ => failure,
        }
    }
}
