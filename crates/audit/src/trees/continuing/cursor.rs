//! One tree of the copy, entry after entry, each with its number. A bundle's numbers and where its entries
//! begin are kept, and not the entries: there may be twenty thousand trees at a time.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use keyward_ledger::{Content, Tile, entries_of};

use super::{ContinueError, of_file};
use crate::mirror::{numbers_in, numbers_path};
use crate::trees::Tree;
use crate::trees::tiles::WIDTH;

/// Bytes before each entry of a bundle that say its length.
const PREFIX: u64 = 2;

/// A tree being read.
pub(super) struct Cursor<'a> {
    copy: &'a Path,
    tree: Tree,
    size: u64,
    /// The index of the next entry.
    at: u64,
    /// Of the bundle that it is in, and the tile's own place.
    numbers: Vec<u64>,
    spans: Vec<(u64, usize)>,
    file: PathBuf,
    /// The number of the last entry that was taken.
    last: u64,
}

impl<'a> Cursor<'a> {
    /// A tree of so many entries.
    pub(super) fn new(copy: &'a Path, tree: Tree, size: u64) -> Self {
        Self {
            copy,
            tree,
            size,
            at: 0,
            numbers: Vec::new(),
            spans: Vec::new(),
            file: PathBuf::new(),
            last: 0,
        }
    }

    pub(super) const fn tree(&self) -> Tree {
        self.tree
    }

    /// The number of the next entry; none behind the last.
    pub(super) fn number(&mut self) -> Result<Option<u64>, ContinueError> {
        if self.at >= self.size {
            return Ok(None);
        }
        if self.at.is_multiple_of(WIDTH) {
            self.load()?;
        }
        Ok(self.numbers.get(self.within()).copied())
    }

    /// The next entry.
    pub(super) fn take(&mut self) -> Result<Vec<u8>, ContinueError> {
        let within = self.within();
        let (offset, length) = self
            .spans
            .get(within)
            .copied()
            .ok_or(ContinueError::Empty)?;
        let mut entry = vec![0; length];
        let file = File::open(&self.file);
        file.and_then(|file| file.read_exact_at(&mut entry, offset))
            .map_err(of_file(&self.file))?;
        self.last = self.numbers.get(within).copied().unwrap_or(self.last);
        self.at += 1;
        Ok(entry)
    }

    fn within(&self) -> usize {
        (self.at % WIDTH) as usize
    }

    fn load(&mut self) -> Result<(), ContinueError> {
        let (tile, file, bytes) = bundle(self.copy, self.tree, self.at / WIDTH, self.size)?;
        let entries = entries_in(tile, self.tree, &bytes)?;
        let mut begin = 0;
        let span = |entry: &&[u8]| {
            let span = (begin + PREFIX, entry.len());
            begin += PREFIX + entry.len() as u64;
            span
        };
        self.spans = entries.iter().map(span).collect();
        let path = numbers_path(self.tree, tile);
        let numbers = match fs::read(self.copy.join(&path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ContinueError::NoNumbers { path });
            }
            read => read.map_err(of_file(Path::new(&path)))?,
        };
        let numbers = numbers_in(&numbers, usize::from(tile.width()));
        let numbers = numbers.filter(|it| it.first().is_some_and(|first| *first > self.last));
        let what = "its numbers do not ascend";
        self.numbers = numbers.ok_or(ContinueError::Altered { path, what })?;
        self.file = file;
        Ok(())
    }
}

/// A bundle of a tree of so many entries: which tile it is, where it lies, its bytes.
pub(super) fn bundle(
    copy: &Path,
    tree: Tree,
    index: u64,
    size: u64,
) -> Result<(Tile, PathBuf, Vec<u8>), ContinueError> {
    let tile = Tile::in_tree(Content::Entries, index, size);
    let tile = tile.ok_or(ContinueError::OtherTree { tree })?;
    let file = copy.join(tree.to_string()).join(tile.to_string());
    let bytes = fs::read(&file).map_err(of_file(&file))?;
    Ok((tile, file, bytes))
}

/// The entries of a bundle.
pub(super) fn entries_in(
    tile: Tile,
    tree: Tree,
    bytes: &[u8],
) -> Result<Vec<&[u8]>, ContinueError> {
    entries_of(tile, bytes).map_err(|_| ContinueError::Altered {
        path: format!("{tree}/{tile}"),
        what: "it is no bundle",
    })
}
