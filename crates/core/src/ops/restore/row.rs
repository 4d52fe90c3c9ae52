//! A row by itself: which it is, its version, and whether another says the same.

use std::collections::BTreeMap;

use crate::change::{Row, Write, WriteKind};
use crate::ids::TenantId;

/// Which row, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    table: &'static str,
    id: String,
}

/// What kind of row it is, as reports count it. None for what the server notes about itself: jobs,
/// conditions, strays, drills. They are no part of what a tenant has.
pub(super) const fn kind(row: &Row) -> Option<&'static str> {
    Some(match row {
        Row::Tenant(_) => "tenants",
        Row::TenantKek(_) => "tenant_keks",
        Row::Principal(_) => "principals",
        Row::Token(_) => "tokens",
        Row::Role(_) => "roles",
        Row::RoleAssignment(_) => "role_assignments",
        Row::Key(_) => "keys",
        Row::KeyVersion(_) => "key_versions",
        Row::Transition(_) => "transitions",
        Row::Policy(_) => "policies",
        Row::ClassPointer(_) => "class_pointers",
        Row::DataBinding(_) => "data_bindings",
        Row::ImportKey(_) => "import_keys",
        Row::Secret(_) => "secrets",
        Row::SecretVersion(_) => "secret_versions",
        Row::AuditRule(_) => "audit_rules",
        Row::Job(_)
        | Row::Condition(_)
        | Row::StrayRecord(_)
        | Row::Drill(_)
        | Row::Rotation(_) => return None,
    })
}

pub(super) fn identity(row: &Row) -> Option<Identity> {
    let table = kind(row)?;
    let id = match row {
        Row::Tenant(it) => it.id.to_string(),
        Row::TenantKek(it) => format!("{}/{}", it.tenant, it.version),
        Row::Principal(it) => it.id.to_string(),
        Row::Token(it) => it.id.to_string(),
        Row::Role(it) => it.id.to_string(),
        Row::RoleAssignment(it) => it.id.to_string(),
        Row::Key(it) => it.id.to_string(),
        Row::KeyVersion(it) => it.id.to_string(),
        Row::Transition(it) => it.id.to_string(),
        Row::Policy(it) => it.id.to_string(),
        Row::ClassPointer(it) => format!("{}/{}", it.tenant, it.class),
        Row::DataBinding(it) => it.id.to_string(),
        Row::ImportKey(it) => it.id.to_string(),
        Row::Secret(it) => it.id.to_string(),
        Row::SecretVersion(it) => it.id.to_string(),
        Row::AuditRule(it) => it.id.to_string(),
        Row::Job(_)
        | Row::Condition(_)
        | Row::StrayRecord(_)
        | Row::Drill(_)
        | Row::Rotation(_) => return None,
    };
    Some(Identity { table, id })
}

/// Where a row keeps its version. Transitions have none: they never change.
fn etag_mut(row: &mut Row) -> Option<&mut i64> {
    Some(match row {
        Row::Tenant(it) => &mut it.etag,
        Row::TenantKek(it) => &mut it.etag,
        Row::Principal(it) => &mut it.etag,
        Row::Token(it) => &mut it.etag,
        Row::Role(it) => &mut it.etag,
        Row::RoleAssignment(it) => &mut it.etag,
        Row::Key(it) => &mut it.etag,
        Row::KeyVersion(it) => &mut it.etag,
        Row::Policy(it) => &mut it.etag,
        Row::ClassPointer(it) => &mut it.etag,
        Row::DataBinding(it) => &mut it.etag,
        Row::Job(it) => &mut it.etag,
        Row::ImportKey(it) => &mut it.etag,
        Row::Secret(it) => &mut it.etag,
        Row::SecretVersion(it) => &mut it.etag,
        Row::Condition(it) => &mut it.etag,
        Row::StrayRecord(it) => &mut it.etag,
        Row::Drill(it) => &mut it.etag,
        Row::AuditRule(it) => &mut it.etag,
        Row::Rotation(it) => &mut it.etag,
        Row::Transition(_) => return None,
    })
}

pub(super) fn etag(row: &Row) -> i64 {
    etag_mut(&mut row.clone()).map_or(1, |etag| *etag)
}

pub(super) fn with_etag(mut row: Row, version: i64) -> Row {
    if let Some(etag) = etag_mut(&mut row) {
        *etag = version;
    }
    row
}

/// Whether both say the same, whatever their versions.
pub(super) fn says_the_same(left: &Row, right: &Row) -> bool {
    with_etag(left.clone(), 0) == with_etag(right.clone(), 0)
}

/// Whose a row is; none for the deployment's.
pub(super) const fn tenant_of(row: &Row) -> Option<TenantId> {
    match row {
        Row::Tenant(it) => Some(it.id),
        Row::TenantKek(it) => Some(it.tenant),
        Row::Principal(it) => it.tenant,
        Row::Token(it) => it.tenant,
        Row::Role(it) => it.tenant,
        Row::RoleAssignment(it) => it.tenant,
        Row::Key(it) => Some(it.tenant),
        Row::KeyVersion(it) => Some(it.tenant),
        Row::Transition(it) => Some(it.tenant),
        Row::Policy(it) => Some(it.tenant),
        Row::ClassPointer(it) => Some(it.tenant),
        Row::DataBinding(it) => Some(it.tenant),
        Row::Job(it) => it.tenant,
        Row::ImportKey(it) => Some(it.tenant),
        Row::Secret(it) => it.tenant,
        Row::SecretVersion(it) => it.tenant,
        Row::Condition(it) => it.tenant,
        Row::AuditRule(it) => it.tenant,
        Row::Rotation(it) => Some(it.tenant),
        Row::StrayRecord(_) | Row::Drill(_) => None,
    }
}

/// What became of rows after the second that is restored.
#[derive(Default)]
pub(super) struct LaterRows(BTreeMap<Identity, LaterRow>);

/// What became of one of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LaterRow {
    /// The highest version that it had.
    pub(super) etag: i64,
    /// Whether an order took it away, and none brought it back.
    pub(super) is_deleted: bool,
}

impl LaterRows {
    pub(super) fn take(&mut self, write: &Write) {
        let Some(identity) = identity(&write.row) else {
            return;
        };
        let later = self.0.entry(identity).or_default();
        later.etag = later.etag.max(etag(&write.row));
        later.is_deleted = write.kind == WriteKind::Delete;
    }

    pub(super) fn of(&self, row: &Row) -> LaterRow {
        let found = identity(row).and_then(|it| self.0.get(&it).copied());
        found.unwrap_or_default()
    }
}
