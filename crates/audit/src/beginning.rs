//! Where a journal begins from which entries were let go of: the note that says so, beside the segments,
//! and what of each tree must be known to go on without those entries. The format is described for
//! strangers in `docs/formats/journal.md`.
//!
//! ```text
//! "KWB1" | version u16 | deployment 16 bytes | length of the node's name u8 | it | first u64 | let go of at i64 | log's id 16 bytes |
//! trees u64 | for each: kind u8 | tenant 16 bytes | entries that are gone u64 | swept u64 | hashes |
//! SHA-256 (as a leaf's) of all before it
//! ```
//!
//! The hashes are those of the tree's last, partial tiles when it had just the entries that are gone:
//! level 0 first. With them its root, every proof of a later entry and every tile that reaches beyond them
//! are made as before.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use keyward_core::ids::TenantId;
use keyward_core::time::Timestamp;
use keyward_ledger::{Hash, MemoryTree, Peaks, TILE_WIDTH};
use uuid::Uuid;

use crate::frames::fill;
use crate::io::{Access, JournalIo};
use crate::trees::Tree;

/// The file, beside the journal's segments.
pub(crate) const FILE: &str = "log-beginning";
/// The same while it is made.
pub(crate) const BESIDE: &str = "log-beginning.new";
const MAGIC: &[u8; 4] = b"KWB1";
/// The format written.
pub(crate) const VERSION: u16 = 1;
const WIDTH: u64 = TILE_WIDTH as u64;

/// The beginning of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// How many of its entries are gone.
    pub(crate) gone: u64,
    /// From which tile of leaves on files of what is gone may still be there.
    pub(crate) swept: u64,
    /// The partial tiles of the tree of just those, by level.
    rows: Vec<Vec<Hash>>,
}

impl Frontier {
    /// A beginning from its partial tiles; none if they are not those of so many entries.
    pub(crate) fn new(gone: u64, swept: u64, rows: Vec<Vec<Hash>>) -> Option<Self> {
        let widths = widths(gone);
        let sound = rows.len() == widths.len()
            && rows
                .iter()
                .zip(widths)
                .all(|(row, width)| row.len() == width);
        sound.then_some(Self { gone, swept, rows })
    }

    /// The hash at a place of a level, if that level's last, partial tile has it.
    pub(crate) fn hash(&self, level: u8, index: u64) -> Option<Hash> {
        let row = self.rows.get(usize::from(level))?;
        let whole = self.gone.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let within = index.checked_sub(whole / WIDTH * WIDTH)?;
        row.get(usize::try_from(within).ok()?).copied()
    }

    /// How many hashes of a level are of entries that are all gone.
    pub(crate) fn of_level(&self, level: u8) -> u64 {
        self.gone.checked_shr(8 * u32::from(level)).unwrap_or(0)
    }

    /// The leaves that are gone of the tile of which others are there.
    pub(crate) fn leaves(&self) -> &[Hash] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// The tree of just those that are gone.
    pub(crate) fn peaks(&self) -> Option<Peaks> {
        let mut hashes = Vec::new();
        for row in self.rows.iter().rev() {
            let mut rest = row.as_slice();
            while let Some(half) = rest.len().checked_ilog2() {
                let (taken, behind) = rest.split_at(1 << half);
                hashes.push(MemoryTree::new(taken.iter().copied()).root());
                rest = behind;
            }
        }
        Peaks::resume(self.gone, hashes)
    }
}

/// How many hashes the partial tiles have of a tree of so many entries, by level.
pub(crate) fn widths(size: u64) -> Vec<usize> {
    let levels = (0..8_u32).map(|level| size >> (8 * level));
    let there = levels.take_while(|hashes| *hashes > 0);
    there.map(|hashes| (hashes % WIDTH) as usize).collect()
}

/// What the note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) deployment: Uuid,
    /// The node that the segment with which the journal begins names: at most 255 bytes.
    pub(crate) node: String,
    /// The first entry that is kept: it begins a segment.
    pub(crate) first: u64,
    /// When those before it were let go of.
    pub(crate) at: Timestamp,
    /// Which log the trees are; nil if none of the entries that are gone said so.
    pub(crate) log: Uuid,
    /// The trees that had entries before it, the system's first, then in the order of their first entries.
    trees: Vec<(Tree, Frontier)>,
    index: HashMap<Tree, usize>,
}

