//! Letting go of the oldest entries: what must be known of each tree without them is gathered from its
//! tiles, and proved to lead to the tree as it is, before anything is noted; then the journal's segments go,
//! and then the files of leaves that were wholly of those entries.

use std::sync::Arc;

use keyward_core::time::Timestamp;
use keyward_ledger::{Content, Hash, Head, TILE_WIDTH, Tile, hashes_of, verify_consistency};

use crate::beginning::{Begun, Frontier, widths};
use crate::journal::Journal;
use crate::letting_go::LetGoError;
use crate::reader::Place;
use crate::trees::end::End;
use crate::trees::places;
use crate::trees::tiles::WIDTH;
use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// How many trees one step looks at, and of how many tiles one removes the files.
const STEP: u64 = 16;

/// What is gathered before entries are let go of.
pub struct LettingGo {
    /// With which entry the journal is to begin.
    first: u64,
    /// Where it begins now.
    begins: u64,
    /// The next tree; the system's first.
    next: usize,
    found: Vec<(Tree, Frontier)>,
}

/// The note of what is let go of, before it is in its place. What was written of it goes if it never is.
pub struct Noted {
    journal: Arc<Journal>,
    begun: Arc<Begun>,
    begins: u64,
    is_placed: bool,
}

impl Noted {
    /// Writes it beside its place, durably. Blocks while it does.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self) -> Result<(), LetGoError> {
        self.journal.write_beginning(&self.begun)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.is_placed {
            self.journal.discard_beginning();
        }
    }
}

/// The removing of files that were of entries that are gone.
#[derive(Default)]
pub struct Sweeping {
    /// Of which beginning.
    begins: u64,
    /// The tree that is gone over now, in the order in which they are noted.
    tree: usize,
    /// The next tile of it.
    tile: u64,
}

impl<F: LogFiles> Forest<F> {
    /// The last entry up to which entries may be let go of, as far as the trees are concerned: all behind it
    /// is still there when they are opened again.
    pub fn may_let_go_through(&self) -> u64 {
        self.kept.saturating_sub(1)
    }

    /// Begins to let go of all entries before one, which begins a segment.
    pub fn begin_letting_go(&self, first: u64) -> LettingGo {
        LettingGo {
            first,
            begins: self.journal.beginning(),
            next: 0,
            found: Vec::new(),
        }
    }

    /// Looks at some trees. Whether there are more. Nothing is changed.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what the tree must have.
    pub fn gather(&self, letting: &mut LettingGo) -> Result<bool, TreesError> {
        for _ in 0..STEP {
            let tree = match letting.next.checked_sub(1) {
                None => Some(Tree::System),
                Some(other) => self.trees.get(other).map(|(tree, _)| *tree),
            };
            let Some(tree) = tree else { return Ok(false) };
            if let Some(frontier) = self.frontier(tree, letting.first)? {
                letting.found.push((tree, frontier));
            }
            letting.next += 1;
        }
        Ok(true)
    }

    /// What is to be noted of them. Blocks while it reads the header of a segment.
    ///
    /// # Errors
    /// When no segment begins there, or it cannot be read.
    pub fn noted(&self, letting: LettingGo, at: Timestamp) -> Result<Noted, LetGoError> {
        let (first, begins) = (letting.first, letting.begins);
        let of = (self.journal.deployment, self.journal.node_of(first)?);
        let log = self.log().unwrap_or_default();
        Ok(Noted {
            journal: Arc::clone(&self.journal),
            begun: Arc::new(Begun::new(of, first, at, log, letting.found)),
            begins,
            is_placed: false,
        })
    }

    /// Lets go of them: the note, which was written, is put in its place. The segments' files stay until
    /// [`Journal::finish_letting_go`].
    ///
    /// # Errors
    /// When the disk fails: the entries are there as before; or when something else was let go of meanwhile.
    pub fn let_go(&self, mut noted: Noted) -> Result<(), LetGoError> {
        let first = noted.begun.first;
        let is_as_it_was = noted.begins == self.journal.beginning();
        if !is_as_it_was || first > self.may_let_go_through() + 1 {
            return Err(LetGoError::NotThere { first });
        }
        self.journal.begin(&noted.begun)?;
        noted.is_placed = true;
        Ok(())
    }

    /// Looks whether some trees, from the `next` one that is noted on, lead on from what is noted of them.
    /// Whether there are more.
    ///
    /// # Errors
    /// When a file cannot be read, or the note is not of this log: nothing may be removed on its word.
    pub fn ensure_begun(&self, next: &mut usize) -> Result<bool, TreesError> {
        let Some(begun) = self.journal.begun() else {
            return Ok(false);
        };
        if begun.log != self.log().unwrap_or(begun.log) && !begun.log.is_nil() {
            return Err(TreesError::OtherBeginning);
        }
        let rest = begun.trees().get(*next..).unwrap_or_default();
        for (tree, frontier) in rest.iter().take(STEP as usize) {
            if self.head(*tree).size < frontier.gone {
                return Err(TreesError::OtherBeginning);
            }
            match self.ensure_leads_on(*tree, frontier) {
                Err(TreesError::Damaged { .. }) => return Err(TreesError::OtherBeginning),
                looked => looked?,
            }
            *next += 1;
        }
        Ok(rest.len() > STEP as usize)
    }

