//! Whatever is asked of whatever entries: the index answers as reading all of them would.

use std::collections::BTreeMap;

use keyward_audit::index::AuditIndex;
use keyward_core::port::audit_log::AuditLog;
use keyward_core::port::audit_search::{
    CountBy, CountEvery, CountQuery, SearchFilter, SearchQuery,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::damage::entries;
use crate::naive;
use crate::stage::{Plain, Stage, event, filter, grow, plain, search, tenant};

type Sums = BTreeMap<(Option<String>, Option<String>), u64>;

/// All counts, those of further requests added.
pub fn counts(index: &AuditIndex, filter: &SearchFilter, by: CountBy, every: CountEvery) -> Sums {
    counts_before(index, filter, by, every, None)
}

fn counts_before(
    index: &AuditIndex,
    filter: &SearchFilter,
    by: CountBy,
    every: CountEvery,
    mut before: Option<u64>,
) -> Sums {
    let mut sums = BTreeMap::new();
    loop {
        let found = index
            .counts(&CountQuery {
                filter: filter.clone(),
                by,
                every,
                before,
            })
            .unwrap();
        for count in found.counts {
            let from = count.from.map(|from| from.to_string());
            *sums.entry((from, count.value)).or_insert(0) += count.entries;
        }
        match found.next_before {
            Some(next) => before = Some(next),
            None => return sums,
        }
    }
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(story);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_index_answers_as_reading_everything_would(
        first in vec(plain(), 0..90),
        then in vec(plain(), 0..40),
        filters in vec(filter(), 1..6),
        size in prop::sample::select(vec![5_u32, 16, 64, 65_536]),
        limit in 1..20_usize,
        steps in 0..6_usize,
        restarts in any::<bool>(),
        by in prop::sample::select(CountBy::ALL),
        every in prop::sample::select(CountEvery::ALL),
        cut in 0..130_u64,
        work in prop::sample::select(vec![1_u64, 9, 30, 300_000]),
    ) {
        run(async {
            let mut stage = Stage::new();
            let mut index = stage.index(size).bounded(work);
            stage.log(&first).await;
            for _ in 0..steps {
                index.grow().unwrap();
            }
            if restarts {
                drop(index);
                stage = stage.reopened().await;
                index = stage.index(size).bounded(work);
                index.grow().unwrap();
            }
            // These are in no block yet.
            stage.log(&then).await;
            let all = stage.all().await;
            for filter in &filters {
                let expected = naive::search(&all, filter);
                assert_eq!(search(&index, filter, limit), expected, "{filter:?}");
                let expected = naive::counts(&all, filter, by, every);
                assert_eq!(counts(&index, filter, by, every), expected, "{filter:?}");
            }
            grow(&index);
            for filter in &filters {
                let expected = naive::search(&all, filter);
                assert_eq!(search(&index, filter, limit), expected, "{filter:?}");
                let expected = naive::counts(&all, filter, by, every);
                assert_eq!(counts(&index, filter, by, every), expected, "{filter:?}");
                // From the middle of a block.
                let older: Vec<_> = all.iter().filter(|it| it.sequence < cut).cloned().collect();
                let expected = naive::counts(&older, filter, by, every);
                let counted = counts_before(&index, filter, by, every, Some(cut));
                assert_eq!(counted, expected, "{filter:?} before {cut}");
            }
        });
    }

    #[test]
    fn i05_no_cursor_and_no_count_of_a_tenant_reaches_anothers_entries(
        entries in vec(plain(), 1..80),
        mut filter in filter(),
        before in 0..120_u64,
        by in prop::sample::select(CountBy::ALL),
    ) {
        run(async {
            let stage = Stage::new();
            stage.log(&entries).await;
            let index = stage.index(16);
            grow(&index);
            filter.tenant = Some(Some(tenant(1)));
            let query = SearchQuery { filter: filter.clone(), before: Some(before), limit: 7 };
            let page = index.search(&query).unwrap();
            assert!(page.entries.iter().all(|entry| entry.event.tenant == Some(tenant(1))));
            let all = stage.all().await;
            let ours: Vec<_> = all
                .iter()
                .filter(|entry| entry.event.tenant == Some(tenant(1)))
                .cloned()
                .collect();
            let expected = naive::counts(&ours, &filter, by, CountEvery::Hour);
            assert_eq!(counts(&index, &filter, by, CountEvery::Hour), expected);
        });
    }
}

#[test]
fn an_empty_log_has_nothing() {
    let stage = Stage::new();
    let index = stage.index(4);
    let nothing: &[Plain] = &[];
    run(stage.log(nothing));
    grow(&index);
    assert_eq!(search(&index, &SearchFilter::default(), 5), []);
    let counted = counts(
        &index,
        &SearchFilter::default(),
        CountBy::All,
        CountEvery::All,
    );
    assert_eq!(counted, BTreeMap::new());
}

#[test]
fn of_a_long_text_the_first_32_words_are_found_whatever_there_is_of_the_index() {
    let stage = Stage::new();
    let word = |at: usize| format!("word{at}");
    let text: Vec<String> = (0..1000).map(word).collect();
    run(async {
        let mut entry = event(&entries(1)[0]);
        entry.resource.name = None;
        entry.reason = Some(text.join(" "));
        stage.journal.append(entry).await.unwrap();
        let all = stage.all().await;
        assert_eq!(all[0].event.reason.as_ref().unwrap().len(), 7889);
        let index = stage.index(1);
        let check = |index: &AuditIndex, what: &str| {
            let mut terms = Vec::new();
            for at in 0..1000 {
                let filter = SearchFilter {
                    words: vec![word(at)],
                    ..SearchFilter::default()
                };
                let expected = naive::search(&all, &filter);
                assert_eq!(search(index, &filter, 5), expected, "{what}: {at}");
                // What the index has is counted by its terms alone.
                let counted = counts(index, &filter, CountBy::All, CountEvery::All);
                if counted.values().sum::<u64>() > 0 {
                    terms.push(at);
                }
            }
            assert_eq!(terms, (0..32).collect::<Vec<_>>(), "{what}");
        };
        check(&index, "in the journal");
        grow(&index);
        assert_eq!(index.blocks(), (1, 0));
        check(&index, "in a file");
        let index = stage.index(16);
        grow(&index);
        check(&index, "in memory");
    });
}
