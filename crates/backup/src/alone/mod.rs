//! One tenant, one key or one secret into an empty place: a deployment of its own history, with the
//! system's own rows that it takes to use it, and nothing of any other tenant. What is left out passes
//! through memory only: it never reaches the registry, the vault, the feed or the log of that place.
//!
//! | file | what |
//! |---|---|
//! | `facets` | what has to be known of a row |
//! | `selection` | which rows and records are brought along |
//! | `choosing` | finding them in the backups, and what it comes to |
//! | `lines` | the registry's snapshot without the others |

mod choosing;
mod facets;
mod lines;
mod selection;

use std::collections::BTreeMap;

use keyward_core::caller::TenantRef;
use keyward_core::change::{Row, Write};
use keyward_core::ids::TenantId;
use keyward_core::ops::restore::Part;
use keyward_core::port::snapshot::{Outbox, SelectedChange};
use keyward_core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::parts::RegistryLines;
use crate::reading::Reading;
use crate::restore::{RestoreError, RestoreOutcome, Restoring, Source, Target, restore_what};
use crate::sealing::Identities;

use self::lines::{Belt, SelectedLines};
use self::selection::Scope;
pub(crate) use self::selection::Selection;

/// What is wanted of a backup, alone.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose.
    pub tenant: TenantRef,
    /// What of it.
    pub part: Part,
    /// Why; the log of the deployment that begins keeps it.
    pub reason: Option<String>,
}

/// What comes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Companions {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// What of it: `tenant`, `key` or `secret`.
    pub part: &'static str,
    /// Rows of each kind at that second.
    pub rows: BTreeMap<&'static str, u64>,
    /// Sealed records that these rows name.
    pub records: u64,
    /// The system's own people who come along.
    pub people: Vec<String>,
    /// Tokens of theirs that can be used: without one nobody can administer it.
    pub usable_tokens: u64,
    /// The revision of that second.
    pub revision: i64,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Says what would come into an empty place. Writes nothing.
pub async fn plan_alone(
    source: &Source<'_>,
    identities: &Identities,
    now: Timestamp,
    wanted: &Wanted,
) -> Result<Companions, RestoreError> {
    let mut reading = Reading::new(source, identities)?;
    reading.learn().await?;
    reading.select(wanted, now).await
}

/// Restores it into an empty registry and an empty vault.
pub async fn restore_alone(
    source: &Source<'_>,
    identities: &Identities,
    target: &Target,
    wanted: &Wanted,
) -> Result<(RestoreOutcome, Companions), RestoreError> {
    let mut restoring = Restoring::new(source, identities, target)?;
    restoring.learn().await?;
    // Before anything is written: what is refused changes nothing.
    let companions = restoring.select(wanted, target.clock.now()).await?;
    restoring.claim().await?;
    let outcome = restore_what(&restoring).await?;
    Ok((outcome, companions))
}

impl Reading<'_> {
    /// Decides what is brought along.
    async fn select(
        &mut self,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Companions, RestoreError> {
        let (selection, companions) = choosing::choose(self, wanted, now).await?;
        self.facts.leave_others(selection.tenant);
        self.selection = Some(selection);
        self.reason.clone_from(&wanted.reason);
        Ok(companions)
    }
}

impl Restoring<'_> {
    /// Fills the registry with what is brought along.
    pub(crate) async fn import_selected(
        &self,
        lines: &mut RegistryLines<'_>,
        selection: &Selection,
    ) -> Result<(), keyward_core::port::snapshot::SnapshotError> {
        let belt = Belt::default();
        let mut sink = belt.clone();
        let mut selected = SelectedLines::begin(lines, &belt, &mut sink, selection).await?;
        self.target.snapshot.import(&mut selected).await?;
        Ok(())
    }

    /// Brings along, of one key alone, the classes by which it is looked up. Done again it does nothing.
    pub(crate) async fn point_classes(&self) -> Result<(), RestoreError> {
        let Some(selection) = &self.selection else {
            return Ok(());
        };
        let registry = &self.target.registry;
        let (tenant, mut writes) = (selection.tenant, Vec::new());
        for pointer in selection.class_pointers() {
            if registry
                .class_pointer(tenant, &pointer.class)
                .await?
                .is_none()
            {
                writes.push(Write::insert(Row::ClassPointer(pointer)));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let told = ("classes".to_owned(), writes.len().into());
        registry
            .commit(self.commit(Some(tenant), writes, [told]))
            .await?;
        Ok(())
    }
}

impl Selection {
    /// What of a change is brought along.
    pub(crate) fn change(&self, mut change: keyward_core::change::Change) -> SelectedChange {
        change.writes = self.writes(change.writes);
        let outbox = match change.tenant {
            Some(of) if of != self.tenant => Outbox::PassedOver,
            Some(_) if self.scope == Scope::Whole => Outbox::Kept,
            _ => Outbox::Counted,
        };
        SelectedChange { change, outbox }
    }

    /// Whether a sealed object of the vault belongs to what is brought along.
    pub(crate) fn has_record(&self, record: Option<keyward_core::ids::RecordId>) -> bool {
        record.is_some_and(|record| self.records.contains(&record))
    }
}

/// What is asked for, by the id that it had at that second.
#[derive(Clone, Copy, Debug)]
struct Found {
    tenant: TenantId,
    scope: Scope,
    is_shredded: bool,
}

impl Found {
    const fn part(&self) -> &'static str {
        match self.scope {
            Scope::Whole => "tenant",
            Scope::Key(_) => "key",
            Scope::Secret(_) => "secret",
        }
    }

    fn id(&self) -> Uuid {
        match self.scope {
            Scope::Whole => self.tenant.uuid(),
            Scope::Key(id) | Scope::Secret(id) => id,
        }
    }
}
