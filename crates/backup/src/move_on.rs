//! Numbers of new key versions after a restore: moved on, since what was made after the backup may have
//! used the next ones.

use std::collections::{BTreeMap, HashSet};

use keyward_core::change::{Change, Row, Write};
use keyward_core::ids::{KeyId, TenantId};
use keyward_core::noun::key::Key;

use crate::restore::{Restoring, VERSIONS_SKIPPED};
use crate::restore_error::RestoreError;

/// Keys read and moved on at once.
const KEYS_PAGE: usize = 200;
/// Changes looked through at once.
const CHANGES_PAGE: usize = 1_000;
/// What the log calls the numbers that keys skip.
const SKIPPED: &str = "versions_skipped";

impl Restoring<'_> {
    /// Moves the numbers of new key versions on: what was made after the backup may have used the
    /// next ones, and no number may ever mean two keys.
    pub(crate) async fn move_on(&self) -> Result<u64, RestoreError> {
        if !self.target.skips_versions {
            return Ok(0);
        }
        let registry = &self.target.registry;
        let done = self.moved_on_already().await?;
        let (mut moved, mut after) = (done.len() as u64, None);
        loop {
            let page = registry.all_keys(after, KEYS_PAGE).await?;
            after = page.rows.last().map(|last| last.key.id);
            let mut by_tenant: BTreeMap<TenantId, Vec<Write>> = BTreeMap::new();
            for found in page.rows {
                let mut key: Key = found.key;
                if done.contains(&key.id) {
                    continue;
                }
                key.latest_version += VERSIONS_SKIPPED;
                key.etag += 1;
                let tenant = key.tenant;
                let write = Write::update(Row::Key(Box::new(key)));
                by_tenant.entry(tenant).or_default().push(write);
            }
            for (tenant, writes) in by_tenant {
                moved += writes.len() as u64;
                let told = (SKIPPED.to_owned(), VERSIONS_SKIPPED.into());
                registry
                    .commit(self.commit(Some(tenant), writes, [told]))
                    .await?;
            }
            if !page.more {
                return Ok(moved);
            }
        }
    }

    /// What an interrupted try has done of it.
    async fn moved_on_already(&self) -> Result<HashSet<KeyId>, RestoreError> {
        let mut done = HashSet::new();
        let mut after = self.restored.0;
        loop {
            let registry = &self.target.registry;
            let changes = registry.changes_after(after, CHANGES_PAGE).await?;
            let Some(last) = changes.last() else {
                return Ok(done);
            };
            after = last.revision;
            let moved = |change: &Change| change.event.details.contains_key(SKIPPED);
            let moved = changes.into_iter().filter(moved);
            for write in moved.flat_map(|change| change.writes) {
                if let Row::Key(key) = write.row {
                    done.insert(key.id);
                }
            }
        }
    }
}
