//! How rows are found: one file for each family of queries. Every query is one statement, and so
//! one snapshot; every one has its index, which the tests check on both databases.

pub(crate) mod access;
pub(crate) mod audit_rules;
pub(crate) mod conditions;
pub(crate) mod drills;
pub(crate) mod feed;
pub(crate) mod import_keys;
pub(crate) mod keys;
pub(crate) mod leases;
pub(crate) mod ledger;
pub(crate) mod records;
pub(crate) mod rotations;
pub(crate) mod search;
mod search_condition;
mod search_lite;
pub(crate) mod secrets;
pub(crate) mod tenants;
pub(crate) mod usage;

use keyward_core::ids::TenantId;
use keyward_core::port::registry::Page;

use crate::value::Value;

/// Ends a part of a key's searched text: ASCII's "unit separator", which no search may hold.
pub(crate) const PART_END: &str = "\u{1f}";

/// One row more than asked for, to know whether there are more.
fn limit_and_one(limit: usize) -> Value {
    Value::Int(Some(
        i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
    ))
}

/// Drops the extra row.
fn page<T>(mut rows: Vec<T>, limit: usize) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    Page { rows, more }
}

fn uuid_of(tenant: TenantId) -> Value {
    Value::Uuid(Some(tenant.uuid()))
}

/// Two statements for what is a tenant's or the system's own: `IS NOT DISTINCT FROM $1` has no
/// index in PostgreSQL. Parameter 1 is the tenant in the one and stays unused in the other.
macro_rules! scoped {
    ($tenant:expr, $before:literal, $after:literal $(, $argument:expr)*) => {
        match $tenant {
            Some(_) => crate::sql::sql!(concat!($before, " tenant_id = $1 ", $after) $(, $argument)*),
            None => crate::sql::sql!(concat!($before, " tenant_id IS NULL ", $after) $(, $argument)*),
        }
    };
}
pub(crate) use scoped;
