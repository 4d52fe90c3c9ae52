//! Finding in the backups what is brought along: first which tenant, key or secret is meant, by the name
//! that it had at that second; then whom and what its rows name; then what it comes to. Each is one
//! passage through the backups, in memory that grows with what is wanted and not with what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use keyward_core::caller::TenantRef;
use keyward_core::change::WriteKind;
use keyward_core::ids::TenantId;
use keyward_core::noun::secret::SecretState;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::TenantState;
use keyward_core::ops::restore::Part;
use keyward_core::port::registry::KeyRef;
use keyward_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::facets::{Facets, Kind, Table};
use super::selection::{Gathering, Scope, Selection};
use super::{Companions, Found, Wanted};
use crate::manifest::Content;
use crate::reading::{Reading, unreadable};
use crate::restore::RestoreError;

/// What is told of a row: how it was written, or none for one of the snapshot.
type Take<'t> = &'t mut (dyn FnMut(&Facets, Option<WriteKind>) + Send);

#[derive(Deserialize)]
struct Head {
    table: String,
    columns: Vec<String>,
}

/// Chooses, and says what it comes to.
pub(super) async fn choose(
    reading: &Reading<'_>,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<(Selection, Companions), RestoreError> {
    let mut names = Names::new(wanted);
    scan(reading, &mut |row, kind| names.take(row, kind)).await?;
    let found = names.found()?;
    if found.is_shredded || reading.facts.is_shredded(found.tenant) {
        return Err(RestoreError::Gone {
            what: "the tenant was shredded",
        });
    }
    let mut gathering = Gathering::new(found.tenant, found.scope);
    let mut states: HashMap<Uuid, Option<String>> = HashMap::new();
    let mut take = |row: &Facets, kind: Option<WriteKind>| {
        gathering.take(row, kind == Some(WriteKind::Delete));
        if row.kind == Kind::KeyVersion && row.key == Some(found.id()) {
            states.insert(row.id, row.state.clone());
        }
    };
    scan(reading, &mut take).await?;
    let is_destroyed = |id: &Uuid| {
        let state = states.get(id).and_then(Option::as_deref);
        let of_then = state.is_some_and(|name| {
            let mut all = State::ALL.iter();
            all.any(|state| state.name() == name && state.is_destroyed())
        });
        of_then
            || reading
                .facts
                .is_destroyed(keyward_core::ids::VersionId::from_uuid(*id))
    };
    if matches!(found.scope, Scope::Key(_)) && gathering.versions().iter().all(is_destroyed) {
        return Err(RestoreError::Gone {
            what: "every version of the key was destroyed",
        });
    }
    let mut selection = gathering.finish();
    selection
        .records
        .extend(reading.facts.keks_of(found.tenant));
    let mut tally = Tally::new(&selection, now);
    scan(reading, &mut |row, kind| tally.take(row, kind)).await?;
    let companions = tally.told(reading, &found, names.tenant_name(found.tenant));
    Ok((selection, companions))
}

/// Goes through every row of the full backup and every change of a row up to the second that is wanted.
async fn scan(reading: &Reading<'_>, take: Take<'_>) -> Result<(), RestoreError> {
    let parts = reading.parts(reading.full);
    let mut table = None;
    for part in parts.of(Content::Registry) {
        let opened = reading.open(&parts, part).await?;
        let text = std::str::from_utf8(&opened).map_err(|_| unreadable(part))?;
        lines(text, &mut table, take).ok_or_else(|| unreadable(part))?;
    }
    let mut reached = reading.full.manifest.revision;
    for segment in &reading.segments {
        let parts = reading.parts(segment);
        for part in parts.of(Content::Changes) {
            for change in reading.changes(&parts, part).await? {
                // Segments may overlap.
                if change.revision <= reached || change.revision > reading.restored.0 {
                    continue;
                }
                reached = change.revision;
                for write in &change.writes {
                    take(&Facets::of_row(&write.row), Some(write.kind));
                }
            }
        }
    }
    Ok(())
}

/// Some whole lines of a snapshot.
fn lines(text: &str, table: &mut Option<Table>, take: Take<'_>) -> Option<()> {
    for line in text.lines() {
        if !line.starts_with('[') {
            if let Ok(head) = serde_json::from_str::<Head>(line) {
                *table = Some(Table::new(head.table, head.columns)?);
            }
            continue;
        }
        let table = table.as_ref()?;
        if table.kind == Kind::Noted {
            continue;
        }
        let values: Vec<Value> = serde_json::from_str(line).ok()?;
        take(&table.facets(&values)?, None);
    }
    Some(())
}

/// What has the names that were asked for, or had them.
struct Names<'a> {
    wanted: &'a Wanted,
    /// Name and state.
    tenants: HashMap<Uuid, (String, Option<String>)>,
    things: HashMap<Uuid, Thing>,
}

struct Thing {
    tenant: Option<TenantId>,
    name: String,
    state: Option<String>,
}

