//! Leases: taken, kept and given up by the database's own time, past the change feed, as they change no
//! state; and the fence before a commit of whoever should hold one.

use keyward_core::port::lease::{Fence, Lease, LeaseRole};
use keyward_core::port::registry::RegistryError;

use super::member::Trouble;
use crate::db::{Database, Dialect, Transaction};
use crate::fault::Fault;
use crate::noun::text;
use crate::read::leases::{read, timed};
use crate::value::Value;

const TABLE: &str = "leases";

/// PostgreSQL's `clock_timestamp()` is the present and not the transaction's beginning, which may be long ago
/// for whoever waited for the row. `ON CONFLICT DO UPDATE` looks at its condition once it has the row.
pub(crate) async fn take(
    database: &Database,
    role: LeaseRole,
    holder: &str,
    seconds: i64,
) -> Result<Option<Lease>, RegistryError> {
    let statement = timed!(
        database,
        "INSERT INTO leases (role, holder, epoch, taken_at, expires_at) \
         VALUES ($1, $2, 1, {now}, {later}) \
         ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, epoch = leases.epoch + 1, \
         taken_at = excluded.taken_at, expires_at = excluded.expires_at \
         WHERE leases.expires_at <= {now} RETURNING {shown}"
    );
    let values = vec![text(role.name()), text(holder), Value::Int(Some(seconds))];
    let taken = write(database, statement, values).await?;
    Ok(taken.into_iter().next())
}

pub(crate) async fn renew(
    database: &Database,
    fence: &Fence,
    seconds: i64,
) -> Result<bool, RegistryError> {
    let statement = timed!(
        database,
        "UPDATE leases SET expires_at = {later} WHERE role = $1 AND holder = $2 AND epoch = $4 \
         RETURNING {shown}"
    );
    let values = vec![
        text(fence.role.name()),
        text(&fence.holder),
        Value::Int(Some(seconds)),
        Value::Int(Some(fence.epoch)),
    ];
    Ok(!write(database, statement, values).await?.is_empty())
}

pub(crate) async fn note_work(database: &Database, fence: &Fence) -> Result<bool, RegistryError> {
    let statement = timed!(
        database,
        "UPDATE leases SET worked_at = {now} WHERE role = $1 AND holder = $2 AND epoch = $3 \
         RETURNING {shown}"
    );
    Ok(!write(database, statement, values_of(fence))
        .await?
        .is_empty())
}

fn values_of(fence: &Fence) -> Vec<Value> {
    vec![
        text(fence.role.name()),
        text(&fence.holder),
        Value::Int(Some(fence.epoch)),
    ]
}

async fn write(
    database: &Database,
    statement: &'static str,
    values: Vec<Value>,
) -> Result<Vec<Lease>, RegistryError> {
    let on_table = |fault: Fault| fault.on(TABLE);
    let mut transaction = database.begin().await.map_err(on_table)?;
    let written = transaction.rows(statement, values, read).await;
    match written {
        Ok(written) => {
            transaction.commit().await.map_err(on_table)?;
            Ok(written)
        }
        Err(fault) => {
            transaction.rollback().await;
            Err(on_table(fault))
        }
    }
}

/// Refuses unless the role is still this one's, and lets nobody take it before the transaction has ended.
///
/// Whether the lease is over does not matter: as long as nobody has taken it, nobody else has acted.
pub(super) async fn ensure_held(
    transaction: &mut Transaction,
    fence: &Fence,
) -> Result<(), Trouble> {
    let statement = match transaction.dialect() {
        // One transaction writes at a time.
        Dialect::Sqlite => {
            "SELECT epoch FROM leases WHERE role = $1 AND holder = $2 AND epoch = $3"
        }
        Dialect::Postgres => {
            "SELECT epoch FROM leases WHERE role = $1 AND holder = $2 AND epoch = $3 FOR SHARE"
        }
    };
    let values = values_of(fence);
    let held = transaction
        .rows(statement, values, |cells| cells.int("epoch"))
        .await
        .map_err(Trouble::with(TABLE))?;
    if held.is_empty() {
        return Err(Trouble {
            fault: Fault::Registry(RegistryError::Fenced { role: fence.role }),
            table: TABLE,
        });
    }
    Ok(())
}
