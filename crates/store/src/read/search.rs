//! The search over keys: any combination of conditions, in pages by sort value and id.

use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::key::Key;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::port::registry::{
    KeyCursor, KeyFilter, KeySort, KeySummary, Page, RegistryError,
};
use keyward_core::time::Timestamp;

use super::search_condition::{Condition, conditions};
use super::{limit_and_one, page, search_lite, uuid_of};
use crate::db::{Database, Dialect};
use crate::noun::{Noun, list, text};
use crate::sql::{Statement, sql};
use crate::value::Value;

/// Where a page begins.
pub(super) enum Cursor {
    /// After this name. Names are unique in a tenant: no tie needs breaking.
    Name(String),
    /// After this instant and id.
    CreatedAt(Timestamp, KeyId),
}

impl Cursor {
    fn new(sort: KeySort, after: &KeyCursor) -> Result<Self, RegistryError> {
        match sort {
            KeySort::Name => Ok(Self::Name(after.sort_value.clone())),
            KeySort::CreatedAt => {
                let micros = after
                    .sort_value
                    .parse()
                    .map_err(|_| RegistryError::Damaged {
                        table: "keys",
                        what: "cursor",
                    })?;
                Ok(Self::CreatedAt(Timestamp::from_micros(micros), after.id))
            }
        }
    }

    /// Writes the condition; `by` is the column that holds the sort value.
    pub(super) fn test(&self, by: &'static str, statement: &mut Statement) {
        match self {
            Self::Name(name) => {
                statement
                    .push(" AND ")
                    .push(by)
                    .push(" > ")
                    .bind(text(name));
            }
            Self::CreatedAt(at, id) => {
                statement.push(" AND (").push(by).push(", k.id) > (");
                statement.bind(Value::Time(Some(*at))).push(", ");
                statement.bind(Value::Uuid(Some(id.uuid()))).push(")");
            }
        }
    }
}

/// The columns of a summary.
pub(super) fn columns() -> &'static str {
    sql!("{}, {}", list::<Key>("k"), list::<KeyVersion>("v"))
}

pub(crate) async fn keys(
    database: &Database,
    tenant: TenantId,
    filter: &KeyFilter,
    sort: KeySort,
    after: Option<&KeyCursor>,
    limit: usize,
) -> Result<Page<KeySummary>, RegistryError> {
    let Some(conditions) = conditions(tenant, filter) else {
        return Ok(Page {
            rows: Vec::new(),
            more: false,
        });
    };
    let after = after.map(|after| Cursor::new(sort, after)).transpose()?;
    let mut statement = match database.dialect() {
        Dialect::Sqlite => {
            search_lite::plan(database, tenant, &conditions, sort, after.as_ref()).await?
        }
        Dialect::Postgres => plan(tenant, &conditions, sort, after.as_ref()),
    };
    statement.push(" LIMIT ").bind(limit_and_one(limit));
    let (statement, values) = statement.finish();
    let rows = database
        .rows(statement, values, |cells| {
            Ok(KeySummary {
                key: Key::read(cells)?,
                primary: KeyVersion::read(cells)?,
            })
        })
        .await?;
    Ok(page(rows, limit))
}

/// On PostgreSQL the planner knows how often values occur and chooses by itself.
fn plan(
    tenant: TenantId,
    conditions: &[Condition],
    sort: KeySort,
    after: Option<&Cursor>,
) -> Statement {
    let mut statement = Statement::new("SELECT ");
    statement.push(columns());
    statement.push(
        " FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.primary_version \
         WHERE k.tenant_id = ",
    );
    statement.bind(uuid_of(tenant));
    for condition in conditions {
        condition.test(Dialect::Postgres, &mut statement);
    }
    let by = match sort {
        KeySort::Name => "k.name",
        KeySort::CreatedAt => "k.created_at",
    };
    if let Some(after) = after {
        after.test(by, &mut statement);
    }
    statement.push(" ORDER BY ").push(by);
    if sort == KeySort::CreatedAt {
        statement.push(", k.id");
    }
    statement
}
