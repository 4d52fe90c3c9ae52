//! Which of the trees an entry belongs to.

use keyward_core::audit::AuditEvent;
use keyward_core::ids::TenantId;
use keyward_core::noun::action::Action;
pub use keyward_core::port::transparency::Tree;
use keyward_ledger::Hash;
use serde::Deserialize;
use uuid::Uuid;

use crate::trees::Heads;

/// What of an entry says where it belongs.
#[derive(Deserialize)]
struct Marks<'a> {
    #[serde(borrow)]
    action: &'a str,
    change: Option<i64>,
    tenant: Option<Uuid>,
}

#[derive(Deserialize)]
struct OfHeads<'a> {
    #[serde(borrow)]
    details: HeadsDetails<'a>,
}

#[derive(Deserialize)]
struct HeadsDetails<'a> {
    log: Uuid,
    through: u64,
    trees: u64,
    root: &'a str,
}

/// Where an entry belongs.
#[derive(Clone, Copy)]
pub(super) enum Belongs {
    /// To this tree.
    To(Tree),
    /// To the system's tree, and it is one of heads.
    Heads(Heads),
}

/// Where an entry belongs; none if it is no entry.
pub(super) fn of(entry: &[u8]) -> Option<Belongs> {
    let marks: Marks<'_> = serde_json::from_slice(entry).ok()?;
    let tree = match marks.tenant.map(TenantId::from_uuid) {
        Some(tenant) if marks.change.is_some() => Tree::Changes(tenant),
        Some(tenant) => Tree::Operations(tenant),
        None if marks.action == Action::AuditHeads.name() => {
            return heads_in(entry).map(Belongs::Heads);
        }
        None => Tree::System,
    };
    Some(Belongs::To(tree))
}

/// Which tree an entry belongs to; none if it is no entry.
pub(crate) fn of_entry(entry: &[u8]) -> Option<Tree> {
    Some(match of(entry)? {
        Belongs::To(tree) => tree,
        Belongs::Heads(_) => Tree::System,
    })
}

/// The same of an entry that is not written yet.
pub(crate) fn of_event(event: &AuditEvent) -> Tree {
    match event.tenant {
        Some(tenant) if event.change.is_some() => Tree::Changes(tenant),
        Some(tenant) => Tree::Operations(tenant),
        None => Tree::System,
    }
}

/// What an entry of heads says; none if it is none.
pub(super) fn heads_in(entry: &[u8]) -> Option<Heads> {
    let marks: Marks<'_> = serde_json::from_slice(entry).ok()?;
    let OfHeads { details } = serde_json::from_slice(entry).ok()?;
    let root: Hash = details.root.parse().ok()?;
    (marks.action == Action::AuditHeads.name() && marks.tenant.is_none()).then_some(Heads {
        log: details.log,
        through: details.through,
        trees: details.trees,
        root,
    })
}
