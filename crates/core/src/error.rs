//! What an operation answers when it does not succeed: what happened, to what, what to do next.
//!
//! Kinds: the caller's fault (bad input, not allowed, not in this state), a conflict (try again),
//! or ours (storage, registry, log). Only the last kind is worth waking somebody for.

mod code;
mod table;

use keyward_crypto::exchange::ExchangeError;

use self::table::singular;
use crate::audit::keeping_refusal::KeepingRefusal;
use crate::noun::state::{IllegalTransition, State};
use crate::ops::restore::Refusal;
use crate::ops::secret::ValueFault;
use crate::port::audit_log::AuditError;
use crate::port::backup::BackupError;
use crate::port::key_provider::ProviderError;
use crate::port::registry::RegistryError;
use crate::port::registry_migration::RegistryMigrationFault;
use crate::port::seal::SealFault;
use crate::port::storage::StorageError;
use crate::port::storage_migration::MigrationFault;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// A field of the request is wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong with it, without its value.
        problem: std::borrow::Cow<'static, str>,
    },
    /// A policy's status is against it.
    #[error("this policy is {status} and cannot {verb}; resume it first")]
    PolicyForbids {
        /// Its status.
        status: crate::noun::policy::PolicyStatus,
        /// What was asked.
        verb: &'static str,
    },
    /// The ciphertext, signature or MAC is not well formed.
    #[error("the input is not well formed: {0}")]
    Envelope(#[from] keyward_crypto::envelope::EnvelopeError),
    /// The ciphertext names another key than the request.
    #[error("the input was made by another key than the one addressed")]
    OtherKey,
    /// The ciphertext's inside is not well formed.
    #[error("the ciphertext is not well formed: {reason}")]
    MalformedCiphertext {
        /// Why.
        reason: &'static str,
    },
    /// The input does not authenticate.
    #[error("the input does not authenticate: altered, made by another key, or another context")]
    NotAuthentic,
    /// The algorithm does not do this, or the input does not fit it.
    #[error("{problem}")]
    Unsupported {
        /// What does not fit.
        problem: String,
    },
    /// The key's usages do not include this.
    #[error("this key is not meant to {usage}; its usages are: {allowed}")]
    UsageNotAllowed {
        /// What was asked.
        usage: &'static str,
        /// What it is meant for.
        allowed: String,
    },
    /// The key has no private half here.
    #[error("this key has only its public half, which cannot {usage}; it can: {allowed}")]
    PublicKeyOnly {
        /// What was asked.
        usage: &'static str,
        /// What it can do.
        allowed: String,
    },
    /// The key must not leave.
    #[error("this key was not made to be exported, and that cannot be changed")]
    NotExportable,
    /// The wrapping key takes nothing any more.
    #[error("this import key {why}; make another one")]
    ImportKeyUnusable {
        /// Why.
        why: &'static str,
    },
    /// A key does not come in, or go out, like this.
    #[error("{0}")]
    Exchange(ExchangeError),
    /// No valid token.
    #[error("a valid token is needed: none, unknown, expired or revoked")]
    Unauthenticated,
    /// Not allowed.
    #[error("this token may not perform {action}")]
    Forbidden {
        /// What was asked.
        action: &'static str,
    },
    /// Not there, or not the caller's to see.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The name is taken.
    #[error("a {what} with this name exists already")]
    AlreadyExists {
        /// What.
        what: &'static str,
    },
    /// An earlier request with the same idempotency key made it, and its answer held a secret.
    #[error(
        "an earlier request with this Idempotency-Key made {resource}; its secret is not shown again"
    )]
    AlreadyCreated {
        /// What it made.
        resource: uuid::Uuid,
    },
    /// The idempotency key was used for something else.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// The state table refuses.
    #[error("version {version}: {source}")]
    Transition {
        /// Which version.
        version: i64,
        /// Why.
        source: IllegalTransition,
    },
    /// The state does not allow this use.
    #[error("version {version} is {state} and cannot {what}; {hint}")]
    StateForbids {
        /// Which version.
        version: i64,
        /// Its state.
        state: State,
        /// What was asked.
        what: &'static str,
        /// What would help.
        hint: &'static str,
    },
    /// The rotation cannot be undone.
    #[error("the rotation cannot be rolled back: {why}")]
    RollbackUnavailable {
        /// Why.
        why: &'static str,
    },
    /// The tenant is suspended or shredded.
    #[error("the tenant is {state}")]
    TenantNotActive {
        /// Its state.
        state: &'static str,
    },
    /// The tenant's state does not allow this change of it.
    #[error(
        "the tenant is {state}; a tenant goes from active to suspended and back, and from suspended to shredded"
    )]
    TenantTransition {
        /// Its state.
        state: &'static str,
    },
    /// Live bindings.
    #[error(
        "{live} live data bindings still need this key; release them, or force the destruction with a reason"
    )]
    KeyInUse {
        /// How many.
        live: i64,
    },
    /// The version's use limit is reached.
    #[error("version {version} has reached its use limit; rotate the key")]
    LimitReached {
        /// Which version.
        version: i64,
    },
    /// Another request came first.
    #[error("another request changed it at the same time; read it again and retry")]
    Conflict,
    /// The secret is not at the version that was expected.
    #[error("the secret is at version {now}, not at the one expected; read it again and retry")]
    VersionMoved {
        /// Its present version; 0 if there is none.
        now: i64,
    },
    /// `If-Match` named another row version.
    #[error("it changed since you read it (now etag {now})")]
    PreconditionFailed {
        /// The present row version.
        now: i64,
    },
    /// Sealed.
    #[error("the server is sealed; unseal it first")]
    Sealed,
    /// Starting, stopping, or behind with its log.
    #[error("the server is not ready: {why}")]
    NotReady {
        /// Why.
        why: &'static str,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A record was refused.
    #[error("the stored record was refused: {0}")]
    Record(#[source] StorageError),
    /// The storage is down.
    #[error("{0}")]
    Storage(#[source] StorageError),
    /// The registry is down or damaged.
    #[error("{0}")]
    Registry(#[source] RegistryError),
    /// The seals or the root key were not changed.
    #[error("{0}")]
    Seal(#[source] SealFault),
    /// The migration of the vault was not switched, or not as it should be.
    #[error("{0}")]
    Migration(#[source] MigrationFault),
    /// The migration of the registry was not switched, or not as it should be.
    #[error("{0}")]
    RegistryMigration(#[source] RegistryMigrationFault),
    /// A new version did not do what it is for.
    #[error(
        "the new version failed its trial ({trial}): {why}. It was destroyed, nothing was promoted, and the version \
         before stays primary; look at the storage or the provider: keyward storage health"
    )]
    CanaryFailed {
        /// What was tried.
        trial: &'static str,
        /// What happened.
        why: String,
    },
    /// Nobody said where backups go.
    #[error(
        "no backups are configured: set backup.destination, its place, and backup.recipients, and \
         start the server again"
    )]
    NoBackups,
    /// A backup could not be made or read.
    #[error("{0}")]
    Backup(#[source] BackupError),
    /// Done here, and in no backup: with continuous backups the answer is not yet that it was done.
    #[error(
        "the change is made here and is in no backup yet: {why}. Send the same request again with the \
         same Idempotency-Key, or look whether it is there: it is not made twice, and is answered when \
         a backup holds it"
    )]
    NotInBackup {
        /// Why not.
        why: std::sync::Arc<str>,
    },
    /// Not begun, because it would come into no backup.
    #[error(
        "nothing was changed: it would be in no backup, and continuous backups are demanded: {why}. \
         What only takes away (suspend, revoke, compromise, disable) is done all the same; \
         see the alert backup_behind"
    )]
    BackupDown {
        /// Why it would not.
        why: std::sync::Arc<str>,
    },
    /// Nothing of the log is let go of, or what is kept is not said otherwise.
    #[error(transparent)]
    Keeping(#[from] KeepingRefusal),
    /// A part of a backup that is not restored.
    #[error(transparent)]
    Restore(#[from] Refusal),
    /// A secret's value did not come to its end, or does not go out like this.
    #[error(transparent)]
    Value(#[from] ValueFault),
    /// The library failed.
    #[error("the cryptographic library failed; nothing was changed")]
    Crypto,
}

impl OpError {
    /// A wrong field.
    pub fn invalid(
        field: &'static str,
        problem: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Self {
        Self::Invalid {
            field,
            problem: problem.into(),
        }
    }
}

impl From<RegistryError> for OpError {
    fn from(error: RegistryError) -> Self {
        match error {
            // Two requests with one idempotency key at once: the second reads what the first made
            // when it is sent again.
            RegistryError::Conflict { .. }
            | RegistryError::Duplicate {
                table: "idempotency",
            } => Self::Conflict,
            RegistryError::TextKey(error) => error.into(),
            RegistryError::Duplicate { table } => Self::AlreadyExists {
                what: singular(table),
            },
            other => Self::Registry(other),
        }
    }
}

impl From<BackupError> for OpError {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<StorageError> for OpError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Sealed => Self::Sealed,
            StorageError::Refused(_) | StorageError::Missing | StorageError::NoTenantKek => {
                Self::Record(error)
            }
            other => Self::Storage(other),
        }
    }
}

impl From<MigrationFault> for OpError {
    fn from(fault: MigrationFault) -> Self {
        Self::Migration(fault)
    }
}

impl From<SealFault> for OpError {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Storage(error) => error.into(),
            SealFault::Crypto => Self::Crypto,
            fault => Self::Seal(fault),
        }
    }
}

