//! The stable code of each error, as the API shows it.

use keyward_api::error::ErrorCode;
use keyward_crypto::CryptoError;
use keyward_crypto::exchange::ExchangeError;

use super::OpError;
use crate::ops::restore::Refusal;
use crate::port::backup::BackupError;
use crate::port::registry::RegistryError;
use crate::port::seal::{SealFault, UnsealError};
use crate::port::storage::StorageError;
use crate::port::storage_migration::MigrationFault;

impl OpError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } => ErrorCode::InvalidRequest,
            Self::Envelope(_) | Self::OtherKey | Self::MalformedCiphertext { .. } => {
                ErrorCode::InvalidCiphertext
            }
            Self::NotAuthentic => ErrorCode::NotAuthentic,
            Self::Unsupported { .. } => ErrorCode::UnsupportedAlgorithm,
            Self::UsageNotAllowed { .. } => ErrorCode::UsageNotAllowed,
            Self::PublicKeyOnly { .. } | Self::Exchange(ExchangeError::PublicOnly) => {
                ErrorCode::PublicKeyOnly
            }
            Self::NotExportable => ErrorCode::NotExportable,
            Self::ImportKeyUnusable { .. } => ErrorCode::ImportKeyUnusable,
            Self::Exchange(error) => exchange_code(error),
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::Forbidden { .. } => ErrorCode::Forbidden,
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::AlreadyExists { .. } => ErrorCode::AlreadyExists,
            Self::AlreadyCreated { .. } => ErrorCode::AlreadyCreated,
            Self::IdempotencyMismatch => ErrorCode::IdempotencyMismatch,
            Self::Transition { .. }
            | Self::StateForbids { .. }
            | Self::TenantTransition { .. }
            | Self::PolicyForbids { .. }
            | Self::NoBackups => ErrorCode::WrongState,
            Self::RollbackUnavailable { .. } => ErrorCode::RollbackUnavailable,
            Self::TenantNotActive { .. } => ErrorCode::TenantSuspended,
            Self::KeyInUse { .. } => ErrorCode::KeyInUse,
            Self::LimitReached { .. } => ErrorCode::LimitReached,
            Self::Conflict => ErrorCode::Conflict,
            Self::PreconditionFailed { .. } | Self::VersionMoved { .. } => {
                ErrorCode::PreconditionFailed
            }
            Self::CanaryFailed { .. } => ErrorCode::CanaryFailed,
            Self::Sealed => ErrorCode::Sealed,
            Self::NotReady { .. } => ErrorCode::NotReady,
            Self::Audit(_) => ErrorCode::AuditUnavailable,
            Self::Record(_) | Self::Registry(RegistryError::TextRefused { .. }) => {
                ErrorCode::RecordRefused
            }
            Self::Storage(error) => storage_code(error),
            Self::Registry(RegistryError::Unavailable { .. } | RegistryError::Left) => {
                ErrorCode::RegistryUnavailable
            }
            Self::Seal(fault) => seal_code(fault),
            Self::Migration(fault) => migration_code(fault),
            Self::RegistryMigration(fault) => fault.code(),
            Self::NotInBackup { .. } => ErrorCode::NotInBackup,
            Self::BackupDown { .. } => ErrorCode::BackupUnavailable,
            Self::Restore(refusal) => restore_code(refusal),
            Self::Value(fault) => fault.code(),
            Self::Keeping(refusal) => refusal.code(),
            Self::Backup(error) => backup_code(error),
            Self::Registry(_) | Self::Crypto => ErrorCode::Internal,
        }
    }
}

/// What keeps a part from being restored.
const fn restore_code(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::NotThereThen { .. } | Refusal::TenantMissing => ErrorCode::NotFound,
        Refusal::Shredded | Refusal::Destroyed | Refusal::Erased => ErrorCode::WrongState,
        Refusal::NameTaken { .. } => ErrorCode::AlreadyExists,
        Refusal::KeepsItsName { .. } | Refusal::OnlyNewer { .. } | Refusal::TextsReadable => {
            ErrorCode::Conflict
        }
    }
}

/// What keeps a backup from being made or read.
const fn backup_code(error: &BackupError) -> ErrorCode {
    match error {
        BackupError::Destination(error) | BackupError::Vault(error) => storage_code(error),
        BackupError::Snapshot(_) => ErrorCode::RegistryUnavailable,
        BackupError::Record { .. } | BackupError::Refused { .. } => ErrorCode::RecordRefused,
        BackupError::Sealing(_) => ErrorCode::Internal,
    }
}

/// What keeps the storage from doing its part, told apart for those who must mend it.
const fn storage_code(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::Denied { .. } => ErrorCode::StorageDenied,
        StorageError::Throttled { .. } => ErrorCode::StorageThrottled,
        StorageError::NotWritable { .. } => ErrorCode::StorageNotWritable,
        StorageError::Conflict => ErrorCode::Conflict,
        StorageError::TooLarge { .. } => ErrorCode::TooLarge,
        _ => ErrorCode::StorageUnavailable,
    }
}

/// What keeps a migration of the vault from being switched.
const fn migration_code(fault: &MigrationFault) -> ErrorCode {
    match fault {
        MigrationFault::Phase { .. }
        | MigrationFault::NotEqual
        | MigrationFault::NotEmpty { .. }
        | MigrationFault::Detached => ErrorCode::WrongState,
        MigrationFault::Storage(error) => storage_code(error),
        MigrationFault::Standing { .. } => ErrorCode::StorageUnavailable,
        MigrationFault::Unmarked { .. } => ErrorCode::InForceUnread,
    }
}

/// What keeps a seal, or all of them, from being changed.
const fn seal_code(fault: &SealFault) -> ErrorCode {
    match fault {
        SealFault::NoSuchSeal => ErrorCode::NotFound,
        SealFault::LastSeal => ErrorCode::LastSeal,
        SealFault::NotProven { .. } => ErrorCode::SealNotProven,
        SealFault::Invalid { .. }
        | SealFault::Proof(
            UnsealError::Malformed
            | UnsealError::WrongSet
            | UnsealError::Forged { .. }
            | UnsealError::WrongPassphrase,
        ) => ErrorCode::InvalidRequest,
        SealFault::DidNotOpen { .. } | SealFault::Service { .. } => ErrorCode::SealUnavailable,
        SealFault::Conflict => ErrorCode::Conflict,
        SealFault::InForceButUnread { .. } => ErrorCode::InForceUnread,
        SealFault::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown,
        SealFault::Damaged { .. } => ErrorCode::RecordRefused,
        SealFault::Storage(error) => storage_code(error),
        SealFault::Crypto => ErrorCode::Internal,
        _ => ErrorCode::WrongState,
    }
}

/// What is wrong with a key that came, or with the one it was to be wrapped to.
const fn exchange_code(error: &ExchangeError) -> ErrorCode {
    match error {
        ExchangeError::Weak { .. } => ErrorCode::WeakKeyMaterial,
        ExchangeError::Factorable { .. } => ErrorCode::BrokenKeyMaterial,
        ExchangeError::NotOpened => ErrorCode::NotAuthentic,
        ExchangeError::FormatUnsupported { .. }
        | ExchangeError::MethodNotInFipsModule { .. }
        | ExchangeError::Engine(CryptoError::NotInFipsModule { .. }) => {
            ErrorCode::UnsupportedAlgorithm
        }
        ExchangeError::Engine(_) | ExchangeError::UnknownWrappingKey(_) => ErrorCode::Internal,
        _ => ErrorCode::InvalidKeyMaterial,
    }
}
