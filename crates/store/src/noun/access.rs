//! Principals, tokens, roles and assignments as rows. A token's row has its digest, never its
//! secret.

use keyward_core::noun::principal::Principal;
use keyward_core::noun::role::{Role, RoleAssignment};
use keyward_core::noun::token::Token;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, json, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Principal {
    fn table() -> &'static Table {
        table!("principals", key 1, [
            "id", "tenant_id", "name", "kind", "disabled_at", "created_at", "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            text(self.name.as_str()),
            label("principal_kind", self.kind.name()),
            Value::Time(self.disabled_at),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("principals");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            name: cells.parsed("name")?,
            kind: cells.parsed("kind")?,
            disabled_at: cells.opt_time("disabled_at")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for Token {
    fn table() -> &'static Table {
        table!("tokens", key 1, [
            "id", "tenant_id", "principal_id", "digest", "label", "created_by", "created_at",
            "expires_at", "revoked_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            id(self.principal),
            Value::Bytes(Some(self.digest.0.to_vec())),
            text(&self.label),
            opt_id(self.created_by),
            Value::Time(Some(self.created_at)),
            Value::Time(self.expires_at),
            Value::Time(self.revoked_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("tokens");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            principal: cells.id("principal_id")?,
            digest: cells.digest("digest")?,
            label: cells.text("label")?,
            created_by: cells.opt_id("created_by")?,
            created_at: cells.time("created_at")?,
            expires_at: cells.opt_time("expires_at")?,
            revoked_at: cells.opt_time("revoked_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for Role {
    fn table() -> &'static Table {
        table!("roles", key 1, [
            "id", "tenant_id", "name", "description", "permissions", "delegable", "created_at",
            "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            text(self.name.as_str()),
            text(&self.description),
            json(&self.permissions),
            json(&self.delegable),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("roles");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            name: cells.parsed("name")?,
            description: cells.text("description")?,
            permissions: cells.json("permissions")?,
            delegable: cells.json("delegable")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for RoleAssignment {
    fn table() -> &'static Table {
        table!("role_assignments", key 1, [
            "id", "tenant_id", "principal_id", "role_id", "restriction", "created_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            id(self.principal),
            id(self.role),
            self.restriction.as_ref().map_or(Value::Json(None), json),
            Value::Time(Some(self.created_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("role_assignments");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            principal: cells.id("principal_id")?,
            role: cells.id("role_id")?,
            restriction: cells.opt_json("restriction")?,
            created_at: cells.time("created_at")?,
            etag: cells.int("etag")?,
        })
    }
}
