//! The growing end of one tree, small enough to be kept for tens of thousands: its peaks, and where in
//! the journal the entries of its last, partial tile lie.

use std::num::TryFromIntError;

use keyward_ledger::{Hash, Head, Peaks, TILE_WIDTH};

use crate::beginning::Frontier;
use crate::reader::Place;
use crate::trees::state::{Bytes, Out};

/// The end of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    peaks: Peaks,
    /// Segments, and how many of the entries lie in each: most tiles lie in one.
    runs: Vec<(u64, u16)>,
    /// Where in its segment each entry begins.
    offsets: Vec<u32>,
    /// How it stood when heads were last made by this process.
    pub(super) committed: Option<Head>,
}

/// A tile of leaves that is full now.
pub(super) struct Full {
    /// Which one.
    pub(super) index: u64,
    /// Where its entries lie.
    pub(super) places: Vec<Place>,
    /// The root over them.
    pub(super) root: Hash,
}

/// Where an entry lay that was let go of.
pub(super) const GONE: Place = Place {
    segment: 0,
    offset: 0,
};

impl End {
    /// The end of a tree all of whose entries were let go of; none if that is no tree's.
    pub(super) fn begun(frontier: &Frontier) -> Option<Self> {
        let partial = frontier.leaves().len();
        let runs = (partial > 0).then_some((GONE.segment, partial as u16));
        Some(Self {
            peaks: frontier.peaks()?,
            runs: runs.into_iter().collect(),
            offsets: vec![0; partial],
            committed: None,
        })
    }

    pub(super) fn head(&self) -> Head {
        Head {
            size: self.peaks.size(),
            root: self.peaks.root(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.peaks.size()
    }

    /// Adds a leaf; answers the tile that it made full. An error if the place is behind what a
    /// segment can have.
    pub(super) fn append(
        &mut self,
        leaf: Hash,
        place: Place,
    ) -> Result<Option<Full>, TryFromIntError> {
        let offset = u32::try_from(place.offset)?;
        match self.runs.last_mut() {
            Some((segment, count)) if *segment == place.segment => *count += 1,
            _ => self.runs.push((place.segment, 1)),
        }
        self.offsets.push(offset);
        let Some(root) = self.peaks.append(leaf) else {
            return Ok(None);
        };
        let places = self.places();
        self.runs = Vec::new();
        self.offsets = Vec::new();
        Ok(Some(Full {
            index: self.peaks.size() / u64::from(TILE_WIDTH) - 1,
            places,
            root,
        }))
    }

    /// Where the entries of the last, partial tile lie.
    pub(super) fn places(&self) -> Vec<Place> {
        let runs = self.runs.iter();
        let segments =
            runs.flat_map(|(segment, count)| std::iter::repeat_n(*segment, usize::from(*count)));
        let places = segments.zip(&self.offsets);
        let place = |(segment, offset): (u64, &u32)| Place {
            segment,
            offset: u64::from(*offset),
        };
        places.map(place).collect()
    }

    /// The bytes of memory that it has, its own included.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.peaks.hashes())
            + self.runs.capacity() * size_of::<(u64, u16)>()
            + self.offsets.capacity() * size_of::<u32>()
    }

    pub(super) fn put(&self, out: &mut Out) {
        out.number(self.peaks.size());
        for hash in self.peaks.hashes() {
            out.hash(hash);
        }
        out.number(self.runs.len() as u64);
        for (segment, count) in &self.runs {
            out.number(*segment);
            out.number(u64::from(*count));
        }
        for offset in &self.offsets {
            out.bytes(&offset.to_be_bytes());
        }
    }

    pub(super) fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        let size = bytes.number()?;
        let hashes: Option<Vec<Hash>> = (0..size.count_ones()).map(|_| bytes.hash()).collect();
        let partial = (size % u64::from(TILE_WIDTH)) as usize;
        let mut end = Self {
            peaks: Peaks::resume(size, hashes?)?,
            ..Self::default()
        };
        let runs = bytes.number().filter(|runs| *runs <= partial as u64)?;
        for _ in 0..runs {
            let segment = bytes.number()?;
            end.runs
                .push((segment, u16::try_from(bytes.number()?).ok()?));
        }
        for _ in 0..partial {
            end.offsets.push(u32::from_be_bytes(bytes.array()?));
        }
        let counted: usize = end.runs.iter().map(|(_, count)| usize::from(*count)).sum();
        (counted == partial).then_some(end)
    }
}
