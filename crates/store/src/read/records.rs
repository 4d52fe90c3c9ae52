//! Class pointers, data bindings, policies and jobs.

use keyward_core::ids::{BindingId, KeyId, PolicyId, TenantId};
use keyward_core::names::{DataClass, PolicyName};
use keyward_core::noun::binding::DataBinding;
use keyward_core::noun::class_pointer::ClassPointer;
use keyward_core::noun::job::{Job, JobKind};
use keyward_core::noun::policy::Policy;
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::time::Timestamp;
use uuid::Uuid;

use super::{limit_and_one, page, scoped, uuid_of};
use crate::db::Database;
use crate::noun::{Noun, label, list, text};
use crate::sql::sql;
use crate::value::Value;

pub(crate) async fn class_pointer(
    database: &Database,
    tenant: TenantId,
    class: &DataClass,
) -> Result<Option<ClassPointer>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM class_pointers t WHERE t.tenant_id = $1 AND t.data_class = $2",
        list::<ClassPointer>("t")
    );
    let values = vec![uuid_of(tenant), text(class.as_str())];
    database.row(statement, values, ClassPointer::read).await
}

pub(crate) async fn class_pointers(
    database: &Database,
    tenant: TenantId,
) -> Result<Vec<ClassPointer>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM class_pointers t WHERE t.tenant_id = $1 ORDER BY t.data_class",
        list::<ClassPointer>("t")
    );
    database
        .rows(statement, vec![uuid_of(tenant)], ClassPointer::read)
        .await
}

pub(crate) async fn all_class_pointers(
    database: &Database,
) -> Result<Vec<ClassPointer>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM class_pointers t ORDER BY t.tenant_id, t.data_class",
        list::<ClassPointer>("t")
    );
    database.rows(statement, vec![], ClassPointer::read).await
}

pub(crate) async fn binding(
    database: &Database,
    tenant: TenantId,
    id: BindingId,
) -> Result<Option<DataBinding>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM data_bindings t WHERE t.id = $2 AND t.tenant_id = $1",
        list::<DataBinding>("t")
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(id.uuid()))];
    database.row(statement, values, DataBinding::read).await
}

pub(crate) async fn bindings(
    database: &Database,
    tenant: TenantId,
    key: KeyId,
    after: Option<BindingId>,
    limit: usize,
) -> Result<Page<DataBinding>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM data_bindings t WHERE t.key_id = $2 AND t.tenant_id = $1 AND t.id > $3 \
         ORDER BY t.id LIMIT $4",
        list::<DataBinding>("t")
    );
    let after = Value::Uuid(Some(after.map_or(Uuid::nil(), BindingId::uuid)));
    let values = vec![
        uuid_of(tenant),
        Value::Uuid(Some(key.uuid())),
        after,
        limit_and_one(limit),
    ];
    Ok(page(
        database.rows(statement, values, DataBinding::read).await?,
        limit,
    ))
}

pub(crate) async fn live_bindings(
    database: &Database,
    tenant: TenantId,
    key: KeyId,
) -> Result<i64, RegistryError> {
    let statement = sql!(
        "SELECT count(*) FROM data_bindings t \
         WHERE t.key_id = $2 AND t.tenant_id = $1 AND t.released_at IS NULL"
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(key.uuid()))];
    Ok(database
        .row(statement, values, |cells| cells.int("count"))
        .await?
        .unwrap_or(0))
}

pub(crate) async fn policy(
    database: &Database,
    tenant: TenantId,
    id: PolicyId,
) -> Result<Option<Policy>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM policies t WHERE t.id = $2 AND t.tenant_id = $1",
        list::<Policy>("t")
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(id.uuid()))];
    database.row(statement, values, Policy::read).await
}

pub(crate) async fn policy_by_name(
    database: &Database,
    tenant: TenantId,
    name: &PolicyName,
) -> Result<Option<Policy>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM policies t WHERE t.tenant_id = $1 AND t.name = $2",
        list::<Policy>("t")
    );
    let values = vec![uuid_of(tenant), text(name.as_str())];
    database.row(statement, values, Policy::read).await
}

pub(crate) async fn policies(
    database: &Database,
    tenant: TenantId,
    after: Option<&PolicyName>,
    limit: usize,
) -> Result<Page<Policy>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM policies t WHERE t.tenant_id = $1 AND t.name > $2 \
         ORDER BY t.name LIMIT $3",
        list::<Policy>("t")
    );
    let after = text(after.map_or("", PolicyName::as_str));
    let values = vec![uuid_of(tenant), after, limit_and_one(limit)];
    Ok(page(
        database.rows(statement, values, Policy::read).await?,
        limit,
    ))
}

pub(crate) async fn keys_with_policy(
    database: &Database,
    tenant: TenantId,
    policy: PolicyId,
) -> Result<Vec<KeyId>, RegistryError> {
    let statement = sql!(
        "SELECT k.id FROM keys k WHERE k.rotation_policy = $2 AND k.tenant_id = $1 \
         ORDER BY k.name"
    );
    let values = vec![uuid_of(tenant), Value::Uuid(Some(policy.uuid()))];
    database
        .rows(statement, values, |cells| cells.id("id"))
        .await
}

/// Newest first.
pub(crate) async fn jobs(
    database: &Database,
    tenant: Option<TenantId>,
    limit: usize,
) -> Result<Vec<Job>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM jobs t WHERE",
        "ORDER BY t.created_at DESC, t.id DESC LIMIT $2",
        list::<Job>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    let values = vec![Value::Uuid(tenant.map(TenantId::uuid)), limit];
    database.rows(statement, values, Job::read).await
}

pub(crate) async fn system_jobs_of(
    database: &Database,
    kind: JobKind,
    limit: usize,
) -> Result<Vec<Job>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM jobs t WHERE t.tenant_id IS NULL AND t.kind = $1 \
         ORDER BY t.created_at DESC, t.id DESC LIMIT $2",
        list::<Job>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    let values = vec![label("job_kind", kind.name()), limit];
    database.rows(statement, values, Job::read).await
}

/// Queued or left running, due at or before `now`.
pub(crate) async fn due_jobs(
    database: &Database,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Job>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM jobs t WHERE t.state IN ('queued', 'running') AND t.due_at <= $1 \
         ORDER BY t.due_at, t.id LIMIT $2",
        list::<Job>("t")
    );
    let limit = Value::Int(Some(i64::try_from(limit).unwrap_or(i64::MAX)));
    database
        .rows(statement, vec![Value::Time(Some(now)), limit], Job::read)
        .await
}
