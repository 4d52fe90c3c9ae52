//! Rotations, newest first.

use keyward_core::ids::{KeyId, RotationId, TenantId};
use keyward_core::noun::rotation::Rotation;
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::port::rotations::RotationsOf;
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::{limit_and_one, page, uuid_of};
use crate::db::Database;
use crate::noun::{Noun, id, list};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn planned(
    database: &Database,
    key: KeyId,
    planned_at: Timestamp,
) -> Result<Option<Rotation>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM rotations t WHERE t.key_id = $1 AND t.planned_at = $2",
        list::<Rotation>("t")
    );
    let values = vec![id(key), Value::Time(Some(planned_at))];
    database.row(statement, values, Rotation::read).await
}

pub(crate) async fn of(
    database: &Database,
    tenant: TenantId,
    of: RotationsOf,
    before: Option<RotationId>,
    limit: usize,
) -> Result<Page<Rotation>, RegistryError> {
    // Another tenant's key or policy has no rows that are this tenant's.
    let statement = match of {
        RotationsOf::Tenant => sql!(
            "SELECT {} FROM rotations t WHERE t.tenant_id = $1 AND t.id < $2 ORDER BY t.id DESC LIMIT $3",
            list::<Rotation>("t")
        ),
        RotationsOf::Key(_) => sql!(
            "SELECT {} FROM rotations t WHERE t.key_id = $4 AND t.id < $2 AND t.tenant_id = $1 \
             ORDER BY t.id DESC LIMIT $3",
            list::<Rotation>("t")
        ),
        RotationsOf::Policy(_) => sql!(
            "SELECT {} FROM rotations t WHERE t.policy_id = $4 AND t.id < $2 AND t.tenant_id = $1 \
             ORDER BY t.id DESC LIMIT $3",
            list::<Rotation>("t")
        ),
    };
    let before = before.map_or(Uuid::max(), RotationId::uuid);
    let mut values = vec![
        uuid_of(tenant),
        Value::Uuid(Some(before)),
        limit_and_one(limit),
    ];
    match of {
        RotationsOf::Tenant => {}
        RotationsOf::Key(key) => values.push(id(key)),
        RotationsOf::Policy(policy) => values.push(id(policy)),
    }
    let rows = database.rows(statement, values, Rotation::read).await?;
    Ok(page(rows, limit))
}
