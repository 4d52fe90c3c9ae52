//! Key versions as rows: where the material is and what became of it, never the material.

use keyward_core::noun::import_key::{ImportFormat, ImportMethod, Provenance};
use keyward_core::noun::key::UseLimit;
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::state::State;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, label, opt_id, opt_label, opt_text, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for KeyVersion {
    fn table() -> &'static Table {
        table!("key_versions", key 2, [
            "id", "tenant_id", "key_id", "version", "parent_version", "state", "state_before",
            "algorithm", "size_bits", "strength_bits", "provider", "provider_key_id", "region",
            "endpoint", "record_digest", "fingerprint", "public_key", "import_method", "import_format", "import_key_id",
            "prior_uses", "prior_bytes", "can_roll_back",
            "rollback_expires_at", "retire_at", "promotion_count", "created_by", "rotated_by",
            "correlation_id", "created_at", "updated_at", "activated_at", "expires_at",
            "rotated_at", "compromised_at", "destroy_at", "destroying", "destroyed_at", "etag",
        ])
    }

    fn values(&self) -> Vec<Value> {
        let came = self.provenance.as_ref();
        let prior = came.and_then(|it| it.prior_use);
        vec![
            id(self.id),
            id(self.tenant),
            id(self.key),
            Value::Int(Some(self.version)),
            Value::Int(self.parent_version),
            label("key_state", self.state.name()),
            opt_label("key_state", self.state_before.map(State::name)),
            label("key_algorithm", self.algorithm.name()),
            Value::Int4(Some(self.size_bits)),
            Value::Int4(Some(self.strength_bits)),
            label("provider_kind", self.provider.name()),
            text(&self.provider_key_id),
            opt_text(self.region.as_deref()),
            opt_text(self.endpoint.as_deref()),
            Value::Bytes(self.record_digest.map(|digest| digest.0.to_vec())),
            Value::Bytes(Some(self.fingerprint.0.to_vec())),
            opt_text(self.public_key.as_deref()),
            opt_label("import_method", came.map(|it| it.method.name())),
            opt_label("import_format", came.map(|it| it.format.name())),
            opt_id(came.and_then(|it| it.import_key)),
            Value::Int(prior.map(|limit| limit.uses)),
            Value::Int(prior.map(|limit| limit.bytes)),
            Value::Flag(self.can_roll_back),
            Value::Time(self.rollback_expires_at),
            Value::Time(self.retire_at),
            Value::Int(Some(self.promotion_count)),
            opt_id(self.created_by),
            opt_id(self.rotated_by),
            text(self.correlation_id.as_str()),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Time(self.activated_at),
            Value::Time(self.expires_at),
            Value::Time(self.rotated_at),
            Value::Time(self.compromised_at),
            Value::Time(self.destroy_at),
            Value::Flag(self.destroying),
            Value::Time(self.destroyed_at),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("key_versions");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            key: cells.id("key_id")?,
            version: cells.int("version")?,
            parent_version: cells.opt_int("parent_version")?,
            state: cells.parsed("state")?,
            state_before: cells.opt_parsed("state_before")?,
            algorithm: cells.parsed("algorithm")?,
            size_bits: cells.int4("size_bits")?,
            strength_bits: cells.int4("strength_bits")?,
            provider: cells.parsed("provider")?,
            provider_key_id: cells.text("provider_key_id")?,
            region: cells.opt_text("region")?,
            endpoint: cells.opt_text("endpoint")?,
            record_digest: cells.opt_digest("record_digest")?,
            fingerprint: cells.digest("fingerprint")?,
            public_key: cells.opt_text("public_key")?,
            provenance: provenance(cells)?,
            can_roll_back: cells.flag("can_roll_back")?,
            rollback_expires_at: cells.opt_time("rollback_expires_at")?,
            retire_at: cells.opt_time("retire_at")?,
            promotion_count: cells.int("promotion_count")?,
            created_by: cells.opt_id("created_by")?,
            rotated_by: cells.opt_id("rotated_by")?,
            correlation_id: cells.parsed("correlation_id")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            activated_at: cells.opt_time("activated_at")?,
            expires_at: cells.opt_time("expires_at")?,
            rotated_at: cells.opt_time("rotated_at")?,
            compromised_at: cells.opt_time("compromised_at")?,
            destroy_at: cells.opt_time("destroy_at")?,
            destroying: cells.flag("destroying")?,
            destroyed_at: cells.opt_time("destroyed_at")?,
            etag: cells.int("etag")?,
        })
    }
}

/// Where the material came from; none for what was made here.
fn provenance(cells: &mut Cells<'_>) -> Result<Option<Provenance>, RegistryError> {
    let method: Option<ImportMethod> = cells.opt_parsed("import_method")?;
    let format: Option<ImportFormat> = cells.opt_parsed("import_format")?;
    let import_key = cells.opt_id("import_key_id")?;
    let uses = cells.opt_int("prior_uses")?;
    let bytes = cells.opt_int("prior_bytes")?;
    Ok(method.zip(format).map(|(method, format)| Provenance {
        method,
        format,
        import_key,
        prior_use: uses
            .zip(bytes)
            .map(|(uses, bytes)| UseLimit { uses, bytes }),
    }))
}
