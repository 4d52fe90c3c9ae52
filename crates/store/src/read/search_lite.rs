//! The plan of a search on SQLite. Its planner knows nothing of how often a single value occurs,
//! so the search looks for itself: a condition that few keys meet drives it, and those few are
//! sorted; otherwise it follows an index in the order of the page and tests the rest on each row.

use keyward_core::ids::TenantId;
use keyward_core::port::registry::{KeySort, RegistryError};

use super::search::{Cursor, columns};
use super::search_condition::Condition;
use super::uuid_of;
use crate::db::{Database, Dialect};
use crate::sql::{Statement, sql};
use crate::value::Value;

/// So many keys are few: they can be read and sorted in a few milliseconds. It is about the square
/// root of a page times a million keys, where both ways cost the same.
const FEW: i64 = 5_000;

/// What the rows come from.
enum Driver<'a> {
    /// The index of the sort order.
    Order,
    /// A condition's own index.
    Condition(usize, &'a Condition),
}

/// Builds the search, after looking how many keys the conditions concern.
pub(super) async fn plan(
    database: &Database,
    tenant: TenantId,
    conditions: &[Condition],
    sort: KeySort,
    after: Option<&Cursor>,
) -> Result<Statement, RegistryError> {
    let driver = choose(database, tenant, conditions, sort).await?;
    let mut statement = Statement::new("SELECT ");
    statement.push(columns()).push(" FROM ");
    // A side table's index is in order of the name it repeats.
    let mut by = match sort {
        KeySort::Name => "k.name",
        KeySort::CreatedAt => "k.created_at",
    };
    let mut driving = None;
    match driver {
        Driver::Order => {
            statement.push(match sort {
                KeySort::Name => "keys k INDEXED BY keys_name",
                KeySort::CreatedAt => "keys k INDEXED BY keys_created_at",
            });
        }
        Driver::Condition(at, condition) => {
            from(&mut statement, condition);
            driving = Some(at);
            let side = matches!(condition, Condition::Tag { .. } | Condition::Label { .. });
            if side && sort == KeySort::Name {
                by = "s.key_name";
            }
        }
    }
    statement
        .push(" CROSS JOIN key_versions v ON v.key_id = k.id AND v.version = k.primary_version");
    statement
        .push(" WHERE k.tenant_id = ")
        .bind(uuid_of(tenant));
    for (at, condition) in conditions.iter().enumerate() {
        match condition {
            Condition::Tag { .. } | Condition::Label { .. } if driving == Some(at) => {
                statement.push(" AND s.tenant_id = ").bind(uuid_of(tenant));
                condition.side_tests(&mut statement);
            }
            Condition::Text { tokens, .. } if driving == Some(at) => {
                statement
                    .push(" AND key_text MATCH ")
                    .bind(Value::Words(tokens.clone()));
                condition.test(Dialect::Sqlite, &mut statement);
            }
            _ => condition.test(Dialect::Sqlite, &mut statement),
        }
    }
    if let Some(after) = after {
        after.test(by, &mut statement);
    }
    statement.push(" ORDER BY ").push(by);
    if sort == KeySort::CreatedAt {
        statement.push(", k.id");
    }
    Ok(statement)
}

fn from(statement: &mut Statement, condition: &Condition) {
    match condition {
        Condition::Column { index, .. } => {
            statement.push("keys k INDEXED BY ").push(index);
        }
        Condition::Names { .. } => {
            statement.push("keys k INDEXED BY keys_name");
        }
        Condition::Tag { .. } | Condition::Label { .. } => {
            let (table, index) = condition.side_table();
            statement.push(table).push(" s INDEXED BY ").push(index);
            statement.push(" CROSS JOIN keys k ON k.id = s.key_id");
        }
        Condition::Text { .. } => {
            statement.push("key_text CROSS JOIN keys k ON k.seq = key_text.rowid");
        }
        Condition::Only(_) => {
            statement.push("keys k INDEXED BY keys_id_tenant");
        }
    }
}

async fn choose<'a>(
    database: &Database,
    tenant: TenantId,
    conditions: &'a [Condition],
    sort: KeySort,
) -> Result<Driver<'a>, RegistryError> {
    // One condition whose index has the right order needs no look.
    if let [only] = conditions
        && only.is_in_order(sort)
    {
        return Ok(Driver::Condition(0, only));
    }
    let mut best: Option<(i64, usize, &Condition)> = None;
    for (at, condition) in conditions.iter().enumerate() {
        if !condition.has_index() {
            continue;
        }
        let count = count(database, tenant, condition).await?;
        if count < FEW && best.is_none_or(|(least, ..)| count < least) {
            best = Some((count, at, condition));
        }
    }
    if let Some((_, at, condition)) = best {
        return Ok(Driver::Condition(at, condition));
    }
    let in_order = conditions
        .iter()
        .enumerate()
        .find(|(_, it)| it.is_in_order(sort));
    Ok(in_order.map_or(Driver::Order, |(at, condition)| {
        Driver::Condition(at, condition)
    }))
}

/// How many keys meet a condition, counted as far as it matters.
async fn count(
    database: &Database,
    tenant: TenantId,
    condition: &Condition,
) -> Result<i64, RegistryError> {
    if let Condition::Only(ids) = condition {
        return Ok(ids.len() as i64);
    }
    let mut statement = Statement::new("SELECT count(*) FROM (SELECT 1 FROM ");
    match condition {
        Condition::Tag { .. } | Condition::Label { .. } => {
            let (table, index) = condition.side_table();
            statement.push(table).push(" s INDEXED BY ").push(index);
            statement
                .push(" WHERE s.tenant_id = ")
                .bind(uuid_of(tenant));
            condition.side_tests(&mut statement);
        }
        Condition::Text { tokens, .. } => {
            statement
                .push("key_text WHERE key_text MATCH ")
                .bind(Value::Words(tokens.clone()));
        }
        _ => {
            from(&mut statement, condition);
            statement
                .push(" WHERE k.tenant_id = ")
                .bind(uuid_of(tenant));
            condition.test(Dialect::Sqlite, &mut statement);
        }
    }
    statement.push(sql!(" LIMIT {FEW})"));
    let (statement, values) = statement.finish();
    Ok(database
        .row(statement, values, |cells| cells.int("count"))
        .await?
        .unwrap_or(0))
}
