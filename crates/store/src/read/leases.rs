//! Leases: who has which role.

use keyward_core::port::lease::{Fence, Lease, LeaseRole};
use keyward_core::port::registry::RegistryError;

use crate::db::{Database, Dialect};
use crate::noun::text;
use crate::row::Cells;

/// A statement in either dialect: `{now}` is the database's time, `{later}` as many seconds later as
/// parameter 3 says, `{shown}` what [`read`] reads.
macro_rules! timed {
    ($database:expr, $text:literal) => {{
        static LITE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            $crate::read::leases::in_dialect($text, $crate::db::Dialect::Sqlite)
        });
        static PG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            $crate::read::leases::in_dialect($text, $crate::db::Dialect::Postgres)
        });
        match $database.dialect() {
            $crate::db::Dialect::Sqlite => LITE.as_str(),
            $crate::db::Dialect::Postgres => PG.as_str(),
        }
    }};
}
pub(crate) use timed;

/// Puts a dialect's words into a statement.
pub(crate) fn in_dialect(text: &'static str, dialect: Dialect) -> String {
    let shown = "role, holder, epoch, taken_at, expires_at, expires_at <= {now}, worked_at, {idle}";
    let (now, later, idle) = match dialect {
        Dialect::Sqlite => (
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            "(CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $3 * 1000000)",
            "({now} - max(taken_at, coalesce(worked_at, taken_at))) / 1000000",
        ),
        Dialect::Postgres => (
            "clock_timestamp()",
            "(clock_timestamp() + $3 * interval '1 second')",
            "floor(extract(epoch FROM {now} - greatest(taken_at, worked_at)))::bigint",
        ),
    };
    let text = text.replace("{shown}", shown).replace("{idle}", idle);
    text.replace("{now}", now).replace("{later}", later)
}

pub(crate) async fn lease(
    database: &Database,
    role: LeaseRole,
) -> Result<Option<Lease>, RegistryError> {
    let statement = timed!(database, "SELECT {shown} FROM leases WHERE role = $1");
    database.row(statement, vec![text(role.name())], read).await
}

pub(crate) fn read(cells: &mut Cells<'_>) -> Result<Lease, RegistryError> {
    cells.of("leases");
    Ok(Lease {
        fence: Fence {
            role: cells.parsed("role")?,
            holder: cells.text("holder")?,
            epoch: cells.int("epoch")?,
        },
        taken_at: cells.time("taken_at")?,
        expires_at: cells.time("expires_at")?,
        is_over: cells.flag("is_over")?,
        worked_at: cells.opt_time("worked_at")?,
        idle_seconds: cells.int("idle_seconds")?,
    })
}
