//! What is known of a tenant after the second that is restored: from the backup's later segments, and
//! from the deployment's own outbox.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::row::{LaterRow, LaterRows, tenant_of};
use crate::change::{Change, Row, WriteKind};
use crate::facts::Facts;
use crate::ids::{SecretId, TenantId, VersionId};
use crate::noun::action::Action;
use crate::noun::key::UseLimit;
use crate::noun::key_version::KeyVersion;
use crate::noun::state::State;
use crate::noun::tenant::TenantState;

/// What is known.
pub struct Later {
    tenant: TenantId,
    pub(super) facts: Facts,
    rows: LaterRows,
    secrets: BTreeMap<SecretId, i64>,
    /// Versions that were on hold in the end.
    on_hold: BTreeMap<VersionId, KeyVersion>,
    /// Whether the tenant was.
    is_suspended: bool,
    /// Versions with a limit that a restore from this backup brought back: an interrupted try's too.
    pub(super) returned: BTreeMap<VersionId, UseLimit>,
    backup: Uuid,
}

impl Later {
    /// Nothing yet.
    pub fn new(tenant: TenantId, backup: Uuid) -> Self {
        Self {
            tenant,
            facts: Facts::default(),
            rows: LaterRows::default(),
            secrets: BTreeMap::new(),
            on_hold: BTreeMap::new(),
            is_suspended: false,
            returned: BTreeMap::new(),
            backup,
        }
    }

    /// Takes note of a change after that second. The order of changes counts.
    pub fn take(&mut self, change: &Change) {
        let is_ours = |row: &Row| tenant_of(row) == Some(self.tenant);
        if !change.writes.iter().any(|write| is_ours(&write.row)) {
            return;
        }
        self.facts.take(change, true);
        let is_return = change.event.action == Action::BackupRestorePart
            && change.event.resource.id == Some(self.backup);
        let limit_of = |version: &KeyVersion| {
            change.writes.iter().find_map(|write| match &write.row {
                Row::Key(key) if key.id == version.key => key.restrictions.use_limit,
                _ => None,
            })
        };
        for write in &change.writes {
            self.rows.take(write);
            self.hold(&write.row);
            match &write.row {
                Row::Secret(it) => self.secret(it.id, it.latest_version),
                Row::SecretVersion(it) => self.secret(it.secret, it.version),
                Row::KeyVersion(it) if is_return && write.kind == WriteKind::Insert => {
                    self.returned
                        .extend(limit_of(it).map(|limit| (it.id, limit)));
                }
                _ => {}
            }
        }
    }

    fn hold(&mut self, row: &Row) {
        match row {
            Row::KeyVersion(it) if it.state == State::Inactive => {
                self.on_hold.insert(it.id, (**it).clone());
            }
            Row::KeyVersion(it) => {
                self.on_hold.remove(&it.id);
            }
            Row::Tenant(it) => self.is_suspended = it.state == TenantState::Suspended,
            _ => {}
        }
    }

    /// A version as it was put on hold since, if nobody resumed it.
    pub(super) fn on_hold(&self, version: VersionId) -> Option<KeyVersion> {
        self.on_hold.get(&version).cloned()
    }

    /// Whether the tenant was suspended since, and nobody resumed it.
    pub(super) const fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    fn secret(&mut self, id: SecretId, version: i64) {
        let latest = self.secrets.entry(id).or_default();
        *latest = (*latest).max(version);
    }

    /// The highest number that a version of this secret was given since.
    pub(super) fn latest_of(&self, secret: SecretId) -> i64 {
        self.secrets.get(&secret).copied().unwrap_or_default()
    }

    pub(super) fn of(&self, row: &Row) -> LaterRow {
        self.rows.of(row)
    }

    pub(super) fn is_shredded(&self) -> bool {
        let tenant = self.facts.tenants.get(&self.tenant);
        tenant.is_some_and(|tenant| tenant.state == TenantState::Shredded)
    }
}
