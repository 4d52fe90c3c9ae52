//! Secrets and their versions as rows: names and references, never a value.

use keyward_core::noun::secret::{Secret, SecretVersion};
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, json, label, opt_id, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Secret {
    fn table() -> &'static Table {
        table!("secrets", key 1, [
            "id", "tenant_id", "name", "state", "description", "labels", "keep", "latest_version",
            "created_by", "created_at", "updated_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            text(self.name.as_str()),
            label("secret_state", self.state.name()),
            text(&self.description),
            json(&self.labels),
            Value::Int4(Some(self.keep)),
            Value::Int(Some(self.latest_version)),
            opt_id(self.created_by),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("secrets");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            name: cells.parsed("name")?,
            state: cells.parsed("state")?,
            description: cells.text("description")?,
            labels: cells.json("labels")?,
            keep: cells.int4("keep")?,
            latest_version: cells.int("latest_version")?,
            created_by: cells.opt_id("created_by")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

impl Noun for SecretVersion {
    fn table() -> &'static Table {
        table!("secret_versions", key 1, [
            "id", "tenant_id", "secret_id", "version", "record_id", "record_digest", "destroying_at",
            "created_by", "correlation_id", "created_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            opt_id(self.tenant),
            id(self.secret),
            Value::Int(Some(self.version)),
            id(self.record),
            Value::Bytes(Some(self.record_digest.0.to_vec())),
            Value::Time(self.destroying_at),
            opt_id(self.created_by),
            text(self.correlation_id.as_str()),
            Value::Time(Some(self.created_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("secret_versions");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.opt_id("tenant_id")?,
            secret: cells.id("secret_id")?,
            version: cells.int("version")?,
            record: cells.id("record_id")?,
            record_digest: cells.digest("record_digest")?,
            destroying_at: cells.opt_time("destroying_at")?,
            created_by: cells.opt_id("created_by")?,
            correlation_id: cells.parsed("correlation_id")?,
            created_at: cells.time("created_at")?,
            etag: cells.int("etag")?,
        })
    }
}
