//! Which entries of a block, each by its place behind the block's first.

/// A set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows(Vec<u64>);

impl Rows {
    /// None of a block of this size.
    pub(super) fn none(size: u32) -> Self {
        Self(vec![0; size.div_ceil(64) as usize])
    }

    /// Those up to and with this one.
    pub(super) fn up_to(size: u32, row: u16) -> Self {
        let mut rows = Self::none(size);
        let (word, bit) = (usize::from(row) / 64, u32::from(row) % 64);
        for (at, bits) in rows.0.iter_mut().enumerate() {
            if at < word {
                *bits = u64::MAX;
            } else if at == word {
                *bits = u64::MAX >> (63 - bit);
            }
        }
        rows
    }

    /// These.
    pub(super) fn of(size: u32, list: impl IntoIterator<Item = u16>) -> Self {
        let mut rows = Self::none(size);
        list.into_iter().for_each(|row| rows.add(row));
        rows
    }

    /// From bytes in which each bit is a row, the lowest first.
    pub(super) fn of_bytes(size: u32, bytes: &[u8]) -> Self {
        let mut rows = Self::none(size);
        for (bits, eight) in rows.0.iter_mut().zip(bytes.chunks(8)) {
            for (at, byte) in eight.iter().enumerate() {
                *bits |= u64::from(*byte) << (8 * at);
            }
        }
        rows
    }

    /// The same as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|bits| bits.to_le_bytes()).collect()
    }

    /// Adds one. One that is not of the block is left out.
    pub(super) fn add(&mut self, row: u16) {
        if let Some(bits) = self.0.get_mut(usize::from(row) / 64) {
            *bits |= 1 << (row % 64);
        }
    }

    /// Keeps what is in both.
    pub(super) fn keep(&mut self, other: &Self) {
        for (bits, also) in self.0.iter_mut().zip(&other.0) {
            *bits &= also;
        }
    }

    /// Whether one is in it.
    pub(super) fn has(&self, row: u16) -> bool {
        let bits = self.0.get(usize::from(row) / 64);
        bits.is_some_and(|bits| bits & (1 << (row % 64)) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u16> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(at, bits)| {
            let bits = *bits;
            let set = (0..64u16).filter(move |bit| bits & (1 << bit) != 0);
            // A block has at most 65,536 rows.
            set.map(move |bit| (at as u16).wrapping_mul(64) + bit)
        })
    }
}