impl From<ProviderError> for OpError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::NotAuthentic => Self::NotAuthentic,
            ProviderError::InvalidInput { reason } => Self::invalid("input", reason),
            ProviderError::Unsupported { algorithm, usage } => Self::Unsupported {
                problem: format!("{algorithm} cannot {usage}"),
            },
            ProviderError::Record(source) | ProviderError::Unavailable(source) => source.into(),
            ProviderError::Exchange(source) => Self::Exchange(source),
            ProviderError::Sealed => Self::Sealed,
            ProviderError::Internal => Self::Crypto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_storage_from_working_has_a_code_of_its_own() {
        let cause = || "status 503".to_owned();
        let codes = [
            (StorageError::Denied { cause: cause() }, "storage_denied"),
            (
                StorageError::Throttled { cause: cause() },
                "storage_throttled",
            ),
            (
                StorageError::NotWritable { cause: cause() },
                "storage_not_writable",
            ),
            (
                StorageError::Unavailable { cause: cause() },
                "storage_unavailable",
            ),
            (
                StorageError::Misconfigured { cause: cause() },
                "storage_unavailable",
            ),
            (StorageError::Conflict, "conflict"),
            (StorageError::Missing, "record_refused"),
            (StorageError::Sealed, "sealed"),
        ];
        for (error, code) in codes {
            assert_eq!(OpError::from(error).code().as_str(), code);
        }
    }
}
