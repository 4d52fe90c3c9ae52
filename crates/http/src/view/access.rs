//! Tenants, principals, tokens, roles as the wire shows them.

use keyward_api::names::{AuditDetail, Permission, PrincipalKind, TenantState, TextState};
use keyward_api::{principal, role, tenant, token};
use keyward_core::free_text::withhold;
use keyward_core::ids::{PrincipalId, TenantId, TokenId};
use keyward_core::noun;
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::ops::text_seal::TextStatus;

use super::{some_time, time};

/// A tenant.
pub fn tenant(mut tenant: noun::tenant::Tenant) -> tenant::Tenant {
    let sealed_fields = withhold(&mut tenant);
    tenant::Tenant {
        sealed_fields,
        text_state: TextState::from(tenant.text_state.name()),
        audit_detail: AuditDetail::from(tenant.audit_detail.name()),
        audit_detail_since: some_time(tenant.audit_detail_since),
        audit_detail_by: tenant.audit_detail_by.map(PrincipalId::uuid),
        id: tenant.id.uuid(),
        name: tenant.name.to_string(),
        state: TenantState::from(tenant.state.name()),
        description: tenant.description,
        created_at: time(tenant.created_at),
        updated_at: time(tenant.updated_at),
        etag: tenant.etag,
    }
}

/// A version of a tenant's key-encryption key.
pub fn kek(kek: noun::tenant::TenantKek) -> tenant::Kek {
    tenant::Kek {
        version: kek.version,
        created_at: time(kek.created_at),
    }
}

/// How a tenant's texts stand.
pub fn text_status(found: TextStatus) -> tenant::TextStatus {
    tenant::TextStatus {
        state: TextState::from(found.state.name()),
        job: found.job.map(super::rest::job),
    }
}

/// A principal.
pub fn principal(principal: noun::principal::Principal) -> principal::Principal {
    principal::Principal {
        id: principal.id.uuid(),
        tenant_id: principal.tenant.map(TenantId::uuid),
        name: principal.name.to_string(),
        kind: PrincipalKind::from(principal.kind.name()),
        disabled_at: some_time(principal.disabled_at),
        created_at: time(principal.created_at),
        updated_at: time(principal.updated_at),
        etag: principal.etag,
    }
}

/// A token, without its digest.
pub fn token(token: noun::token::Token) -> token::Token {
    token::Token {
        id: token.id.uuid(),
        tenant_id: token.tenant.map(TenantId::uuid),
        principal_id: token.principal.uuid(),
        label: token.label,
        created_by: token.created_by.map(TokenId::uuid),
        created_at: time(token.created_at),
        expires_at: some_time(token.expires_at),
        revoked_at: some_time(token.revoked_at),
        etag: token.etag,
    }
}

/// A role.
pub fn role(role: noun::role::Role) -> role::Role {
    role::Role {
        id: role.id.uuid(),
        tenant_id: role.tenant.map(TenantId::uuid),
        name: role.name.to_string(),
        description: role.description,
        permissions: permissions(role.permissions),
        delegable: permissions(role.delegable),
        created_at: time(role.created_at),
        updated_at: time(role.updated_at),
        etag: role.etag,
    }
}

fn permissions(actions: ActionSet) -> Vec<Permission> {
    actions
        .iter()
        .map(Action::name)
        .map(Permission::from)
        .collect()
}

/// An assignment.
pub fn assignment(assignment: noun::role::RoleAssignment) -> role::RoleAssignment {
    role::RoleAssignment {
        id: assignment.id.uuid(),
        tenant_id: assignment.tenant.map(TenantId::uuid),
        principal_id: assignment.principal.uuid(),
        role_id: assignment.role.uuid(),
        restriction: assignment.restriction.map(restriction),
        created_at: time(assignment.created_at),
        etag: assignment.etag,
    }
}

fn restriction(restriction: noun::role::Restriction) -> role::AssignedRestriction {
    role::AssignedRestriction {
        keys: restriction.keys.iter().map(ToString::to_string).collect(),
        classes: restriction
            .classes
            .iter()
            .map(ToString::to_string)
            .collect(),
        tags: restriction.tags,
    }
}
