//! One address stands in the log as many texts: searched for one after the other, and put together. No entry
//! has two of them.

use crate::error::OpError;
use crate::port::audit_search::{
    AuditSearch, Count, CountQuery, Counts, SearchFilter, SearchPage, SearchQuery,
};

/// A page of the entries that any of the filters wants.
pub(super) async fn search(
    port: &dyn AuditSearch,
    filters: Vec<SearchFilter>,
    before: Option<u64>,
    limit: usize,
) -> Result<SearchPage, OpError> {
    let mut pages = Vec::with_capacity(filters.len());
    for filter in filters {
        let query = SearchQuery {
            filter,
            before,
            limit,
        };
        pages.push(port.search(query).await?);
    }
    Ok(together(pages, limit))
}

/// What all pages have looked at; beyond that one of them may lack what another has.
fn together(pages: Vec<SearchPage>, limit: usize) -> SearchPage {
    let mut next_before = pages.iter().filter_map(|page| page.next_before).max();
    let mut entries: Vec<_> = pages.into_iter().flat_map(|page| page.entries).collect();
    entries.retain(|entry| next_before.is_none_or(|to| entry.sequence >= to));
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.sequence));
    if entries.len() > limit {
        entries.truncate(limit);
        next_before = entries.last().map(|last| last.sequence);
    }
    SearchPage {
        entries,
        next_before,
    }
}

/// How many entries any of the filters wants. More than one filter is counted to the end: what is left of
/// several is no one number.
pub(super) async fn counts(
    port: &dyn AuditSearch,
    filters: Vec<SearchFilter>,
    query: impl Fn(SearchFilter) -> CountQuery,
) -> Result<Counts, OpError> {
    let is_one = filters.len() == 1;
    let mut all: Vec<Count> = Vec::new();
    for filter in filters {
        let mut asked = query(filter);
        loop {
            let found = port.counts(asked.clone()).await?;
            if is_one {
                return Ok(found);
            }
            all.extend(found.counts);
            if found.next_before.is_none() {
                break;
            }
            asked.before = found.next_before;
        }
    }
    all.sort_unstable();
    all.dedup_by(|later, kept| {
        let is_same = (later.from, &later.value) == (kept.from, &kept.value);
        if is_same {
            kept.entries += later.entries;
        }
        is_same
    });
    Ok(Counts {
        counts: all,
        next_before: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::audit::{Actor, AuditEvent, Journaled, Outcome, Resource};
    use crate::names::CorrelationId;
    use crate::noun::action::Action;
    use crate::time::Timestamp;

    fn page(sequences: &[u64], next_before: Option<u64>) -> SearchPage {
        let entry = |sequence: &u64| Journaled {
            as_logged: None,
            sequence: *sequence,
            event: AuditEvent {
                time: Timestamp::from_micros(0),
                node: "node-a".into(),
                tenant: None,
                actor: Actor::system(),
                action: Action::KeyEncrypt,
                resource: Resource::default(),
                outcome: Outcome::Ok,
                reason: None,
                correlation_id: CorrelationId::new("req").unwrap(),
                details: std::collections::BTreeMap::new(),
                used: Vec::new(),
                revision: None,
                change: None,
                signature: None,
                leaf: crate::audit::LeafMark::default(),
            },
        };
        SearchPage {
            entries: sequences.iter().map(entry).collect(),
            next_before,
        }
    }

    fn sequences(page: &SearchPage) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.sequence).collect()
    }

    #[test]
    fn pages_are_put_together_in_order_and_none_is_left_out_between_them() {
        // The second has looked down to 5 only: what the first has below it comes with the next page.
        let both = together(vec![page(&[9, 3], Some(3)), page(&[8, 5], Some(5))], 10);
        assert_eq!(
            (sequences(&both), both.next_before),
            (vec![9, 8, 5], Some(5))
        );
        let most = together(vec![page(&[9, 3], None), page(&[8, 5], None)], 3);
        assert_eq!(
            (sequences(&most), most.next_before),
            (vec![9, 8, 5], Some(5))
        );
        let all = together(vec![page(&[9], None), page(&[8], None)], 3);
        assert_eq!((sequences(&all), all.next_before), (vec![9, 8], None));
    }
}
