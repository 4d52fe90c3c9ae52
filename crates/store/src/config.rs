//! How to open a registry, and why it may not open. Knows no environment and no files of settings.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::registry::RegistryError;

use crate::migrate::SchemaError;
use crate::value::Value;

/// Sees the text of every statement before it runs, for tests and slow-statement logs.
/// The values are there for their types; they must never be logged.
pub trait StatementObserver: Send + Sync {
    /// A statement is about to run.
    fn observe(&self, text: &str, values: &[Value]);
}

/// How to open a registry.
#[derive(Clone)]
pub struct Config {
    /// `sqlite:///path/to/registry.db` or `postgres://…`.
    pub url: String,
    /// Connections for reading on SQLite, for everything on PostgreSQL.
    pub connections: u32,
    /// Whether to bring an older schema up to date. A role with least privileges cannot.
    pub migrate: bool,
    /// Whether to open a database that a migration of the registry left.
    pub even_if_moved: bool,
    /// At most so many commits share a transaction.
    pub batch_max: usize,
    /// At most so many commits of one tenant wait; more callers wait to be let in.
    pub waiting_max: usize,
    /// How long to wait for a lock or a connection.
    pub patience: Duration,
    /// Sees every statement.
    pub observer: Option<Arc<dyn StatementObserver>>,
}

impl Config {
    /// The usual settings for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 8,
            migrate: true,
            even_if_moved: false,
            batch_max: 256,
            waiting_max: 1_024,
            patience: Duration::from_secs(5),
            observer: None,
        }
    }
}

impl std::fmt::Debug for Config {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("connections", &self.connections)
            .field("migrate", &self.migrate)
            .field("even_if_moved", &self.even_if_moved)
            .field("batch_max", &self.batch_max)
            .field("waiting_max", &self.waiting_max)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Why a registry did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL names neither kind of database, or is malformed.
    #[error(
        "the registry's URL must look like sqlite:///path/registry.db or postgres://user@host/database"
    )]
    Url,
    /// The schema is not one this program can use.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A migration left this database.
    #[error(
        "the registry has moved to {to}: name that one in [registry] of the configuration, or go back \
         with `keyward registry roll-back` (docs/migration.md)"
    )]
    Moved {
        /// Where it is now.
        to: String,
    },
    /// A migration is filling this database, or began to and went no further.
    #[error(
        "this database is not the registry: it is being filled from {from}, which is; name that one in \
         [registry] of the configuration, or end the migration with `keyward registry migrate` or \
         `keyward registry roll-back` (docs/migration.md)"
    )]
    Filling {
        /// Where the registry is.
        from: String,
    },
    /// It is not known whether a migration left this database.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database cannot be reached or opened.
    #[error("the registry cannot be opened: {cause}")]
    Unavailable {
        /// The kind of fault, without addresses or paths.
        cause: String,
    },
}
