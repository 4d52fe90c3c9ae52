//! Whether what many saw of one register has an order in which every answer makes sense, and in
//! which nobody's answer is older than what had ended before he asked (linearizability, Herlihy
//! and Wing 1990; the search is Wing and Gong's, with Lowe's memory of what was tried).

use std::collections::HashSet;

/// A value of the register; none: nothing is there.
pub type State = Option<u32>;

/// What somebody did, and what he was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read this.
    Read(State),
    /// Wrote.
    Write(u32),
    /// Created; whether he was told that he did.
    Create(u32, bool),
    /// Replaced the first by the second; whether he was told that he did.
    Swap(u32, u32, bool),
    /// Deleted.
    Delete,
}

/// One act in time.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What.
    pub act: Act,
    /// When it was asked for.
    pub begun: u64,
    /// When the answer came; `None`: there was none that settled whether it happened.
    pub ended: Option<u64>,
}

/// Looks for the order. At most 128 events.
///
/// # Panics
/// With more events.
pub fn is_linearizable(events: &[Event], start: State) -> bool {
    assert!(events.len() <= 128, "too many events for one register");
    search(events, 0, start, &mut HashSet::new())
}

fn search(events: &[Event], done: u128, state: State, seen: &mut HashSet<(u128, State)>) -> bool {
    let open = |index: &usize| done & (1 << index) == 0;
    let settled = |index: &usize| events[*index].ended.is_some();
    if (0..events.len()).filter(open).filter(settled).count() == 0 {
        return true;
    }
    if !seen.insert((done, state)) {
        return false;
    }
    // Nothing can come before an act that ended before it was asked for.
    let horizon = (0..events.len())
        .filter(open)
        .filter_map(|index| events[index].ended)
        .min()
        .unwrap_or(u64::MAX);
    (0..events.len())
        .filter(open)
        .filter(|index| events[*index].begun < horizon)
        .any(|index| {
            let event = events[index];
            let next = apply(event.act, state, event.ended.is_some());
            next.is_some_and(|next| search(events, done | 1 << index, next, seen))
        })
}

/// The register after an act, if its answer fits. What was not settled may have met anything.
fn apply(act: Act, state: State, settled: bool) -> Option<State> {
    let (fits, next) = match act {
        Act::Read(seen) => (seen == state, state),
        Act::Write(value) => (true, Some(value)),
        Act::Delete => (true, None),
        Act::Create(value, won) => {
            let wins = state.is_none();
            (wins == won, if wins { Some(value) } else { state })
        }
        Act::Swap(from, to, won) => {
            let wins = state == Some(from);
            (wins == won, if wins { Some(to) } else { state })
        }
    };
    (fits || !settled).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(act: Act, begun: u64, ended: u64) -> Event {
        Event {
            act,
            begun,
            ended: Some(ended),
        }
    }

    #[test]
    fn an_order_is_found_and_a_stale_read_is_not_excused() {
        let write = event(Act::Write(1), 0, 10);
        let during = event(Act::Read(None), 5, 8);
        assert!(is_linearizable(&[write, during], None));
        let after = event(Act::Read(None), 11, 12);
        assert!(!is_linearizable(&[write, after], None));
    }

    #[test]
    fn two_winners_are_one_too_many() {
        let first = event(Act::Create(1, true), 0, 10);
        let second = event(Act::Create(2, true), 0, 10);
        assert!(!is_linearizable(&[first, second], None));
        let lost = event(Act::Create(2, false), 0, 10);
        assert!(is_linearizable(&[first, lost], None));
    }

    #[test]
    fn a_lost_update_is_noticed() {
        let swap = |to, begun| event(Act::Swap(1, to, true), begun, begun + 10);
        assert!(!is_linearizable(&[swap(2, 0), swap(3, 5)], Some(1)));
    }

    #[test]
    fn what_was_never_answered_may_have_happened_or_not() {
        let open = Event {
            act: Act::Write(1),
            begun: 0,
            ended: None,
        };
        for seen in [None, Some(1)] {
            assert!(is_linearizable(&[open, event(Act::Read(seen), 5, 6)], None));
        }
        let seen_then_gone = [
            event(Act::Read(Some(1)), 5, 6),
            event(Act::Read(None), 7, 8),
        ];
        assert!(!is_linearizable(
            &[&[open][..], &seen_then_gone].concat(),
            None
        ));
    }
}
