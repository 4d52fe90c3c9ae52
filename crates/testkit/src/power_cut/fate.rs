//! What a power cut leaves of the changes that were not synced.
//!
//! A file's unsynced bytes are in the page cache, from which sectors go to the disk when they
//! like: each sector is left as it was at some moment since the last sync, independently of every
//! other one. So later writes may be there and earlier ones not, and a write may be torn at any
//! sector. A change of length is metadata: it comes as it was made, in order. Names come singly
//! and in any order, a rename whole.

use std::collections::BTreeMap;

use super::dice::Dice;

/// A change of a file that was not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'h> {
    /// Bytes at an offset.
    Write(usize, &'h [u8]),
    /// Another length.
    Resize(usize),
}

/// How a cut treats what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    kind: Kind,
    sector_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing of it is left.
    AllLost,
    /// All of it is left.
    AllKept,
    /// Each sector is as it was at any moment.
    Scattered,
    /// The later half of the changes is left, the earlier half is not.
    LateKept,
    /// One sector in eight is lost.
    Holes,
}

impl Fate {
    /// Nothing unsynced is left.
    pub const ALL_LOST: Self = Self {
        kind: Kind::AllLost,
        sector_bytes: 512,
    };

    /// Any of them; the ones that tear and re-order more often.
    pub const fn roll(dice: &mut Dice) -> Self {
        let kind = match dice.below(10) {
            0 => Kind::AllKept,
            1 | 2 => Kind::AllLost,
            3 | 4 => Kind::LateKept,
            5 | 6 => Kind::Holes,
            _ => Kind::Scattered,
        };
        let sector_bytes = if dice.once_in(2) { 512 } else { 4096 };
        Self { kind, sector_bytes }
    }

    /// Whether a change of a name is left: the `place`th of `count`.
    pub(super) const fn keeps_name(self, place: usize, count: usize, dice: &mut Dice) -> bool {
        match self.kind {
            Kind::AllLost => false,
            Kind::AllKept => true,
            Kind::Scattered => dice.once_in(2),
            Kind::LateKept => place >= count / 2,
            Kind::Holes => !dice.once_in(8),
        }
    }

    /// What a file has after the cut, of its durable bytes and the changes since, in order.
    pub(super) fn contents(
        self,
        durable: &[u8],
        changes: &[Change<'_>],
        dice: &mut Dice,
    ) -> Vec<u8> {
        let lengths = lengths(durable.len(), changes);
        let metadata = self.metadata_kept(changes.len(), dice);
        let length = lengths[metadata];
        let mut left = durable.to_vec();
        left.resize(lengths.iter().copied().max().unwrap_or(0), 0);
        for (sector, touching) in self.touched(&lengths, changes) {
            let writes = touching
                .iter()
                .filter(|index| matches!(changes[**index], Change::Write(..)));
            let mut kept = self.sectors_kept(writes.copied().collect(), changes.len(), dice);
            let from = sector * self.sector_bytes;
            let to = (from + self.sector_bytes).min(left.len());
            for index in touching {
                match changes[index] {
                    Change::Resize(length) if index < metadata => {
                        left[length.clamp(from, to)..to].fill(0);
                    }
                    Change::Write(offset, bytes) if kept > 0 => {
                        kept -= 1;
                        let (start, end) = (offset.max(from), (offset + bytes.len()).min(to));
                        left[start..end].copy_from_slice(&bytes[start - offset..end - offset]);
                    }
                    _ => {}
                }
            }
        }
        left.truncate(length);
        left
    }

    /// How many of the changes' new lengths are on the disk.
    fn metadata_kept(self, changes: usize, dice: &mut Dice) -> usize {
        match self.kind {
            Kind::AllLost => 0,
            Kind::Scattered => dice.index(changes + 1),
            Kind::AllKept | Kind::LateKept | Kind::Holes => changes,
        }
    }

    /// How many of the writes to one sector, the first of them, are on the disk.
    fn sectors_kept(self, writes: Vec<usize>, changes: usize, dice: &mut Dice) -> usize {
        let late = writes.last().is_some_and(|last| *last >= changes / 2);
        let all = match self.kind {
            Kind::AllLost => false,
            Kind::AllKept => true,
            Kind::Scattered => return dice.index(writes.len() + 1),
            Kind::LateKept => late,
            Kind::Holes => !dice.once_in(8),
        };
        if all { writes.len() } else { 0 }
    }

    /// For each sector the changes that touch it, in order.
    fn touched(self, lengths: &[usize], changes: &[Change<'_>]) -> BTreeMap<usize, Vec<usize>> {
        let mut touched: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let (from, to) = match change {
                Change::Write(offset, bytes) => (*offset, offset + bytes.len()),
                // All that is cut off; what a file gains is zeros already.
                Change::Resize(length) => (*length, lengths.iter().copied().max().unwrap_or(0)),
            };
            for sector in from / self.sector_bytes..to.div_ceil(self.sector_bytes) {
                touched.entry(sector).or_default().push(index);
            }
        }
        touched
    }
}

/// The length at first and after each change.
fn lengths(durable: usize, changes: &[Change<'_>]) -> Vec<usize> {
    let mut lengths = vec![durable];
    let mut length = durable;
    for change in changes {
        length = match change {
            Change::Write(offset, bytes) => length.max(offset + bytes.len()),
            Change::Resize(length) => *length,
        };
        lengths.push(length);
    }
    lengths
}

/// A file with all of a change.
pub(super) fn apply(bytes: &mut Vec<u8>, change: Change<'_>) {
    match change {
        Change::Write(offset, written) => {
            let end = offset + written.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset..end].copy_from_slice(written);
        }
        Change::Resize(length) => bytes.resize(length, 0),
    }
}

#[cfg(test)]
mod tests;
