//! The tiles of one tree: full ones as files, made once and never changed; partial ones from the
//! journal whenever they are asked for.

use std::io;

use keyward_ledger::{
    Content, Hash, MemoryTree, TILE_WIDTH, Tile, bytes_of, entries_of, hashes_of, put_entry,
};

use crate::beginning::{self, Frontier};
use crate::journal::Journal;
use crate::reader::Place;
use crate::trees::end::{End, Full, GONE};
use crate::trees::places;
use crate::trees::{LogFiles, Tree, TreesError};

pub(super) const WIDTH: u64 = TILE_WIDTH as u64;
/// How many damaged files one after another a search goes past.
const PASSED_OVER: usize = 8;

/// The files of one tree.
pub(super) struct Tiles<'a, F> {
    pub(super) files: &'a F,
    pub(super) journal: &'a Journal,
    pub(super) tree: Tree,
    /// What is noted of the entries that were let go of.
    pub(super) begun: beginning::Shared,
}

impl<F: LogFiles> Tiles<'_, F> {
    /// Writes a tile of leaves that is full, its entries, and the tiles above that it made full.
    pub(super) fn write(&self, full: &Full) -> Result<(), TreesError> {
        let (leaves, bundle) = self.leaves(full.index, &full.places)?;
        let entries = self.full(Content::Entries, full.index)?;
        let mut tile = self.full(Content::Hashes { level: 0 }, full.index)?;
        // What lies there now must be what was integrated.
        if MemoryTree::new(leaves.iter().copied()).root() != full.root {
            return Err(self.damaged(entries));
        }
        self.put(
            &places::path(entries),
            &places::encode(&self.kept(full.index, &full.places), &full.root),
        )?;
        if let Some(bundle) = bundle {
            self.put(&entries.to_string(), &bundle)?;
        }
        self.put(&tile.to_string(), &bytes_of(&leaves))?;
        // Every 256th of a level makes one above it full.
        while (tile.index() + 1).is_multiple_of(WIDTH)
            && let Content::Hashes { level } = tile.content()
            && level < 7
        {
            let above = self.full(Content::Hashes { level: level + 1 }, tile.index() / WIDTH)?;
            self.put(&above.to_string(), &bytes_of(&self.over(above)?))?;
            tile = above;
        }
        Ok(())
    }

    /// A tile's bytes, as a tree that ends so has it; none if it has no such tile. A narrower one is
    /// the beginning of the one that there is.
    pub(super) fn read(&self, tile: Tile, end: &End) -> Result<Option<Vec<u8>>, TreesError> {
        let Some(present) = Tile::in_tree(tile.content(), tile.index(), end.size()) else {
            return Ok(None);
        };
        if tile.width() > present.width() {
            return Ok(None);
        }
        self.ensure_kept(tile)?;
        let bytes = match tile.content() {
            _ if present.is_full() => self.file(present)?,
            content @ (Content::Entries | Content::Hashes { level: 0 }) => {
                let places = end.places();
                let wanted = places.get(..usize::from(tile.width()));
                let (leaves, bundle) = self.leaves(tile.index(), wanted.unwrap_or_default())?;
                return match content {
                    Content::Entries => bundle.map(Some).ok_or_else(|| self.let_go()),
                    Content::Hashes { .. } => Ok(Some(bytes_of(&leaves))),
                };
            }
            Content::Hashes { .. } => return Ok(Some(bytes_of(&self.over(tile)?))),
        };
        self.beginning(bytes, tile).map(Some)
    }

    /// One entry of a tree that has it. Of a tile that was let go of no other is read, if the hash that it
    /// must have is at hand.
    pub(super) fn entry(&self, index: u64, end: &End) -> Result<Vec<u8>, TreesError> {
        let (number, within) = (index / WIDTH, (index % WIDTH) as usize);
        let gone = self.begins().map_or(0, |begins| begins.gone);
        if index < gone {
            return Err(self.let_go());
        }
        if number == end.size() / WIDTH {
            let place = end.places().get(within).copied();
            return self.at(place)?.ok_or_else(|| self.gone());
        }
        let entries = self.full(Content::Entries, number)?;
        let tile = self.full(Content::Hashes { level: 0 }, number)?;
        let hashes = match self.present(tile)? {
            // The entries before it in the same tile are gone.
            None if number * WIDTH < gone => Some(self.made_again(tile)?),
            present => present,
        };
        let bundle = match (self.present(entries)?, hashes) {
            (Some(bundle), _) => bundle,
            (None, Some(hashes)) => {
                let hashes = hashes_of::<io::Error>(tile, &hashes);
                let hashes = hashes.map_err(|_| self.damaged(tile))?;
                let (places, _) = self.places(entries)?;
                let entry = self.at(places.get(within).copied())?;
                let leaf = entry.as_ref().map(|entry| Hash::of_leaf(entry));
                let same = leaf.as_ref() == hashes.get(within);
                return entry.filter(|_| same).ok_or_else(|| self.damaged(entries));
            }
            (None, None) => self.made_again(entries)?,
        };
        let all = entries_of(entries, &bundle).map_err(|_| self.damaged(entries))?;
        let entry = all.get(within).map(|entry| entry.to_vec());
        entry.ok_or_else(|| self.damaged(entries))
    }

    fn at(&self, place: Option<Place>) -> Result<Option<Vec<u8>>, TreesError> {
        Ok(self.journal.at(place.as_slice())?.pop())
    }

    /// Which entry of the tree lies at a place: by halves, over the tiles and then within one.
    pub(super) fn index_of(&self, place: Place, end: &End) -> Result<Option<u64>, TreesError> {
        let begins = self.begins().map_or(0, |begins| begins.gone / WIDTH);
        let (mut from, mut until) = (begins, end.size() / WIDTH);
        if let Ok(at) = end.places().binary_search(&place) {
            return Ok(Some(until * WIDTH + at as u64));
        }
        while from < until {
            let middle = from + (until - from) / 2;
            let (number, places) = self.places_from(middle, until)?;
            match (places.first(), places.last()) {
                (Some(first), _) if place < *first => until = middle,
                (_, Some(last)) if place > *last => from = number + 1,
                _ => {
                    let at = places.binary_search(&place).ok();
                    return Ok(at.map(|at| number * WIDTH + at as u64));
                }
            }
        }
        Ok(None)
    }

    /// Where the entries of a tile lie; if that is damaged, those of one of the next: what lies elsewhere is
    /// found all the same.
    fn places_from(&self, first: u64, until: u64) -> Result<(u64, Vec<Place>), TreesError> {
        let mut told = None;
        for number in (first..until).take(PASSED_OVER) {
            match self.places(self.full(Content::Entries, number)?) {
                Ok((places, _)) => return Ok((number, places)),
                Err(error @ TreesError::Io { .. }) => return Err(error),
                Err(error) => _ = told.get_or_insert(error),
            }
        }
        Err(told.unwrap_or_else(|| self.gone()))
    }

    /// As much of a full tile as a narrower one has.
    fn beginning(&self, mut bytes: Vec<u8>, tile: Tile) -> Result<Vec<u8>, TreesError> {
        let width = usize::from(tile.width());
        if tile.content() != Content::Entries {
            bytes.truncate(width * Hash::SIZE);
            return Ok(bytes);
        }
        let full = tile.full();
        let entries = entries_of(full, &bytes).map_err(|_| self.damaged(full))?;
        let mut out = Vec::new();
        for entry in entries.iter().take(width) {
            put_entry(&mut out, entry)?;
        }
        Ok(out)
    }

    /// The hashes of a tile above the leaves: each is the root of a full tile below.
    pub(super) fn over(&self, tile: Tile) -> Result<Vec<Hash>, TreesError> {
        let Content::Hashes { level } = tile.content() else {
            return Ok(Vec::new());
        };
        let (tile_level, level) = (level, level.saturating_sub(1));
        let first = tile.index() * WIDTH;
        let below = (first..first + u64::from(tile.width())).map(|index| {
            let full = self.full(Content::Hashes { level }, index)?;
            // Of what was let go of it is noted, as far as something behind it is there.
            if let Some(noted) = self.begins().and_then(|it| it.hash(tile_level, index)) {
                return Ok(noted);
            }
            let bytes = match self.present(full)? {
                Some(bytes) => bytes,
                // Of a tile of leaves that was let go of the root is known.
                None if level == 0 => {
                    let (_, root) = self.places(self.full(Content::Entries, index)?)?;
                    return Ok(root);
                }
                None => return Err(self.damaged(full)),
            };
            let hashes = hashes_of::<io::Error>(full, &bytes).map_err(|_| self.damaged(full))?;
            Ok(MemoryTree::new(hashes).root())
        });
        below.collect()
    }

    fn full(&self, content: Content, index: u64) -> Result<Tile, TreesError> {
        Tile::new(content, index, TILE_WIDTH).ok_or_else(|| self.gone())
    }

    fn path(&self, tile: Tile) -> String {
        format!("{}/{tile}", self.tree)
    }

    /// The tree has not what it must.
    fn gone(&self) -> TreesError {
        TreesError::Damaged {
            path: self.tree.to_string(),
        }
    }

    fn damaged(&self, tile: Tile) -> TreesError {
        let path = self.path(tile);
        TreesError::Damaged { path }
    }

    /// A full tile: its file, or what the journal says if it was let go of.
    fn file(&self, tile: Tile) -> Result<Vec<u8>, TreesError> {
        match self.present(tile)? {
            Some(bytes) => Ok(bytes),
            None if is_of_leaves(tile) => self.made_again(tile),
            // What is above entries that are gone stays, and cannot be made again.
            None if self.is_gone(tile) => Err(self.let_go()),
            None => Err(self.damaged(tile)),
        }
    }

    /// The beginning of the tree; none if all of it is there.
    pub(super) fn begins(&self) -> Option<&Frontier> {
        self.begun.as_ref()?.of(self.tree)
    }

    /// Whether all entries that a tile is over were let go of.
    fn is_gone(&self, tile: Tile) -> bool {
        let level = match tile.content() {
            Content::Hashes { level } => level,
            Content::Entries => 0,
        };
        let end = tile.index() * WIDTH + u64::from(tile.width());
        self.begins().is_some_and(|it| end <= it.of_level(level))
    }

    /// Refuses leaves that were let go of, and bundles of which any entry was: what is given out of those
    /// begins with a whole one.
    fn ensure_kept(&self, tile: Tile) -> Result<(), TreesError> {
        let begins = tile.index() * WIDTH;
        let is_gone = match tile.content() {
            Content::Entries => self.begins().is_some_and(|it| begins < it.gone),
            Content::Hashes { level: 0 } => self.is_gone(tile.full()),
            Content::Hashes { .. } => false,
        };
        if is_gone { Err(self.let_go()) } else { Ok(()) }
    }

    fn let_go(&self) -> TreesError {
        let first = self.journal.beginning();
        TreesError::LetGo { first }
    }

    /// How many of the first entries of a tile of leaves were let go of.
    fn gone_in(&self, index: u64) -> usize {
        let gone = self.begins().map_or(0, |begins| begins.gone);
        gone.saturating_sub(index * WIDTH).min(WIDTH) as usize
    }

    /// Where the entries of a tile lie, and that nothing is known of those that were let go of.
    pub(super) fn kept(&self, index: u64, places: &[Place]) -> Vec<Place> {
        let gone = self.gone_in(index).min(places.len());
        let kept = places.iter().skip(gone).copied();
        std::iter::repeat_n(GONE, gone).chain(kept).collect()
    }

    /// The leaves of the first entries of a tile, and their bundle if all of them are there.
    fn leaves(
        &self,
        index: u64,
        places: &[Place],
    ) -> Result<(Vec<Hash>, Option<Vec<u8>>), TreesError> {
        let gone = self.gone_in(index).min(places.len());
        let noted = self.begins().map_or(&[][..], Frontier::leaves);
        let mut leaves = match noted.get(..gone) {
            Some(noted) => noted.to_vec(),
            None => return Err(self.let_go()),
        };
        let mut bundle = Vec::new();
        for entry in self.journal.at(places.get(gone..).unwrap_or_default())? {
            put_entry(&mut bundle, &entry)?;
            leaves.push(Hash::of_leaf(&entry));
        }
        Ok((leaves, (gone == 0).then_some(bundle)))
    }

    /// A full tile's file; none if it is not there.
    pub(super) fn present(&self, tile: Tile) -> Result<Option<Vec<u8>>, TreesError> {
        self.bytes(&tile.to_string())
    }

    fn bytes(&self, file: &str) -> Result<Option<Vec<u8>>, TreesError> {
        let path = format!("{}/{file}", self.tree);
        let read = self.files.read(&path);
        read.map_err(|source| TreesError::Io { path, source })
    }

    /// Where the entries of a full tile lie, as its file says it.
    pub(super) fn places_file(&self, entries: Tile) -> Result<Vec<u8>, TreesError> {
        let file = places::path(entries);
        let damaged = || TreesError::Damaged {
            path: format!("{}/{file}", self.tree),
        };
        self.bytes(&file)?.ok_or_else(damaged)
    }

    /// Where the entries of a full tile lie, and the root over them.
    pub(super) fn places(&self, entries: Tile) -> Result<(Vec<Place>, Hash), TreesError> {
        let damaged = || TreesError::Damaged {
            path: format!("{}/{}", self.tree, places::path(entries)),
        };
        places::decode(&self.places_file(entries)?).ok_or_else(damaged)
    }

    /// A full tile of leaves, or of entries, from the journal.
    fn made_again(&self, tile: Tile) -> Result<Vec<u8>, TreesError> {
        let (places, root) = self.places(self.full(Content::Entries, tile.index())?)?;
        let (leaves, bundle) = self.leaves(tile.index(), &places)?;
        if MemoryTree::new(leaves.iter().copied()).root() != root {
            return Err(self.damaged(tile));
        }
        Ok(match tile.content() {
            Content::Entries => bundle.ok_or_else(|| self.let_go())?,
            Content::Hashes { .. } => bytes_of(&leaves),
        })
    }

    /// Lets go of a file.
    pub(super) fn remove(&self, tile: Tile) -> Result<(), TreesError> {
        self.remove_file(&tile.to_string())
    }

    pub(super) fn remove_file(&self, file: &str) -> Result<(), TreesError> {
        let path = format!("{}/{file}", self.tree);
        let removed = self.files.remove(&path);
        removed.map_err(|source| TreesError::Io { path, source })
    }

    /// Makes a full tile's file, also if it is there: what an earlier life of the process put, or a
    /// power cut left, is not known to be durable, nor to be whole.
    fn put(&self, file: &str, bytes: &[u8]) -> Result<(), TreesError> {
        let path = format!("{}/{file}", self.tree);
        let io = |source| TreesError::Io {
            path: path.clone(),
            source,
        };
        if let Some(found) = self.files.read(&path).map_err(io)?
            && found != bytes
        {
            tracing::warn!(
                path,
                "a file of the transparency log was torn and is made anew"
            );
        }
        self.files.put(&path, bytes).map_err(io)
    }
}

fn is_of_leaves(tile: Tile) -> bool {
    matches!(
        tile.content(),
        Content::Entries | Content::Hashes { level: 0 }
    )
}
