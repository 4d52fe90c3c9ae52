//! Which records of the vault a snapshot of the registry names, and by which digest: read from its
//! lines as they go by, by the names of the columns, so that a column more or in another place
//! changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyward_core::ids::{RecordId, TenantId};
use keyward_core::noun::tenant::{Digest, TenantKek, TenantState};
use keyward_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// What kind of record it is, as manifests count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Material,
    ImportKey,
    Secret,
}

impl Named {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Material => "material",
            Self::ImportKey => "import_key",
            Self::Secret => "secret",
        }
    }
}

/// A record that a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) digest: Digest,
    pub(crate) named: Named,
    /// Its deletion has begun: it may be there or not.
    pub(crate) may_be_gone: bool,
}

/// The records that rows name.
#[derive(Default)]
pub(crate) struct References {
    pub(crate) keks: Vec<TenantKek>,
    /// Tenants whose keys are on their way out.
    shredded: HashSet<TenantId>,
    pub(crate) records: BTreeMap<RecordId, Reference>,
    /// Rows by table.
    pub(crate) tables: BTreeMap<String, u64>,
    table: Option<Table>,
}

#[derive(Deserialize)]
struct Head {
    table: String,
    columns: Vec<String>,
}

struct Table {
    name: String,
    place: HashMap<String, usize>,
}

/// A row that names a record cannot be read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl References {
    /// Takes note of some whole lines of a snapshot.
    pub(crate) fn take(&mut self, lines: &str) -> Result<(), Unreadable> {
        for line in lines.lines() {
            if line.starts_with('[') {
                self.row(line)?;
            } else if let Ok(head) = serde_json::from_str::<Head>(line) {
                self.tables.entry(head.table.clone()).or_default();
                let places = head.columns.into_iter().enumerate();
                self.table = Some(Table {
                    name: head.table,
                    place: places.map(|(place, column)| (column, place)).collect(),
                });
            }
        }
        Ok(())
    }

    /// Whether the key's destruction has begun: it may be there or not.
    pub(crate) fn may_be_gone(&self, kek: &TenantKek) -> bool {
        self.shredded.contains(&kek.tenant)
    }

    /// How many records of each kind.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for reference in self.records.values() {
            *counts.entry(reference.named.name().to_owned()).or_default() += 1;
        }
        counts.insert("tenant_kek".to_owned(), self.keks.len() as u64);
        counts
    }

    fn row(&mut self, line: &str) -> Result<(), Unreadable> {
        let Some(table) = &self.table else {
            return Err(Unreadable);
        };
        if let Some(rows) = self.tables.get_mut(&table.name) {
            *rows += 1;
        }
        if ![
            "tenants",
            "tenant_keks",
            "key_versions",
            "secret_versions",
            "import_keys",
        ]
        .contains(&table.name.as_str())
        {
            return Ok(());
        }
        let values: Vec<Value> = serde_json::from_str(line).map_err(|_| Unreadable)?;
        let row = Row { table, values };
        let (gone, column, named, may_be_gone) = match table.name.as_str() {
            "tenants" => {
                if row.text("state")? == TenantState::Shredded.name() {
                    self.shredded.insert(row.tenant("id")?);
                }
                return Ok(());
            }
            "tenant_keks" => {
                if !row.is_set("destroyed_at") {
                    self.keks.push(row.kek()?);
                }
                return Ok(());
            }
            "key_versions" => {
                let gone = row.is_set("destroyed_at") || row.text("provider")? != "native";
                let may_be_gone = row.value("destroying") == Some(&Value::Bool(true));
                (gone, "provider_key_id", Named::Material, may_be_gone)
            }
            "secret_versions" => {
                let may_be_gone = row.is_set("destroying_at");
                (false, "record_id", Named::Secret, may_be_gone)
            }
            _ => {
                let gone = row.is_set("destroyed_at");
                (gone, "provider_key_id", Named::ImportKey, false)
            }
        };
        // A key without a private half of ours, and one that is destroyed, have no record.
        if gone || !row.is_set("record_digest") {
            return Ok(());
        }
        let record: RecordId = row.text(column)?.parse().map_err(|_| Unreadable)?;
        let reference = Reference {
            digest: row.digest("record_digest")?,
            named,
            may_be_gone,
        };
        self.records.insert(record, reference);
        Ok(())
    }
}

struct Row<'a> {
    table: &'a Table,
    values: Vec<Value>,
}

impl Row<'_> {
    fn value(&self, column: &str) -> Option<&Value> {
        self.values.get(*self.table.place.get(column)?)
    }

    fn is_set(&self, column: &str) -> bool {
        self.value(column).is_some_and(|value| !value.is_null())
    }

    fn text(&self, column: &str) -> Result<&str, Unreadable> {
        self.value(column).and_then(Value::as_str).ok_or(Unreadable)
    }

    fn int(&self, column: &str) -> Result<i64, Unreadable> {
        self.value(column).and_then(Value::as_i64).ok_or(Unreadable)
    }

    fn digest(&self, column: &str) -> Result<Digest, Unreadable> {
        let bytes = STANDARD
            .decode(self.text(column)?)
            .map_err(|_| Unreadable)?;
        Digest::from_slice(&bytes).ok_or(Unreadable)
    }

    fn tenant(&self, column: &str) -> Result<TenantId, Unreadable> {
        let id = self.text(column)?.parse().map_err(|_| Unreadable)?;
        Ok(TenantId::from_uuid(id))
    }

    fn kek(&self) -> Result<TenantKek, Unreadable> {
        Ok(TenantKek {
            tenant: self.tenant("tenant_id")?,
            version: self.int("version")?,
            record: self.text("record_id")?.parse().map_err(|_| Unreadable)?,
            record_digest: self.digest("record_digest")?,
            created_at: Timestamp::from_micros(self.int("created_at")?),
            destroyed_at: None,
            etag: self.int("etag")?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_destroyed_or_elsewhere_needs_no_record() {
        let digest = STANDARD.encode([7; 32]);
        let id = |n: u8| format!("0193{n:02x}00-0000-7000-8000-000000000000");
        let row = |n: u8, provider: &str, destroyed: &str, digest: &str| {
            format!(
                "[\"{provider}\",{destroyed},false,\"{}\",{digest}]\n",
                id(n)
            )
        };
        let quoted = format!("\"{digest}\"");
        let lines = [
            "{\"snapshot\":1}\n".to_owned(),
            "{\"table\":\"key_versions\",\"columns\":[\"provider\",\"destroyed_at\",\
             \"destroying\",\"provider_key_id\",\"record_digest\"]}\n"
                .to_owned(),
            row(1, "native", "null", &quoted),
            row(2, "native", "5", &quoted),
            row(3, "aws-kms", "null", &quoted),
            row(4, "native", "null", "null"),
        ]
        .concat();
        let mut references = References::default();
        references.take(&lines).unwrap();
        let named: Vec<String> = references.records.keys().map(ToString::to_string).collect();
        assert_eq!(named, [id(1)]);
        assert_eq!(references.tables["key_versions"], 4);
    }
}
