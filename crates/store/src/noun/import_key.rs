//! Wrapping keys for imports as rows: where the private half is, never the half itself.

use keyward_core::noun::import_key::ImportKey;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for ImportKey {
    fn table() -> &'static Table {
        table!("import_keys", key 1, [
            "id", "tenant_id", "principal_id", "method", "provider_key_id", "record_digest",
            "public_key_digest", "created_by", "created_at", "expires_at", "used_at", "used_for",
            "destroy_at", "destroyed_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            id(self.principal),
            label("import_method", self.method.name()),
            text(&self.provider_key_id),
            Value::Bytes(Some(self.record_digest.0.to_vec())),
            Value::Bytes(Some(self.public_key_digest.0.to_vec())),
            opt_id(self.created_by),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.expires_at)),
            Value::Time(self.used_at),
            opt_id(self.used_for),
            Value::Time(Some(self.destroy_at)),
            Value::Time(self.destroyed_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("import_keys");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            principal: cells.id("principal_id")?,
            method: cells.parsed("method")?,
            provider_key_id: cells.text("provider_key_id")?,
            record_digest: cells.digest("record_digest")?,
            public_key_digest: cells.digest("public_key_digest")?,
            created_by: cells.opt_id("created_by")?,
            created_at: cells.time("created_at")?,
            expires_at: cells.time("expires_at")?,
            used_at: cells.opt_time("used_at")?,
            used_for: cells.opt_id("used_for")?,
            destroy_at: cells.time("destroy_at")?,
            destroyed_at: cells.opt_time("destroyed_at")?,
            etag: cells.int("etag")?,
        })
    }
}
