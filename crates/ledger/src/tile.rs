//! Which files a log has and how they are named (C2SP `tlog-tiles`): tiles of 256 hashes, bundles of
//! 256 entries, and those at the end, which are narrower.
//!
//! ```text
//! tile/0/x001/067        256 leaf hashes: those from 1067·256 on
//! tile/1/004.p/43        43 hashes, each over a full tile of level 0
//! tile/entries/x001/067  the entries of tile/0/x001/067
//! ```

use std::fmt;
use std::str::FromStr;

use crate::text;

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: u16 = 256;
/// How many levels of the tree a tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// The highest level that the format knows. A tree of 2⁶⁴ leaves has tiles up to level 7.
const LEVEL_MAX: u64 = 63;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Hashes: at level 0 of leaves, at level *n* over full tiles of level *n* − 1.
    Hashes {
        /// Which level of tiles.
        level: u8,
    },
    /// The entries themselves.
    Entries,
}

/// One tile of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    content: Content,
    index: u64,
    width: u16,
}

impl Tile {
    /// A full tile, or (with a width below 256) a partial one. `None` if there is none like that.
    pub fn new(content: Content, index: u64, width: u16) -> Option<Self> {
        let known = match content {
            Content::Hashes { level } => u64::from(level) <= LEVEL_MAX,
            Content::Entries => true,
        };
        let sound = known && (1..=TILE_WIDTH).contains(&width);
        sound.then_some(Self {
            content,
            index,
            width,
        })
    }

    /// The tile with this index as a tree of this size has it: full, partial or (`None`) not there.
    pub fn in_tree(content: Content, index: u64, size: u64) -> Option<Self> {
        let count = count_at(content, size);
        let start = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = count.checked_sub(start)?.min(u64::from(TILE_WIDTH));
        Self::new(content, index, width as u16)
    }

    /// What it holds.
    pub fn content(self) -> Content {
        self.content
    }

    /// Which one of its level.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or entries it has.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether it has all it will ever have.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same tile, full: a reader may find it instead of a partial one.
    #[must_use]
    pub fn full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }
}

/// How many hashes a tree has at a level, or entries.
fn count_at(content: Content, size: u64) -> u64 {
    let shift = match content {
        Content::Hashes { level } => u32::from(level) * TILE_HEIGHT,
        Content::Entries => 0,
    };
    size.checked_shr(shift).unwrap_or(0)
}

/// Every tile of hashes of a tree: by level, then by index. Those at the end of a level may be
/// partial.
pub fn hash_tiles(size: u64) -> impl Iterator<Item = Tile> {
    (0..=7).flat_map(move |level| of_level(Content::Hashes { level }, size))
}

/// Every bundle of entries of a tree, in order. The last one may be partial.
pub fn bundles(size: u64) -> impl Iterator<Item = Tile> {
    of_level(Content::Entries, size)
}

fn of_level(content: Content, size: u64) -> impl Iterator<Item = Tile> {
    let tiles = count_at(content, size).div_ceil(u64::from(TILE_WIDTH));
    (0..tiles).filter_map(move |index| Tile::in_tree(content, index, size))
}

/// Its path below the log's prefix.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes { level } => write!(f, "tile/{level}/")?,
            Content::Entries => f.write_str("tile/entries/")?,
        }
        // Groups of three digits, an `x` before all but the last: at most 7 of them in 64 bits.
        let mut groups = [0; 7];
        let mut rest = self.index;
        let mut used = 0;
        loop {
            groups[used] = rest % 1000;
            rest /= 1000;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        for group in groups[1..used].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// A path that is no tile's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile")]
pub struct NotATile;

impl FromStr for Tile {
    type Err = NotATile;

    fn from_str(path: &str) -> Result<Self, NotATile> {
        let tile = parse(path).ok_or(NotATile)?;
        // One tile has one path.
        if tile.to_string() == path {
            Ok(tile)
        } else {
            Err(NotATile)
        }
    }
}

fn parse(path: &str) -> Option<Tile> {
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let content = match level {
        "entries" => Content::Entries,
        level => Content::Hashes {
            level: u8::try_from(text::decimal(level)?).ok()?,
        },
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => {
            let width = u16::try_from(text::decimal(width)?).ok()?;
            (index, (width < TILE_WIDTH).then_some(width)?)
        }
        None => (rest, TILE_WIDTH),
    };
    let mut number: u64 = 0;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        number = number.checked_mul(1000)?.checked_add(value)?;
    }
    Tile::new(content, number, width)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(size: u64) -> Vec<String> {
        let tiles = hash_tiles(size).chain(bundles(size));
        tiles.map(|tile| tile.to_string()).collect()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |content, index, width| Tile::new(content, index, width).unwrap().to_string();
        let level = |level| Content::Hashes { level };
        assert_eq!(tile(level(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(level(0), 0, 256), "tile/0/000");
        assert_eq!(tile(level(63), 999, 255), "tile/63/999.p/255");
        assert_eq!(tile(Content::Entries, 1000, 1), "tile/entries/x001/000.p/1");
        assert_eq!(
            tile(level(0), u64::MAX, 256),
            "tile/0/x018/x446/x744/x073/x709/x551/615"
        );
    }

    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        assert_eq!(paths(0), Vec::<String>::new());
        assert_eq!(paths(1), ["tile/0/000.p/1", "tile/entries/000.p/1"]);
        assert_eq!(
            paths(256),
            ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]
        );
        let tiles: Vec<Tile> = hash_tiles(70_000).collect();
        let full = |level| {
            let of_level = tiles.iter().filter(|tile| tile.is_full());
            of_level
                .filter(|tile| tile.content() == Content::Hashes { level })
                .count()
        };
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        let partial = tiles.iter().filter(|tile| !tile.is_full());
        let partial: Vec<String> = partial.map(ToString::to_string).collect();
        assert_eq!(
            partial,
            ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
        );
        // The largest there can be is counted, not listed.
        assert_eq!(
            hash_tiles(u64::MAX).next().unwrap().to_string(),
            "tile/0/000"
        );
        let last = Content::Hashes { level: 7 };
        assert_eq!(Tile::in_tree(last, 0, u64::MAX).unwrap().width(), 255);
        assert_eq!(Tile::in_tree(last, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn a_path_with_another_spelling_is_none() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/0/x000/001",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/",
            "tile/entries/000/",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/+01",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/data/000",
        ] {
            assert_eq!(path.parse::<Tile>(), Err(NotATile), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn every_tile_reads_back_from_its_path(index: u64, level in 0u8..=64, width in 1u16..=256) {
            let content = match level {
                64 => Content::Entries,
                level => Content::Hashes { level },
            };
            let tile = Tile::new(content, index, width).unwrap();
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }
    }
}
