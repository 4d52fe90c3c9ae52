//! Which granules of the arena are in use: a bitmap with first fit from where the last search
//! ended. Knows no memory.

/// The unit of room, in bytes, and the alignment of everything: a cache line.
pub(crate) const GRANULE: usize = 64;
/// The largest run that is looked for, in granules.
pub(crate) const RUN_MAX: usize = 64;

/// A bitmap of granules, a set bit for one in use.
#[derive(Debug)]
pub(crate) struct Slots {
    words: Vec<u64>,
    hint: usize,
    used: usize,
}

impl Slots {
    /// All free; `granules` is rounded down to a multiple of 64.
    pub(crate) fn new(granules: usize) -> Self {
        Self {
            words: vec![0; granules / 64],
            hint: 0,
            used: 0,
        }
    }

    /// Granules in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Takes `run` granules that lie together, within one word of the bitmap. Where they begin.
    pub(crate) fn take(&mut self, run: usize) -> Option<usize> {
        let mask = mask(run)?;
        let words = self.words.len();
        for step in 0..words {
            let index = (self.hint + step) % words;
            let word = self.words[index];
            if let Some(shift) = gap(word, run) {
                self.words[index] = word | (mask << shift);
                self.hint = index;
                self.used += run;
                return Some(index * 64 + shift);
            }
        }
        None
    }

    /// Gives a run back.
    pub(crate) fn give_back(&mut self, start: usize, run: usize) {
        let Some(mask) = mask(run) else { return };
        if let Some(word) = self.words.get_mut(start / 64) {
            debug_assert_eq!(*word >> (start % 64) & mask, mask, "it was taken");
            *word &= !(mask << (start % 64));
            self.used = self.used.saturating_sub(run);
            self.hint = start / 64;
        }
    }
}

/// The first place in a word where `run` bits are clear.
fn gap(word: u64, run: usize) -> Option<usize> {
    // Bit i of `free` says that the bits i..i+n are clear; n grows from 1 to `run`.
    let mut free = !word;
    let mut length = 1;
    while length < run {
        let step = length.min(run - length);
        free &= free >> step;
        length += step;
    }
    // A shift fills with zeros from above, so that no run crosses the word's end.
    (free != 0).then(|| free.trailing_zeros() as usize)
}

/// `run` set bits.
const fn mask(run: usize) -> Option<u64> {
    match run {
        1..=63 => Some((1 << run) - 1),
        RUN_MAX => Some(u64::MAX),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_arena_gives_nothing_and_what_comes_back_is_given_again() {
        let mut slots = Slots::new(64);
        assert_eq!(slots.take(64), Some(0));
        assert_eq!(slots.take(1), None);
        slots.give_back(0, 64);
        assert_eq!(slots.take(1), Some(0));
        assert_eq!(slots.take(64), None, "runs do not cross words");
        assert_eq!(slots.take(0), None);
        assert_eq!(slots.take(65), None);
    }

    proptest! {
        /// Any order of taking and giving back: no granule is ever taken twice, and all come back.
        #[test]
        fn runs_never_overlap(moves in prop::collection::vec((1..=64_usize, any::<bool>(), any::<prop::sample::Index>()), 1..300)) {
            let mut slots = Slots::new(256);
            let mut held: Vec<(usize, usize)> = Vec::new();
            for (run, give, which) in moves {
                if give && !held.is_empty() {
                    let (start, run) = held.swap_remove(which.index(held.len()));
                    slots.give_back(start, run);
                } else if let Some(start) = slots.take(run) {
                    prop_assert!(start + run <= 256);
                    for (other, length) in &held {
                        prop_assert!(start + run <= *other || other + length <= start);
                    }
                    held.push((start, run));
                }
                prop_assert_eq!(slots.used(), held.iter().map(|(_, run)| run).sum::<usize>());
            }
            for (start, run) in held {
                slots.give_back(start, run);
            }
            prop_assert_eq!(slots.used(), 0);
            for _ in 0..4 {
                prop_assert!(slots.take(64).is_some());
            }
        }
    }
}