impl<'a> Names<'a> {
    fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            tenants: HashMap::new(),
            things: HashMap::new(),
        }
    }

    fn take(&mut self, row: &Facets, kind: Option<WriteKind>) {
        let is_deleted = kind == Some(WriteKind::Delete);
        let Some(name) = row.name.clone() else { return };
        match row.kind {
            Kind::Tenant if is_deleted => drop(self.tenants.remove(&row.id)),
            Kind::Tenant => {
                let is_known = self.tenants.contains_key(&row.id);
                if is_known || self.is_tenant(row.id, &name) {
                    self.tenants.insert(row.id, (name, row.state.clone()));
                }
            }
            Kind::Key | Kind::Secret if is_deleted => drop(self.things.remove(&row.id)),
            Kind::Key | Kind::Secret => {
                let is_known = self.things.contains_key(&row.id);
                if is_known || self.is_thing(row.kind, row.id, &name) {
                    let thing = Thing {
                        tenant: row.tenant,
                        name,
                        state: row.state.clone(),
                    };
                    self.things.insert(row.id, thing);
                }
            }
            _ => {}
        }
    }

    fn is_tenant(&self, id: Uuid, name: &str) -> bool {
        match &self.wanted.tenant {
            TenantRef::Id(wanted) => wanted.uuid() == id,
            TenantRef::Name(wanted) => wanted.as_str() == name,
            TenantRef::System => false,
        }
    }

    fn is_thing(&self, kind: Kind, id: Uuid, name: &str) -> bool {
        match (&self.wanted.part, kind) {
            (Part::Key(KeyRef::Id(wanted)), Kind::Key) => wanted.uuid() == id,
            (Part::Key(KeyRef::Name(wanted)), Kind::Key) => wanted.as_str() == name,
            (Part::Secret(wanted), Kind::Secret) => wanted.as_str() == name,
            _ => false,
        }
    }

    /// What is meant, by the names of that second.
    fn found(&self) -> Result<Found, RestoreError> {
        let not_there = |what| RestoreError::NotThere { what };
        let mut tenants = self.tenants.iter();
        let tenant = tenants.find(|(id, (name, _))| self.is_tenant(**id, name));
        let (id, (_, state)) = tenant.ok_or_else(|| not_there("tenant"))?;
        let tenant = TenantId::from_uuid(*id);
        let is_shredded = state.as_deref() == Some(TenantState::Shredded.name());
        let thing_of = |kind: Kind| {
            let mut things = self.things.iter();
            things.find(|(id, thing)| {
                thing.tenant == Some(tenant) && self.is_thing(kind, **id, &thing.name)
            })
        };
        let (scope, is_deleted) = match &self.wanted.part {
            Part::Tenant => (Scope::Whole, false),
            Part::Key(_) => {
                let (id, _) = thing_of(Kind::Key).ok_or_else(|| not_there("key"))?;
                (Scope::Key(*id), false)
            }
            Part::Secret(_) => {
                let found = thing_of(Kind::Secret).ok_or_else(|| not_there("secret"))?;
                let (id, thing) = found;
                let deleted = Some(SecretState::Deleted.name());
                (Scope::Secret(*id), thing.state.as_deref() == deleted)
            }
        };
        if is_deleted {
            return Err(not_there("secret"));
        }
        Ok(Found {
            tenant,
            scope,
            is_shredded,
        })
    }

    fn tenant_name(&self, tenant: TenantId) -> String {
        let found = self.tenants.get(&tenant.uuid());
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// What comes along, counted.
struct Tally<'a> {
    selection: &'a Selection,
    now: Timestamp,
    rows: BTreeMap<Kind, u64>,
    people: BTreeMap<Uuid, String>,
    disabled: BTreeSet<Uuid>,
    /// Tokens of the system's people that are neither over nor revoked.
    tokens: BTreeMap<Uuid, Uuid>,
}

impl<'a> Tally<'a> {
    const fn new(selection: &'a Selection, now: Timestamp) -> Self {
        Self {
            selection,
            now,
            rows: BTreeMap::new(),
            people: BTreeMap::new(),
            disabled: BTreeSet::new(),
            tokens: BTreeMap::new(),
        }
    }

    fn take(&mut self, row: &Facets, kind: Option<WriteKind>) {
        if !self.selection.keeps(row) {
            return;
        }
        let count = self.rows.entry(row.kind).or_default();
        match kind {
            None | Some(WriteKind::Insert) => *count += 1,
            Some(WriteKind::Delete) => *count = count.saturating_sub(1),
            Some(WriteKind::Update) => {}
        }
        match row.kind {
            Kind::Principal if row.tenant.is_none() => {
                self.people
                    .insert(row.id, row.name.clone().unwrap_or_default());
                if row.is_over {
                    self.disabled.insert(row.id);
                } else {
                    self.disabled.remove(&row.id);
                }
            }
            Kind::Token if row.tenant.is_none() => {
                let is_past = row.expires_at.is_some_and(|at| at <= self.now);
                if row.is_over || is_past {
                    self.tokens.remove(&row.id);
                } else {
                    self.tokens
                        .insert(row.id, row.principal.unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn told(self, reading: &Reading<'_>, found: &Found, tenant_name: String) -> Companions {
        let facts = &reading.facts;
        let usable = self.tokens.iter().filter(|(id, of)| {
            self.selection.is_holder(**of)
                && !self.disabled.contains(*of)
                && !facts.is_revoked(**id)
                && !facts.is_disabled(**of)
        });
        Companions {
            tenant: found.tenant,
            tenant_name,
            part: found.part(),
            usable_tokens: usable.count() as u64,
            rows: self
                .rows
                .into_iter()
                .map(|(kind, rows)| (kind.name(), rows))
                .collect(),
            records: self.selection.records.len() as u64,
            people: self.people.into_values().collect(),
            revision: reading.restored.0,
            committed_at: reading.restored.1,
        }
    }
}
