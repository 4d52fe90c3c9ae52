//! What PostgreSQL says, in the words of the port, and whether it is worth asking again. Messages
//! of the server may quote names; only codes are looked at.

use keyward_core::port::storage::StorageError;

use crate::backend::{misconfigured, unavailable};

/// A failure.
pub(super) struct Fault {
    pub(super) error: StorageError,
    /// Whether the next attempt may well succeed.
    pub(super) passing: bool,
}

pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let passing = |error| Fault {
        error,
        passing: true,
    };
    match error {
        sqlx::Error::Database(error) => from_code(error.code().as_deref().unwrap_or_default()),
        sqlx::Error::Io(_) => passing(unavailable("the database cannot be reached")),
        sqlx::Error::PoolTimedOut => {
            passing(unavailable("the database gave no connection in time"))
        }
        sqlx::Error::Protocol(_) => passing(unavailable("the database broke off")),
        sqlx::Error::Tls(_) => Fault {
            error: misconfigured("no TLS connection to the database can be made"),
            passing: false,
        },
        _ => Fault {
            error: unavailable("the database failed"),
            passing: false,
        },
    }
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn from_code(code: &str) -> Fault {
    let cause = format!("SQLSTATE {code}");
    let (error, passing) = match code {
        "25006" => {
            let cause = "the database is read-only".to_owned();
            (StorageError::NotWritable { cause }, false)
        }
        "53100" => {
            let cause = "the database's disk is full".to_owned();
            (StorageError::NotWritable { cause }, false)
        }
        "53300" | "53400" => {
            let cause = "the database has no connection left".to_owned();
            (StorageError::Throttled { cause }, true)
        }
        "42501" => {
            let cause = "the database's user lacks a right".to_owned();
            (StorageError::Denied { cause }, false)
        }
        "3D000" => (misconfigured("there is no such database"), false),
        "3F000" | "42P01" | "42703" => (
            misconfigured("the vault's schema is missing or is another's"),
            false,
        ),
        // Serialization, deadlock, lock: the transaction was undone. 57P: shutting down. 23505:
        // two who made the same thing at the same time.
        "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "23505" => {
            (unavailable(cause), true)
        }
        _ if code.starts_with("28") => {
            let cause = "the database refuses user or password".to_owned();
            (StorageError::Denied { cause }, false)
        }
        _ if code.starts_with("08") || code.starts_with("53") => (unavailable(cause), true),
        _ => (unavailable(cause), false),
    };
    Fault { error, passing }
}
