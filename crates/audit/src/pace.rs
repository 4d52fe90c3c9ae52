//! How long the writer lets a batch gather before it takes it.
//!
//! Each batch costs a write, a sync and two changes of thread, whatever its size. When entries come
//! so fast that more are sure to follow within a moment, waiting for them makes every entry cheaper,
//! and the processor time saved answers requests. When they come slowly nobody waits.

use std::time::Duration;

use tokio::time::Instant;

/// The longest that a batch gathers, counted from when the one before it was taken.
const CYCLE: Duration = Duration::from_micros(500);
/// So many entries must be expected within a cycle; fewer are not worth a wait.
const WORTH: f64 = 8.0;

/// From so many entries within a cycle on, a system call for each costs more than handing them to
/// a thread that writes them together.
const FAST: f64 = 10.0;

/// The pace of the entries, as the batches show it.
#[derive(Debug)]
pub(crate) struct Pace {
    taken: Instant,
    /// Entries per cycle lately.
    per_cycle: f64,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            taken: now,
            per_cycle: 0.0,
        }
    }

    /// How long to wait before the next batch is taken.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.per_cycle < WORTH {
            return None;
        }
        CYCLE
            .checked_sub(now.duration_since(self.taken))
            .filter(|left| !left.is_zero())
    }

    /// Whether entries come so fast that batches are cheaper than writing each where it is made.
    pub(crate) fn is_fast(&self) -> bool {
        self.per_cycle >= FAST
    }

    /// A batch was taken.
    pub(crate) fn note(&mut self, entries: usize, now: Instant) {
        let passed = now.duration_since(self.taken).as_secs_f64();
        let lately = entries as f64 * CYCLE.as_secs_f64() / passed.max(1e-6);
        // A mean that forgets within a few batches; after a pause of seconds nothing is left of it.
        let weight = (passed / CYCLE.as_secs_f64()).clamp(0.25, 1.0);
        self.per_cycle += (lately.min(1e6) - self.per_cycle) * weight;
        self.taken = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of `entries`, one every `micros`.
    fn after(entries: usize, micros: u64, batches: u32) -> (Pace, Instant) {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..batches {
            now += Duration::from_micros(micros);
            pace.note(entries, now);
        }
        (pace, now)
    }

    #[test]
    fn one_caller_never_waits() {
        let (pace, now) = after(1, 150, 100);
        assert_eq!(pace.pause(now), None);
    }

    #[test]
    fn many_callers_wait_for_each_other_and_never_longer_than_a_cycle() {
        let (pace, now) = after(6, 180, 100);
        assert_eq!(pace.pause(now), Some(CYCLE));
        assert_eq!(
            pace.pause(now + Duration::from_micros(120)),
            Some(Duration::from_micros(380))
        );
        assert_eq!(pace.pause(now + CYCLE), None);
    }

    #[test]
    fn what_comes_fast_is_written_together_and_what_comes_slowly_where_it_is_made() {
        assert!(!after(1, 60, 1_000).0.is_fast());
        assert!(after(1, 25, 1_000).0.is_fast());
        assert!(after(20, 500, 100).0.is_fast());
        let (mut pace, now) = after(20, 500, 100);
        pace.note(1, now + Duration::from_millis(1));
        assert!(!pace.is_fast());
    }

    #[test]
    fn after_a_quiet_second_the_first_entry_does_not_wait() {
        let (mut pace, now) = after(60, 500, 100);
        let later = now + Duration::from_secs(1);
        pace.note(1, later);
        assert_eq!(pace.pause(later), None);
    }
}
