//! The dates that a policy will have, and which keys each of them touches: what a calendar means, before it does it.

use std::collections::BTreeMap;

use super::{due, plan};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::names::{KeyName, PolicyName};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::policy::Policy;
use crate::ops::gate::{Attempt, resource};
use crate::ops::policy;
use crate::port::registry::{KeyCursor, KeyFilter, KeySort, KeySummary, Registry};
use crate::rotation::Moved;
use crate::time::Timestamp;

/// At most so many dates are foretold.
pub const PREVIEW_MAX: usize = 100;
/// So many if nobody says.
const PREVIEW_USUAL: usize = 20;
/// So many keys are named at each date; they are counted beyond.
const NAMED_MAX: usize = 100;
/// So many dates of single keys are computed for one answer. Each takes some tens of microseconds.
const STEPS_MAX: usize = 20_000;
/// Keys read at once.
const PAGE: usize = 500;

/// A date of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewDate {
    /// By the calendar alone.
    pub planned: Timestamp,
    /// When its first key is rotated.
    pub from: Timestamp,
    /// When its last key is.
    pub until: Timestamp,
    /// The kind of window that moved it.
    pub moved_by: Option<Moved>,
    /// So many keys are.
    pub key_count: usize,
    /// The first of them, by when they were made.
    pub keys: Vec<KeyName>,
}

/// What a policy will do, if nothing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The policy. If it is not active, this is what it would do.
    pub policy: Policy,
    /// Its dates, the next first. Before the present: what is overdue.
    pub dates: Vec<PreviewDate>,
    /// So many keys were looked at.
    pub key_count: usize,
    /// Whether it has more keys than were looked at.
    pub more_keys: bool,
    /// Keys that follow it and are not rotated by themselves.
    pub hindered: usize,
}

/// Foretells the next dates of a policy, 1 to 100, and the keys of each. A key is rotated at every date that is
/// planned after its last rotation was done, as the scheduler does it.
pub async fn preview(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    name: &PolicyName,
    count: Option<usize>,
) -> Result<Preview, OpError> {
    let action = Action::RotationRead;
    let named = resource("policy", None, Some(name.as_str()));
    Attempt::new(node, caller, action, node.tenant_id(tenant), named)
        .read(async {
            let (found, _) = node.authorize_tenant(caller, action, tenant)?;
            let count = count.unwrap_or(PREVIEW_USUAL);
            if !(1..=PREVIEW_MAX).contains(&count) {
                return Err(OpError::invalid("count", "must be 1 to 100"));
            }
            let policy = policy::find(node, found.id, name).await?;
            let mut teller = Teller {
                now: node.now(),
                policy: &policy,
                count,
                left: STEPS_MAX,
                key_count: 0,
                hindered: 0,
                dates: BTreeMap::new(),
            };
            teller.calendar()?;
            let more_keys = teller.keys(&**node.texts.stored()).await?;
            let Teller {
                dates,
                key_count,
                hindered,
                ..
            } = teller;
            Ok(Preview {
                dates: dates.into_values().take(count).collect(),
                policy,
                key_count,
                more_keys,
                hindered,
            })
        })
        .await
}

struct Teller<'a> {
    now: Timestamp,
    policy: &'a Policy,
    count: usize,
    /// Steps that may still be computed.
    left: usize,
    key_count: usize,
    hindered: usize,
    dates: BTreeMap<Timestamp, PreviewDate>,
}

impl Teller<'_> {
    /// The dates of the calendar itself, which it has without any key too.
    fn calendar(&mut self) -> Result<(), OpError> {
        let Some(schedule) = &self.policy.schedule else {
            return Ok(());
        };
        for due in schedule.dates(self.policy.created_at, self.now, self.count)? {
            let date = PreviewDate {
                planned: due.planned,
                from: due.at,
                until: due.at,
                moved_by: due.moved_by,
                key_count: 0,
                keys: Vec::new(),
            };
            self.dates.insert(due.planned, date);
        }
        Ok(())
    }

    /// Adds the keys to their dates. Whether there are more than could be looked at.
    async fn keys(&mut self, registry: &dyn Registry) -> Result<bool, OpError> {
        let filter = KeyFilter {
            rotation_policy: Some(self.policy.id),
            ..KeyFilter::default()
        };
        let (tenant, sort) = (self.policy.tenant, KeySort::CreatedAt);
        let mut after: Option<KeyCursor> = None;
        loop {
            let page = registry
                .search_keys(tenant, &filter, sort, after.as_ref(), PAGE)
                .await?;
            for summary in &page.rows {
                if due::hindrance(&summary.key, &summary.primary, self.now).is_some() {
                    self.hindered += 1;
                    continue;
                }
                if self.left == 0 {
                    return Ok(true);
                }
                if let Some(last) = plan::last_rotation(registry, summary).await? {
                    self.key_count += 1;
                    self.key(summary, last)?;
                }
            }
            after = page.rows.last().map(|summary| KeyCursor {
                sort_value: summary.key.created_at.as_micros().to_string(),
                id: summary.key.id,
            });
            if !page.more {
                return Ok(false);
            }
        }
    }

    fn key(&mut self, summary: &KeySummary, mut last: Timestamp) -> Result<(), OpError> {
        for _ in 0..self.count {
            self.left = self.left.saturating_sub(1);
            let Some(date) = due::next(self.policy, summary.key.id, last)? else {
                return Ok(());
            };
            // What is overdue is done now, or when the windows open.
            last = if date.at > self.now {
                date.at
            } else {
                due::opens_at(self.policy, self.now)?
            };
            self.add(date.planned, last, summary);
        }
        Ok(())
    }

    fn add(&mut self, planned: Timestamp, at: Timestamp, summary: &KeySummary) {
        let date = self.dates.entry(planned).or_insert_with(|| PreviewDate {
            planned,
            from: at,
            until: at,
            moved_by: None,
            key_count: 0,
            keys: Vec::new(),
        });
        if date.key_count == 0 {
            (date.from, date.until) = (at, at);
        }
        date.from = date.from.min(at);
        date.until = date.until.max(at);
        date.key_count += 1;
        if date.keys.len() < NAMED_MAX {
            date.keys.push(summary.key.name.clone());
        }
    }
}
