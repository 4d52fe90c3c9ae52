//! Counters of one kind of operation: how many, how they ended, how long they took lately.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use keyward_core::port::storage_care::{OperationReport, StorageOperation, StorageState};
use keyward_core::time::Timestamp;

/// Upper ends of the ranges of durations, in microseconds.
const RANGES: [u64; 16] = [
    20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000,
    1_000_000, 5_000_000, 60_000_000,
];
/// What "lately" is: this window and the one before.
const WINDOW_SECONDS: i64 = 300;

/// The counters.
#[derive(Default)]
pub(super) struct Meter {
    count: AtomicU64,
    errors: [AtomicU64; StorageState::ALL.len()],
    last_success_at: AtomicI64,
    windows: [Window; 2],
}

/// Durations within some minutes. Two take turns.
#[derive(Default)]
struct Window {
    number: AtomicI64,
    ranges: [AtomicU64; RANGES.len()],
}

impl Meter {
    /// An operation ended.
    pub(super) fn note(&self, micros: u64, fault: Option<StorageState>, now: Timestamp) {
        self.count.fetch_add(1, Ordering::Relaxed);
        match fault {
            Some(state) => {
                self.errors[state as usize].fetch_add(1, Ordering::Relaxed);
            }
            None => self
                .last_success_at
                .store(now.as_micros(), Ordering::Relaxed),
        }
        let number = now.seconds_since(Timestamp::from_micros(0)) / WINDOW_SECONDS;
        let window = &self.windows[usize::from(number % 2 != 0)];
        if window.number.swap(number, Ordering::Relaxed) != number {
            // A few of those at once may be lost or counted twice: it is a measure, no account.
            for range in &window.ranges {
                range.store(0, Ordering::Relaxed);
            }
        }
        let range = RANGES.partition_point(|end| *end < micros);
        window.ranges[range.min(RANGES.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// How it stands.
    pub(super) fn report(&self, operation: StorageOperation) -> OperationReport {
        let errors = StorageState::ALL.iter().copied().filter_map(|state| {
            let count = self.errors[state as usize].load(Ordering::Relaxed);
            (count > 0).then_some((state, count))
        });
        let last_success_at = self.last_success_at.load(Ordering::Relaxed);
        let lately: [u64; RANGES.len()] = std::array::from_fn(|range| {
            let of = |window: &Window| window.ranges[range].load(Ordering::Relaxed);
            self.windows.iter().map(of).sum()
        });
        OperationReport {
            operation,
            count: self.count.load(Ordering::Relaxed),
            errors: errors.collect(),
            p50_micros: quantile(&lately, 50),
            p99_micros: quantile(&lately, 99),
            last_success_at: (last_success_at > 0).then(|| Timestamp::from_micros(last_success_at)),
        }
    }
}

/// The upper end of the range below which so many of a hundred lie.
fn quantile(ranges: &[u64; RANGES.len()], of_hundred: u64) -> Option<u64> {
    let all: u64 = ranges.iter().sum();
    let wanted = (all * of_hundred).div_ceil(100);
    let mut seen = 0;
    let found = ranges.iter().zip(RANGES).find(|(count, _)| {
        seen += **count;
        seen >= wanted
    });
    found.filter(|_| all > 0).map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_minutes() {
        let meter = Meter::default();
        let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
        let report = || meter.report(StorageOperation::Read);
        assert_eq!(report().p50_micros, None);
        for number in 0..100 {
            let micros = if number < 98 { 90 } else { 900 };
            meter.note(micros, None, at(1));
        }
        assert_eq!(
            (report().p50_micros, report().p99_micros),
            (Some(100), Some(1_000))
        );
        for _ in 0..300 {
            meter.note(1 << 40, Some(StorageState::Down), at(301));
        }
        assert_eq!(report().p50_micros, Some(60_000_000));
        assert_eq!(report().errors[&StorageState::Down], 300);
        // Two windows on, the first is forgotten.
        meter.note(10, None, at(601));
        meter.note(10, None, at(901));
        assert_eq!(report().p99_micros, Some(20));
        assert_eq!(report().last_success_at, Some(at(901)));
    }
}
