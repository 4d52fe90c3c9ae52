//! Tenants and their key-encryption keys as rows.

use keyward_core::noun::tenant::{Tenant, TenantKek};
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Tenant {
    fn table() -> &'static Table {
        table!("tenants", key 1, [
            "id", "name", "state", "description", "text_state", "audit_detail",
            "audit_detail_since", "audit_detail_by", "created_at", "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            text(self.name.as_str()),
            label("tenant_state", self.state.name()),
            text(&self.description),
            label("text_state", self.text_state.name()),
            label("audit_detail", self.audit_detail.name()),
            Value::Time(self.audit_detail_since),
            opt_id(self.audit_detail_by),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("tenants");
        Ok(Self {
            id: cells.id("id")?,
            name: cells.parsed("name")?,
            state: cells.parsed("state")?,
            description: cells.text("description")?,
            text_state: cells.parsed("text_state")?,
            audit_detail: cells.parsed("audit_detail")?,
            audit_detail_since: cells.opt_time("audit_detail_since")?,
            audit_detail_by: cells.opt_id("audit_detail_by")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for TenantKek {
    fn table() -> &'static Table {
        table!("tenant_keks", key 2, [
            "tenant_id", "version", "record_id", "record_digest", "created_at", "destroyed_at",
            "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.tenant),
            Value::Int(Some(self.version)),
            id(self.record),
            Value::Bytes(Some(self.record_digest.0.to_vec())),
            Value::Time(Some(self.created_at)),
            Value::Time(self.destroyed_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("tenant_keks");
        Ok(Self {
            tenant: cells.id("tenant_id")?,
            version: cells.int("version")?,
            record: cells.id("record_id")?,
            record_digest: cells.digest("record_digest")?,
            created_at: cells.time("created_at")?,
            destroyed_at: cells.opt_time("destroyed_at")?,
            etag: cells.int("etag")?,
        })
    }
}
