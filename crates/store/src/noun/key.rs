//! Keys as rows, with what searches need besides: the searched text, and the primary version's
//! state and expiry, which follow from other columns and are kept in step by the statements here.

use keyward_core::change::{Row, Write};
use keyward_core::free_text::searchable;
use keyward_core::names::DataClass;
use keyward_core::noun::key::{Key, Restrictions, UseLimit};
use keyward_core::noun::state::State;
use keyward_core::port::registry::RegistryError;

use super::{Noun, Table, id, json, label, opt_id, opt_text, table, text};
use crate::row::Cells;
use crate::value::Value;

impl Noun for Key {
    fn table() -> &'static Table {
        table!("keys", key 2, [
            "id", "tenant_id", "name", "description", "purpose", "owner", "data_class",
            "algorithm", "usages", "provider", "origin", "public_only", "exportable", "deterministic",
            "process_after_expiry", "use_limit_uses", "use_limit_bytes", "authorized_services",
            "access_policy", "compliance_tags", "tags", "rotation_policy",
            "rollback_window_seconds", "overlap_seconds", "primary_version", "latest_version",
            "created_by", "created_at", "updated_at", "etag",
        ], derived ["search_text", "primary_state", "primary_expires_at"])
    }

    fn values(&self) -> Vec<Value> {
        vec![
            id(self.id),
            id(self.tenant),
            text(self.name.as_str()),
            text(&self.description),
            text(&self.purpose),
            text(&self.owner),
            opt_text(self.data_class.as_ref().map(DataClass::as_str)),
            label("key_algorithm", self.algorithm.name()),
            json(&self.usages.names()),
            label("provider_kind", self.provider.name()),
            label("key_origin", self.origin.name()),
            Value::Flag(self.public_only),
            Value::Flag(self.restrictions.exportable),
            Value::Flag(self.restrictions.deterministic),
            Value::Flag(self.restrictions.process_after_expiry),
            Value::Int(self.restrictions.use_limit.map(|limit| limit.uses)),
            Value::Int(self.restrictions.use_limit.map(|limit| limit.bytes)),
            json(&self.authorized_services),
            json(&self.access_policy),
            json(&self.compliance_tags),
            json(&self.tags),
            opt_id(self.rotation_policy),
            Value::Int(Some(self.rollback_window_seconds)),
            Value::Int(Some(self.overlap_seconds)),
            Value::Int(Some(self.primary_version)),
            Value::Int(Some(self.latest_version)),
            opt_id(self.created_by),
            Value::Time(Some(self.created_at)),
            Value::Time(Some(self.updated_at)),
            Value::Int(Some(self.etag)),
        ]
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self, RegistryError> {
        cells.of("keys");
        Ok(Self {
            id: cells.id("id")?,
            tenant: cells.id("tenant_id")?,
            name: cells.parsed("name")?,
            description: cells.text("description")?,
            purpose: cells.text("purpose")?,
            owner: cells.text("owner")?,
            data_class: cells.opt_parsed("data_class")?,
            algorithm: cells.parsed("algorithm")?,
            usages: {
                let names: Vec<String> = cells.json("usages")?;
                let usages: Result<_, _> = names.iter().map(|name| name.parse()).collect();
                usages.map_err(|_| cells.damaged("usages"))?
            },
            provider: cells.parsed("provider")?,
            origin: cells.parsed("origin")?,
            public_only: cells.flag("public_only")?,
            restrictions: Restrictions {
                exportable: cells.flag("exportable")?,
                deterministic: cells.flag("deterministic")?,
                process_after_expiry: cells.flag("process_after_expiry")?,
                use_limit: {
                    let uses = cells.opt_int("use_limit_uses")?;
                    let bytes = cells.opt_int("use_limit_bytes")?;
                    uses.zip(bytes)
                        .map(|(uses, bytes)| UseLimit { uses, bytes })
                },
            },
            authorized_services: cells.json("authorized_services")?,
            access_policy: cells.json("access_policy")?,
            compliance_tags: cells.json("compliance_tags")?,
            tags: cells.json("tags")?,
            rotation_policy: cells.opt_id("rotation_policy")?,
            rollback_window_seconds: cells.int("rollback_window_seconds")?,
            overlap_seconds: cells.int("overlap_seconds")?,
            primary_version: cells.int("primary_version")?,
            latest_version: cells.int("latest_version")?,
            created_by: cells.opt_id("created_by")?,
            created_at: cells.time("created_at")?,
            updated_at: cells.time("updated_at")?,
            etag: cells.int("etag")?,
        })
    }
}

/// How an update keeps the derived columns: the text is bound after the noun's own columns, the
/// rest is looked up. A primary version that the same commit inserts later corrects it then.
pub(super) fn derived_update(columns: &[&str]) -> String {
    let text = columns.len() + 1;
    let primary = columns
        .iter()
        .take_while(|column| **column != "primary_version")
        .count()
        + 1;
    let of_primary = format!("FROM key_versions v WHERE v.key_id = $1 AND v.version = ${primary}");
    format!(
        "search_text = ${text}, \
         primary_state = COALESCE((SELECT v.state {of_primary}), primary_state), \
         primary_expires_at = (SELECT v.expires_at {of_primary})"
    )
}

/// A key as its row and its side rows hold it.
pub(crate) struct KeyImage<'a> {
    key: &'a Key,
}

impl<'a> KeyImage<'a> {
    pub(crate) const fn new(key: &'a Key) -> Self {
        Self { key }
    }

    /// What free text is looked for in.
    pub(crate) fn search_text(&self) -> String {
        search_text_of([
            self.key.name.as_str(),
            &self.key.description,
            &self.key.purpose,
            &self.key.owner,
        ])
    }

    /// What an update binds.
    pub(crate) fn update_values(&self) -> Vec<Value> {
        let mut values = self.key.values();
        values.push(text(self.search_text()));
        values
    }

    /// What an insert binds, with the primary version looked up among the commit's own writes.
    pub(crate) fn insert_values(&self, writes: &[Write]) -> Vec<Value> {
        let primary = writes.iter().find_map(|write| match &write.row {
            Row::KeyVersion(version)
                if version.key == self.key.id && version.version == self.key.primary_version =>
            {
                Some(version)
            }
            _ => None,
        });
        let mut values = self.update_values();
        let state = primary.map_or(State::Pending, |version| version.state);
        values.push(label("key_state", state.name()));
        values.push(Value::Time(primary.and_then(|version| version.expires_at)));
        values
    }
}

/// What free text is looked for in, of a key's name, description, purpose and owner: in lower case.
/// The parts are kept apart by a character that a search cannot hold, so that no match spans two of
/// them.
pub(crate) fn search_text_of(parts: [&str; 4]) -> String {
    parts
        .map(|part| {
            searchable(part)
                .to_lowercase()
                .replace(crate::read::PART_END, " ")
        })
        .join(crate::read::PART_END)
}
