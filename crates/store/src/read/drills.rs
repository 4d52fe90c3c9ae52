//! Drills, newest first.

use keyward_core::noun::drill::Drill;
use keyward_core::port::registry::RegistryError;

use crate::db::Database;
use crate::noun::{Noun, list};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn drills(database: &Database, limit: usize) -> Result<Vec<Drill>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM drills t ORDER BY t.id DESC LIMIT $1",
        list::<Drill>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    database.rows(statement, vec![limit], Drill::read).await
}
