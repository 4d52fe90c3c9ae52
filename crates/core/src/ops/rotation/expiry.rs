//! Keys that come to the end of their cryptoperiod, said in time: thirty days, seven days and a day before, and for
//! thirty days after. Whether a key has expired is decided at each use and not here; nothing waits for this look.

use std::collections::BTreeSet;

use super::{due, plan};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::node::Node;
use crate::noun::condition::{ConditionKind, Severity, Subject};
use crate::noun::policy::Policy;
use crate::noun::state::State;
use crate::noun::tenant::TenantState;
use crate::ops::condition;
use crate::port::registry::{KeyCursor, KeyFilter, KeySort, KeySummary, Registry};
use crate::time::Timestamp;

const DAY_SECONDS: i64 = 86_400;
/// How long before its end a key is spoken of, and how bad that is then: the worst that has come.
const DISTANCES: [(i64, Severity); 3] = [
    (DAY_SECONDS, Severity::Critical),
    (7 * DAY_SECONDS, Severity::Warning),
    (30 * DAY_SECONDS, Severity::Info),
];
/// And for how long after it. Who did nothing by then wants it so.
const AFTER_SECONDS: i64 = 30 * DAY_SECONDS;
/// How often all keys are looked through.
const EVERY_SECONDS: i64 = 3_600;
/// Rows read at once.
const PAGE: usize = 500;
/// So many keys of a tenant are spoken of one by one; of the others, how many they are.
const NAMED_MAX: usize = 100;

/// Says which keys expire soon, and takes back what is not so any more. All keys are looked through once an hour; those
/// of which something was said, at each look.
pub(super) async fn look(node: &Node) -> Result<(), OpError> {
    let now = node.now();
    let looked_at = node.rotation.look().expiry_looked_at;
    let whole = looked_at.is_none_or(|at| now.seconds_since(at) >= EVERY_SECONDS);
    let registry: &dyn Registry = &**node.texts.stored();
    let open = condition::open_of(node, &ConditionKind::KEY_EXPIRY);
    if !whole && open.is_empty() {
        return Ok(());
    }
    let mut search = Search {
        node,
        registry,
        now,
        said: BTreeSet::new(),
    };
    // Those of which something was said are among all: there are few tenants in which any key ends soon.
    search.everybody().await?;
    for subject in open {
        if !search.said.contains(&subject) {
            condition::clear(node, ConditionKind::KEY_EXPIRY, &subject).await;
        }
    }
    node.rotation.look().expiry_looked_at = Some(now);
    Ok(())
}

struct Search<'a> {
    node: &'a Node,
    registry: &'a dyn Registry,
    now: Timestamp,
    said: BTreeSet<Subject>,
}

