//! Principals, tokens, roles and assignments. "No tenant" means the system's own.

use keyward_core::ids::{PrincipalId, RoleId, TenantId, TokenId};
use keyward_core::names::{PrincipalName, RoleName};
use keyward_core::noun::principal::Principal;
use keyward_core::noun::role::{Role, RoleAssignment};
use keyward_core::noun::token::Token;
use keyward_core::port::registry::{Page, RegistryError};
use uuid::Uuid;

use super::{limit_and_one, page, scoped};
use crate::db::Database;
use crate::noun::{Noun, list, text};
use crate::sql::sql;
use crate::value::Value;

fn tenant_value(tenant: Option<TenantId>) -> Value {
    Value::Uuid(tenant.map(TenantId::uuid))
}

pub(crate) async fn principal(
    database: &Database,
    id: PrincipalId,
) -> Result<Option<Principal>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM principals t WHERE t.id = $1",
        list::<Principal>("t")
    );
    database
        .row(
            statement,
            vec![Value::Uuid(Some(id.uuid()))],
            Principal::read,
        )
        .await
}

pub(crate) async fn principal_by_name(
    database: &Database,
    tenant: Option<TenantId>,
    name: &PrincipalName,
) -> Result<Option<Principal>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM principals t WHERE t.name = $2 AND",
        "",
        list::<Principal>("t")
    );
    let values = vec![tenant_value(tenant), text(name.as_str())];
    database.row(statement, values, Principal::read).await
}

pub(crate) async fn principals(
    database: &Database,
    tenant: Option<TenantId>,
    after: Option<&PrincipalName>,
    limit: usize,
) -> Result<Page<Principal>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM principals t WHERE t.name > $2 AND",
        "ORDER BY t.name LIMIT $3",
        list::<Principal>("t")
    );
    let after = text(after.map_or("", PrincipalName::as_str));
    let values = vec![tenant_value(tenant), after, limit_and_one(limit)];
    Ok(page(
        database.rows(statement, values, Principal::read).await?,
        limit,
    ))
}

pub(crate) async fn token(
    database: &Database,
    id: TokenId,
) -> Result<Option<Token>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM tokens t WHERE t.id = $1",
        list::<Token>("t")
    );
    database
        .row(statement, vec![Value::Uuid(Some(id.uuid()))], Token::read)
        .await
}

pub(crate) async fn tokens(
    database: &Database,
    tenant: Option<TenantId>,
    after: Option<TokenId>,
    limit: usize,
) -> Result<Page<Token>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM tokens t WHERE t.id > $2 AND",
        "ORDER BY t.id LIMIT $3",
        list::<Token>("t")
    );
    let after = Value::Uuid(Some(after.map_or(Uuid::nil(), TokenId::uuid)));
    let values = vec![tenant_value(tenant), after, limit_and_one(limit)];
    Ok(page(
        database.rows(statement, values, Token::read).await?,
        limit,
    ))
}

pub(crate) async fn role(database: &Database, id: RoleId) -> Result<Option<Role>, RegistryError> {
    let statement = sql!("SELECT {} FROM roles t WHERE t.id = $1", list::<Role>("t"));
    database
        .row(statement, vec![Value::Uuid(Some(id.uuid()))], Role::read)
        .await
}

/// A tenant's own, or a built-in one.
pub(crate) async fn role_by_name(
    database: &Database,
    tenant: Option<TenantId>,
    name: &RoleName,
) -> Result<Option<Role>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM roles t \
         WHERE t.name = $2 AND (t.tenant_id = $1 OR t.tenant_id IS NULL) \
         ORDER BY t.tenant_id IS NULL LIMIT 1",
        list::<Role>("t")
    );
    let values = vec![tenant_value(tenant), text(name.as_str())];
    database.row(statement, values, Role::read).await
}

/// The built-in ones and the tenant's own.
pub(crate) async fn roles(
    database: &Database,
    tenant: Option<TenantId>,
) -> Result<Vec<Role>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM roles t WHERE t.tenant_id = $1 OR t.tenant_id IS NULL \
         ORDER BY t.name, t.id",
        list::<Role>("t")
    );
    database
        .rows(statement, vec![tenant_value(tenant)], Role::read)
        .await
}

pub(crate) async fn assignments(
    database: &Database,
    tenant: Option<TenantId>,
) -> Result<Vec<RoleAssignment>, RegistryError> {
    let statement = scoped!(
        tenant,
        "SELECT {} FROM role_assignments t WHERE",
        "ORDER BY t.id",
        list::<RoleAssignment>("t")
    );
    database
        .rows(statement, vec![tenant_value(tenant)], RoleAssignment::read)
        .await
}

pub(crate) async fn assignments_of(
    database: &Database,
    principal: PrincipalId,
) -> Result<Vec<RoleAssignment>, RegistryError> {
    let statement = sql!(
        "SELECT {} FROM role_assignments t WHERE t.principal_id = $1 ORDER BY t.id",
        list::<RoleAssignment>("t")
    );
    let values = vec![Value::Uuid(Some(principal.uuid()))];
    database.rows(statement, values, RoleAssignment::read).await
}
