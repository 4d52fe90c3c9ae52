//! A transparency log's files in a directory.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};

use keyward_ledger::{Content, Files, TILE_WIDTH, Tile};

use crate::exit::{Exit, Failure};
use crate::output;

/// No path of a log has more parts: `tile`, the level, seven groups of digits, the width.
const DEPTH_MAX: usize = 12;
/// After how many bundles a watching person is told how far it is.
const TOLD_EVERY: u64 = 256;

/// The directory.
pub struct LogDirectory {
    place: PathBuf,
    /// Whether a person watches.
    watched: bool,
}

impl LogDirectory {
    /// A directory that is there.
    pub fn open(place: &Path) -> Result<Self, Failure> {
        if !place.is_dir() {
            let what = format!("{} is not a directory", place.display());
            return Err(Failure::new(Exit::NotFound, what)
                .next("name the directory that holds the log's `checkpoint` and `tile`"));
        }
        Ok(Self {
            place: place.to_owned(),
            watched: io::stderr().is_terminal(),
        })
    }

    /// A file whole, or the first `most` + 1 bytes of a longer one.
    pub fn bytes(&self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let place = self.place.join(path);
        // Whatever else stands there is not opened: a pipe would be waited for.
        match fs::metadata(&place) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(ErrorKind::InvalidInput.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut bytes = Vec::new();
        File::open(&place)?
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn tell(&self, path: &str) {
        if !self.watched {
            return;
        }
        let Ok(tile) = path.parse::<Tile>() else {
            return;
        };
        if tile.content() == Content::Entries && tile.index().is_multiple_of(TOLD_EVERY) {
            let entries = tile.index() * u64::from(TILE_WIDTH);
            output::say(&format!("\r{entries} entries checked "));
        }
    }

    fn walk(&self, below: &Path, depth: usize, found: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(self.place.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            // A link is a file here: what it leads to is read, never walked into.
            if entry.file_type()?.is_dir() && depth < DEPTH_MAX {
                self.walk(&path, depth + 1, found)?;
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }
}

impl Files for LogDirectory {
    fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        self.tell(path);
        self.bytes(path, most)
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        if self.watched {
            output::say("\r\u{1b}[K");
        }
        let mut found = Vec::new();
        self.walk(Path::new(""), 0, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }
}