impl Begun {
    pub(crate) fn new(
        (deployment, node): (Uuid, String),
        first: u64,
        at: Timestamp,
        log: Uuid,
        trees: Vec<(Tree, Frontier)>,
    ) -> Self {
        let numbered = trees.iter().enumerate();
        let index = numbered.map(|(at, (tree, _))| (*tree, at)).collect();
        Self {
            deployment,
            node,
            first,
            at,
            log,
            trees,
            index,
        }
    }

    pub(crate) fn trees(&self) -> &[(Tree, Frontier)] {
        &self.trees
    }

    /// The beginning of a tree; none if all of it is there.
    pub(crate) fn of(&self, tree: Tree) -> Option<&Frontier> {
        let (_, frontier) = self.trees.get(*self.index.get(&tree)?)?;
        Some(frontier)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(self.deployment.as_bytes());
        // A header has no longer one.
        out.push(self.node.len() as u8);
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.at.as_micros().to_be_bytes());
        out.extend_from_slice(self.log.as_bytes());
        out.extend_from_slice(&(self.trees.len() as u64).to_be_bytes());
        for (tree, frontier) in &self.trees {
            out.push(kind(*tree));
            let tenant = tree.tenant().map(TenantId::uuid).unwrap_or_default();
            out.extend_from_slice(tenant.as_bytes());
            out.extend_from_slice(&frontier.gone.to_be_bytes());
            out.extend_from_slice(&frontier.swept.to_be_bytes());
            for hash in frontier.rows.iter().flatten() {
                out.extend_from_slice(hash.as_bytes());
            }
        }
        let digest = Hash::of_leaf(&out);
        out.extend_from_slice(digest.as_bytes());
        out
    }

    /// What such bytes say; an error if they are something else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unread> {
        let (content, digest) = bytes
            .split_last_chunk::<{ Hash::SIZE }>()
            .ok_or(Unread::Broken)?;
        if Hash::of_leaf(content) != Hash::from_bytes(*digest) {
            return Err(Unread::Broken);
        }
        let rest = content.strip_prefix(MAGIC).ok_or(Unread::Broken)?;
        let mut rest = Rest(rest);
        match rest.take().map(u16::from_be_bytes) {
            Some(VERSION) => rest.begun().ok_or(Unread::Broken),
            Some(version) => Err(Unread::Version(version)),
            None => Err(Unread::Broken),
        }
    }

    /// What the note beside some segments says; none if there is none.
    pub(crate) fn read(io: &dyn JournalIo) -> io::Result<Option<Result<Self, Unread>>> {
        let file = match io.open(FILE, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        let filled = fill(&*file, 0, &mut bytes)?;
        Ok(Some(Self::decode(bytes.get(..filled).unwrap_or_default())))
    }

    /// Writes the note beside its place, durably.
    pub(crate) fn write(&self, io: &dyn JournalIo) -> io::Result<()> {
        discard(io)?;
        let mut file = io.create(BESIDE)?;
        file.write_at(0, &self.encode())?;
        file.sync()
    }

    /// Puts the note that was written in its place: it is the one before, or this one, and never a part.
    pub(crate) fn place(&self, io: &dyn JournalIo) -> io::Result<()> {
        let renamed = io.rename(BESIDE, FILE);
        match renamed {
            // It may have been done all the same.
            Err(error) => match Self::read(io) {
                Ok(Some(Ok(there))) if there == *self => Ok(()),
                _ => Err(error),
            },
            renamed => renamed,
        }
    }
}

