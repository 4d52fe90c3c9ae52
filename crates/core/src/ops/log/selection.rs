//! Which entries of the log somebody wants, gone through page by page: bounded in what a page has, and
//! in what is read for it.

use crate::audit::{AuditEvent, Journaled};
use crate::caller::TenantRef;
use crate::error::OpError;
use crate::ids::KeyId;
use crate::node::Node;
use crate::ops::gate::{Attempt, detail};
use crate::port::audit_log::TailQuery;
use crate::time::Timestamp;

/// How many entries a page looks at, whatever it finds.
const LOOKED_AT: u64 = 50_000;
/// How many are read at once.
const READ_AT_ONCE: usize = 1000;

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Entries after this sequence number; 0 from the beginning.
    pub after: u64,
    /// None after this one, and none after the last that is there now. Whoever goes through
    /// pages passes what the first one said, so that there is an end.
    pub to: Option<u64>,
    /// Entries at or after this instant only.
    pub since: Option<Timestamp>,
    /// Entries before this instant only.
    pub until: Option<Timestamp>,
    /// Entries of this key only: what was done to it, and what used it.
    pub key: Option<KeyId>,
    /// At most so many a page; it has fewer, or none, where few are wanted.
    pub limit: Option<usize>,
}

/// How far a page went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Went {
    /// Where the whole selection ends.
    pub(super) to: u64,
    /// What to pass as `after` for the next page; none if this was the last.
    pub(super) next_after: Option<u64>,
}

impl Selection {
    /// Visits the entries of a page: at most `most`, and no more than were asked for.
    pub(super) async fn page(
        &self,
        attempt: &Attempt<'_>,
        scope: Option<&TenantRef>,
        most: usize,
        mut visit: impl FnMut(Journaled) -> Result<(), OpError>,
    ) -> Result<Went, OpError> {
        let node = attempt.node;
        let allowed = super::query(attempt, scope, None, self.limit)?;
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(OpError::invalid("until", "must be after since"));
        }
        let end = last(node).await?;
        let to = self.to.map_or(end, |to| to.min(end));
        let limit = allowed.limit.min(most);
        let (mut visited, mut looked_at) = (0, self.after);
        // A tenant with few entries does not make one request read the whole journal.
        let stop_at = to.min(self.after.saturating_add(LOOKED_AT));
        while looked_at < stop_at && visited < limit {
            let query = TailQuery {
                tenant: None,
                after: Some(looked_at),
                limit: READ_AT_ONCE,
            };
            let found = node.ports.audit.tail(query).await?;
            let mut is_empty = true;
            for entry in found {
                if entry.sequence > stop_at || visited == limit {
                    break;
                }
                is_empty = false;
                looked_at = entry.sequence;
                let event = &entry.event;
                let is_allowed = allowed.tenant.is_none_or(|tenant| event.tenant == tenant);
                if is_allowed && self.wants(event) {
                    visited += 1;
                    visit(entry)?;
                }
            }
            if is_empty {
                // Numbers that a loss left behind, and nothing after them up to here.
                looked_at = stop_at;
            }
        }
        Ok(Went {
            to,
            next_after: (looked_at < to).then_some(looked_at),
        })
    }

    /// Says in the entry of a reading what was asked for.
    pub(super) fn tell(&self, event: &mut AuditEvent) {
        detail(event, "after", self.after);
        if let Some(key) = self.key {
            detail(event, "key", key.to_string());
        }
    }

    fn wants(&self, event: &AuditEvent) -> bool {
        self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
            && self.key.is_none_or(|key| is_of(event, key))
    }
}

/// Whether an entry is about a key, or about a use of it.
fn is_of(event: &AuditEvent, key: KeyId) -> bool {
    event.resource.id == Some(key.uuid()) || event.used.iter().any(|used| used.key == key)
}

/// The last entry that is durable.
async fn last(node: &Node) -> Result<u64, OpError> {
    let query = TailQuery {
        limit: 1,
        ..TailQuery::default()
    };
    let found = node.ports.audit.tail(query).await?;
    Ok(found.last().map_or(0, |entry| entry.sequence))
}
