//! What a database said went wrong, sorted by what can be done about it. Statements, values and
//! addresses stay here: what leaves is a kind.

use keyward_core::port::registry::RegistryError;
use sqlx::error::{DatabaseError, ErrorKind};

/// A failure of one statement or transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A unique index has the value already.
    Duplicate,
    /// A CHECK, foreign key, NOT NULL or type refused the row.
    Constraint,
    /// The transaction collided with another; doing it again may succeed.
    Collision,
    /// The database cannot do it now.
    Down(&'static str),
    /// A row could not be read, or a write did not touch exactly one row.
    Registry(RegistryError),
}

impl Fault {
    /// The error of a statement on one table.
    pub(crate) fn on(self, table: &'static str) -> RegistryError {
        match self {
            Self::Duplicate => RegistryError::Duplicate { table },
            Self::Constraint => RegistryError::Constraint { table },
            Self::Collision => unavailable("another transaction was in the way"),
            Self::Down(cause) => unavailable(cause),
            Self::Registry(error) => error,
        }
    }

    /// Whether it concerns the statement's own row only: what else the transaction holds is sound.
    pub(crate) const fn is_of_the_row(&self) -> bool {
        match self {
            Self::Duplicate | Self::Constraint => true,
            Self::Registry(error) => !matches!(
                error,
                RegistryError::Unavailable { .. } | RegistryError::Left
            ),
            Self::Collision | Self::Down(_) => false,
        }
    }
}

/// The registry cannot be used, for this kind of reason.
pub(crate) fn unavailable(cause: &str) -> RegistryError {
    RegistryError::Unavailable {
        cause: cause.to_owned(),
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                let fault = match error.kind() {
                    ErrorKind::UniqueViolation => Self::Duplicate,
                    ErrorKind::ForeignKeyViolation
                    | ErrorKind::NotNullViolation
                    | ErrorKind::CheckViolation => Self::Constraint,
                    _ if error
                        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
                        .is_some() =>
                    {
                        sqlite(&code)
                    }
                    _ => postgres(&code),
                };
                if let Self::Down(cause) = fault {
                    // The message may quote the statement; the code never does.
                    tracing::error!(code, cause, "the registry's database refused a statement");
                }
                fault
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Down("the connection was lost"),
            sqlx::Error::PoolTimedOut => Self::Down("no connection is free"),
            sqlx::Error::PoolClosed => Self::Down("the registry is closed"),
            sqlx::Error::WorkerCrashed => Self::Down("the database's thread ended"),
            sqlx::Error::Encode(_) => Self::Constraint,
            _ => Self::Down("the database's answer was not understood"),
        }
    }
}

/// Whether SQLite answered `SQLITE_BUSY`: another connection holds the lock that was asked for.
pub(crate) fn is_sqlite_busy(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let lite = error.try_downcast_ref::<sqlx::sqlite::SqliteError>();
    lite.and_then(|error| error.code()?.parse::<i32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// By primary result code (<https://www.sqlite.org/rescode.html>): the low byte of the extended one.
fn sqlite(code: &str) -> Fault {
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => Fault::Down("the database is busy"),
        8 => Fault::Down("the database is read-only"),
        10 => Fault::Down("the disk cannot be read or written"),
        11 | 26 => Fault::Down("the database file is damaged"),
        13 => Fault::Down("the disk is full"),
        14 => Fault::Down("the database file cannot be opened"),
        // A value of the wrong type in a STRICT table, or too big a one.
        18..=20 => Fault::Constraint,
        _ => Fault::Down("the database refused a statement"),
    }
}

/// By SQLSTATE (PostgreSQL 15 documentation, appendix A).
fn postgres(code: &str) -> Fault {
    match code {
        "40001" | "40P01" | "55P03" => Fault::Collision,
        "25006" => Fault::Down("the database is read-only"),
        "42501" => Fault::Down("the database role lacks a privilege"),
        "53100" => Fault::Down("the disk is full"),
        "53300" => Fault::Down("the database has no connection left"),
        "58030" => Fault::Down("the disk cannot be read or written"),
        _ => match code.get(..2) {
            Some("22" | "23") => Fault::Constraint,
            Some("08" | "57") => Fault::Down("the connection was lost"),
            Some("28" | "3D") => Fault::Down("the database refused the login"),
            Some("53") => Fault::Down("the database is out of resources"),
            _ => Fault::Down("the database refused a statement"),
        },
    }
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}
