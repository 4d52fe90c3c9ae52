//! Counts being added up: of each span of time and value.

use std::collections::HashMap;

use keyward_core::port::audit_search::{Count, CountBy, CountEvery};
use keyward_core::time::Timestamp;

use crate::index::field::Field;
use crate::index::rollup::{begin, hour};

/// The counts so far.
pub(super) struct Tally {
    by: CountBy,
    every: CountEvery,
    /// By span and value.
    counts: HashMap<(i64, Box<[u8]>), u64>,
}

impl Tally {
    pub(super) fn new(by: CountBy, every: CountEvery) -> Self {
        Self {
            by,
            every,
            counts: HashMap::new(),
        }
    }

    /// One like it that has counted nothing.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.by, self.every)
    }

    /// By the terms of which field it counts.
    pub(super) fn field(&self) -> Field {
        Field::of(self.by)
    }

    /// How many counts there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The span of time in which an hour is, by a number of its own.
    pub(super) fn span(&self, hour: i64) -> i64 {
        match self.every {
            CountEvery::All => 0,
            CountEvery::Hour => hour,
            CountEvery::Day => hour.div_euclid(24),
            CountEvery::Month => Timestamp::from_micros(begin(hour)).month(),
        }
    }

    /// The same of each time.
    pub(super) fn spans(&self, times: &[i64]) -> Vec<i64> {
        let (mut last, mut span) = (i64::MIN, 0);
        let of = |micros: &i64| {
            let hour = hour(*micros);
            if hour != last {
                (last, span) = (hour, self.span(hour));
            }
            span
        };
        times.iter().map(of).collect()
    }

    /// Adds so many entries of a span with a term.
    pub(super) fn add(&mut self, span: i64, term: &[u8], entries: u64) {
        let term = if self.by == CountBy::All { b"" } else { term };
        *self.counts.entry((span, term.into())).or_default() += entries;
    }

    /// Takes over what another one has counted.
    pub(super) fn add_all(&mut self, other: Self) {
        for ((span, term), entries) in other.counts {
            self.add(span, &term, entries);
        }
    }

    /// The counts, by time and value.
    pub(super) fn into_counts(self) -> Vec<Count> {
        let (by, every, field) = (self.by, self.every, self.field());
        let counts = self.counts.into_iter();
        let mut counts: Vec<Count> = counts
            .map(|((span, term), entries)| Count {
                from: first_instant(every, span),
                value: (by != CountBy::All).then(|| field.shown(&term)),
                entries,
            })
            .collect();
        counts.sort_unstable();
        counts
    }
}

/// When a span begins.
fn first_instant(every: CountEvery, span: i64) -> Option<Timestamp> {
    match every {
        CountEvery::All => None,
        CountEvery::Hour => Some(Timestamp::from_micros(begin(span))),
        CountEvery::Day => Some(Timestamp::from_micros(begin(span.saturating_mul(24)))),
        CountEvery::Month => {
            let (year, month) = (1970 + span.div_euclid(12), span.rem_euclid(12) + 1);
            format!("{year:04}-{month:02}-01T00:00:00Z").parse().ok()
        }
    }
}