/// Removes what an interrupted writing left.
pub(crate) fn discard(io: &dyn JournalIo) -> io::Result<()> {
    match io.remove(BESIDE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Why a note cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not what was written.
    Broken,
    /// It is of a format that this program does not know.
    Version(u16),
}

fn kind(tree: Tree) -> u8 {
    match tree {
        Tree::System => 0,
        Tree::Changes(_) => 1,
        Tree::Operations(_) => 2,
    }
}

/// Bytes being read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let [length] = self.take()?;
        let (name, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        String::from_utf8(name.to_vec()).ok()
    }

    fn begun(&mut self) -> Option<Begun> {
        let deployment = Uuid::from_bytes(self.take()?);
        let node = self.name()?;
        let first = self.number()?;
        let at = Timestamp::from_micros(i64::from_be_bytes(self.take()?));
        let log = Uuid::from_bytes(self.take()?);
        let mut trees = Vec::new();
        for _ in 0..self.number()? {
            trees.push(self.tree()?);
        }
        let begun = Begun::new((deployment, node), first, at, log, trees);
        let sound = self.0.is_empty() && first > 1 && begun.index.len() == begun.trees.len();
        sound.then_some(begun)
    }

    fn tree(&mut self) -> Option<(Tree, Frontier)> {
        let [kind] = self.take()?;
        let tenant = TenantId::from_uuid(Uuid::from_bytes(self.take()?));
        let tree = match kind {
            0 => Tree::System,
            1 => Tree::Changes(tenant),
            2 => Tree::Operations(tenant),
            _ => return None,
        };
        let (gone, swept) = (self.number()?, self.number()?);
        let mut rows = Vec::new();
        for width in widths(gone) {
            let row: Option<Vec<Hash>> = (0..width)
                .map(|_| self.take().map(Hash::from_bytes))
                .collect();
            rows.push(row?);
        }
        Some((tree, Frontier::new(gone, swept, rows)?))
    }
}

/// Shared by those who look something up.
pub(crate) type Shared = Option<Arc<Begun>>;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn leaf(number: u64) -> Hash {
        Hash::of_leaf(&number.to_be_bytes())
    }

    fn frontier(gone: u64) -> (Frontier, Peaks) {
        let mut peaks = Peaks::default();
        let (mut rows, mut levels) = (vec![Vec::new()], vec![Vec::new()]);
        for number in 0..gone {
            if let Some(root) = peaks.append(leaf(number)) {
                levels[0].clear();
                rows[0].push(root);
                if rows[0].len() == 256 {
                    rows[0].clear();
                }
            } else {
                levels[0].push(leaf(number));
            }
        }
        let mut all = vec![levels.remove(0)];
        if gone >= 256 {
            all.push(rows.remove(0));
        }
        (Frontier::new(gone, 0, all).unwrap(), peaks)
    }

    fn begun() -> Begun {
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let trees = vec![
            (Tree::System, frontier(700).0),
            (Tree::Operations(tenant), frontier(256).0),
            (Tree::Changes(tenant), frontier(1).0),
        ];
        let at = Timestamp::from_micros(1_795_000_000_000_000);
        let of = (Uuid::from_u128(7), "node-a".to_owned());
        Begun::new(of, 958, at, Uuid::from_u128(8), trees)
    }

    #[test]
    fn a_tree_goes_on_from_its_partial_tiles() {
        for gone in [1, 2, 255, 256, 257, 700, 1_024, 5_000] {
            let (frontier, peaks) = frontier(gone);
            assert_eq!(frontier.peaks(), Some(peaks), "{gone}");
            let last = gone - 1;
            let is_partial = gone % 256 != 0;
            let expected = is_partial.then(|| leaf(last));
            assert_eq!(frontier.hash(0, last), expected, "{gone}");
            assert_eq!(frontier.hash(0, gone), None);
        }
        assert_eq!(Frontier::new(2, 0, vec![vec![leaf(0)]]), None);
    }

    #[test]
    fn a_note_reads_back_and_no_flipped_bit_or_cut_passes() {
        let bytes = begun().encode();
        assert_eq!(Begun::decode(&bytes), Ok(begun()));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert_eq!(Begun::decode(&flipped), Err(Unread::Broken), "byte {at}");
            assert_eq!(Begun::decode(&bytes[..at]), Err(Unread::Broken));
        }
    }

    /// Made by another hand, from the page that describes the format.
    #[test]
    fn the_note_of_the_corpus_is_what_is_written() {
        let bytes = include_bytes!("../../../corpus/log-beginning/1/log-beginning");
        assert_eq!(Begun::decode(bytes), Ok(begun()));
        assert_eq!(begun().encode(), bytes);
    }

    #[test]
    fn a_later_format_is_named() {
        let mut bytes = begun().encode();
        bytes[5] = 9;
        let content = bytes.len() - Hash::SIZE;
        let digest = Hash::of_leaf(&bytes[..content]);
        bytes[content..].copy_from_slice(digest.as_bytes());
        assert_eq!(Begun::decode(&bytes), Err(Unread::Version(9)));
    }
}