    /// What must be known of a tree without its entries before one; none if it has none of these.
    fn frontier(&self, tree: Tree, first: u64) -> Result<Option<Frontier>, TreesError> {
        let Some(end) = self.end(tree) else {
            return Ok(None);
        };
        let gone = self.gone_before(tree, end, first)?;
        if gone == 0 {
            return Ok(None);
        }
        let damaged = || TreesError::Damaged {
            path: tree.to_string(),
        };
        let mut rows = Vec::new();
        for (level, width) in (0_u8..).zip(widths(gone)) {
            let index = (gone >> (8 * u32::from(level))) / WIDTH;
            let tile = Tile::new(Content::Hashes { level }, index, width as u16);
            let Some(tile) = tile.filter(|_| width > 0) else {
                rows.push(Vec::new());
                continue;
            };
            let bytes = self.tile(tree, tile)?.ok_or_else(damaged)?;
            rows.push(hashes_of::<TreesError>(tile, &bytes).map_err(|_| damaged())?);
        }
        let tiles = self.tiles(tree);
        let swept = tiles.begins().map_or(0, |begins| {
            if self.swept == self.journal.beginning() {
                begins.gone / WIDTH
            } else {
                begins.swept
            }
        });
        let frontier = Frontier::new(gone, swept, rows).ok_or_else(damaged)?;
        self.ensure_leads_on(tree, &frontier)?;
        Ok(Some(frontier))
    }

    /// How many entries of a tree are in segments before one: by halves, over where they lie.
    fn gone_before(&self, tree: Tree, end: &End, first: u64) -> Result<u64, TreesError> {
        let tiles = self.tiles(tree);
        let full = end.size() / WIDTH;
        let places = |index| -> Result<Vec<Place>, TreesError> {
            if index == full {
                return Ok(end.places());
            }
            let entries = Tile::new(Content::Entries, index, TILE_WIDTH);
            let entries = entries.ok_or_else(|| TreesError::Damaged {
                path: tree.to_string(),
            })?;
            Ok(tiles.places(entries)?.0)
        };
        let begins = tiles.begins().map_or(0, |begins| begins.gone / WIDTH);
        let (mut from, mut until) = (begins, full);
        while from < until {
            let middle = from + (until - from) / 2;
            match places(middle)?.last() {
                Some(last) if last.segment < first => from = middle + 1,
                _ => until = middle,
            }
        }
        let within = places(from)?.partition_point(|place| place.segment < first);
        Ok(from * WIDTH + within as u64)
    }

    /// The tree as it is goes on from what is gathered of it: by a proof, as strangers check it.
    fn ensure_leads_on(&self, tree: Tree, frontier: &Frontier) -> Result<(), TreesError> {
        let damaged = || TreesError::Damaged {
            path: tree.to_string(),
        };
        let peaks = frontier.peaks().ok_or_else(damaged)?;
        let old = Head {
            size: peaks.size(),
            root: peaks.root(),
        };
        let new = self.head(tree);
        let proof: Vec<Hash> = if old.size == new.size {
            Vec::new()
        } else {
            self.consistency(tree, old.size, new.size)?
        };
        verify_consistency(old, new, &proof).map_err(|_| damaged())
    }

    /// Removes some files of entries that are gone. Whether there may be more.
    ///
    /// # Errors
    /// When one cannot be removed: the next step tries it again.
    pub fn sweep(&mut self, sweeping: &mut Sweeping) -> Result<bool, TreesError> {
        let begins = self.journal.beginning();
        if sweeping.begins != begins {
            *sweeping = Sweeping {
                begins,
                ..Sweeping::default()
            };
        }
        let Some(begun) = self.journal.begun().filter(|_| self.swept != begins) else {
            return Ok(false);
        };
        let Some((tree, frontier)) = begun.trees().get(sweeping.tree) else {
            self.swept = begins;
            return Ok(false);
        };
        let (tiles, whole) = (self.tiles(*tree), frontier.gone / WIDTH);
        let from = sweeping.tile.max(frontier.swept);
        let until = whole.min(from + STEP);
        let tile = |content, index| {
            Tile::new(content, index, TILE_WIDTH).ok_or_else(|| TreesError::Damaged {
                path: tree.to_string(),
            })
        };
        for index in from..until {
            let entries = tile(Content::Entries, index)?;
            tiles.remove(entries)?;
            tiles.remove(tile(Content::Hashes { level: 0 }, index)?)?;
            tiles.remove_file(&places::path(entries))?;
        }
        sweeping.tile = until;
        if until >= whole {
            // Of the next some entries are gone, and its hashes are needed.
            if !frontier.leaves().is_empty() {
                tiles.remove(tile(Content::Entries, whole)?)?;
            }
            (sweeping.tree, sweeping.tile) = (sweeping.tree + 1, 0);
        }
        Ok(true)
    }
}