impl Search<'_> {
    async fn everybody(&mut self) -> Result<(), OpError> {
        let mut after = None;
        loop {
            let page = self.registry.tenants(after.as_ref(), PAGE).await?;
            for tenant in &page.rows {
                if tenant.state == TenantState::Active {
                    self.tenant(tenant.id).await?;
                }
            }
            after = page.rows.last().map(|tenant| tenant.name.clone());
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn tenant(&mut self, tenant: TenantId) -> Result<(), OpError> {
        let farthest = DISTANCES.iter().map(|(seconds, _)| *seconds).max();
        let filter = KeyFilter {
            expires_before: Some(self.now.plus_seconds(farthest.unwrap_or(0))),
            ..KeyFilter::default()
        };
        let mut policies: Option<Vec<Policy>> = None;
        let mut ending: Vec<(Subject, Severity, String)> = Vec::new();
        let mut others: Option<(usize, Severity)> = None;
        let mut after: Option<KeyCursor> = None;
        loop {
            let sort = KeySort::CreatedAt;
            let page = self
                .registry
                .search_keys(tenant, &filter, sort, after.as_ref(), PAGE)
                .await?;
            if !page.rows.is_empty() && policies.is_none() {
                policies = Some(plan::policies(self.registry, tenant).await?);
            }
            for summary in &page.rows {
                let known = policies.as_deref().unwrap_or_default();
                let Some(found) = self.key(summary, known).await? else {
                    continue;
                };
                if ending.len() < NAMED_MAX {
                    ending.push(found);
                } else {
                    let (count, worst) = others.unwrap_or((0, Severity::Info));
                    others = Some((count + 1, worst.max(found.1)));
                }
            }
            after = page.rows.last().map(|summary| KeyCursor {
                sort_value: summary.key.created_at.as_micros().to_string(),
                id: summary.key.id,
            });
            if !page.more {
                break;
            }
        }
        ending.extend(others.map(|(count, severity)| {
            let text = format!(
                "{count} more keys expire soon, or have, and no policy rotates them before"
            );
            (Subject::of_tenant(tenant, "keys"), severity, text)
        }));
        for (subject, severity, text) in ending {
            let kind = ConditionKind::KEY_EXPIRY;
            condition::raise(self.node, kind, &subject, severity, &text).await;
            self.said.insert(subject);
        }
        Ok(())
    }

    /// What is to be said of a key.
    async fn key(
        &self,
        summary: &KeySummary,
        policies: &[Policy],
    ) -> Result<Option<(Subject, Severity, String)>, OpError> {
        let Some(end) = summary.primary.expires_at else {
            return Ok(None);
        };
        let state = summary.primary.state_at(self.now);
        let Some((severity, text)) = verdict(state, end, self.now) else {
            return Ok(None);
        };
        if self.is_rotated_before(summary, policies, end).await? {
            return Ok(None);
        }
        let key = &summary.key;
        let subject = Subject::of_tenant(key.tenant, &format!("key {}", key.id));
        Ok(Some((subject, severity, text)))
    }

    /// Whether its policy gives the key a new version in time.
    async fn is_rotated_before(
        &self,
        summary: &KeySummary,
        policies: &[Policy],
        end: Timestamp,
    ) -> Result<bool, OpError> {
        let key = &summary.key;
        let Some(policy) = due::effective(key, policies) else {
            return Ok(false);
        };
        let hindered = due::hindrance(key, &summary.primary, self.now);
        if hindered.or(due::stopped(policy)).is_some() {
            return Ok(false);
        }
        let Some(last) = plan::last_rotation(self.registry, summary).await? else {
            return Ok(false);
        };
        let date = due::next(policy, key.id, last).unwrap_or(None);
        // What is overdue may fail again and again: it is rotated when it is.
        Ok(date.is_some_and(|date| date.at > self.now && date.at < end))
    }
}

/// What is to be said of a primary version in this state that ends then.
fn verdict(state: State, end: Timestamp, now: Timestamp) -> Option<(Severity, String)> {
    let left = end.seconds_since(now);
    match state {
        State::Active | State::Inactive | State::Pending => {
            let mut distances = DISTANCES.iter();
            let (_, severity) = distances.find(|(seconds, _)| left <= *seconds)?;
            let text = format!(
                "its primary version expires at {end} and then protects nothing more, and no policy rotates it before: \
                 renew it, rotate it, or let it end"
            );
            Some((*severity, text))
        }
        State::Expired if left > -AFTER_SECONDS => {
            let text =
                format!("its primary version has expired at {end} and protects nothing more");
            Some((Severity::Critical, text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_end_the_worse() {
        let now = Timestamp::from_micros(0);
        let at = |days: i64| now.plus_seconds(days * DAY_SECONDS);
        let severity = |state, end| verdict(state, end, now).map(|(severity, _)| severity);
        for (days, expected) in [
            (31, None),
            (30, Some(Severity::Info)),
            (8, Some(Severity::Info)),
            (7, Some(Severity::Warning)),
            (2, Some(Severity::Warning)),
            (1, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(State::Active, at(days)), expected, "{days}");
        }
        assert_eq!(severity(State::Expired, at(-29)), Some(Severity::Critical));
        assert_eq!(severity(State::Expired, at(-30)), None);
        for state in [State::Rotated, State::Compromised, State::Destroyed] {
            assert_eq!(severity(state, at(1)), None);
        }
    }
}
