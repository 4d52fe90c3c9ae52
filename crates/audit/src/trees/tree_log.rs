//! One transparency log: grows from the journal, survives a crash at any write, and refuses to go on
//! from anything that contradicts what it has signed.

use std::io;

use keyward_ledger::{
    Checkpoint, CheckpointError, Content, EntryTooLong, GrowingTree, Hash, Head, NoteError,
    SignError, TILE_WIDTH, Tile, VerifierKey, bytes_of, hashes_of, put_entry,
};

/// A full tile's or bundle's width.
const WIDTH: u64 = TILE_WIDTH as u64;
/// How far the journal need not be read again: full bundles, and the last sequence number in them.
const POSITION: &str = "position";
/// The last head that was, or was about to be, signed.
const SIGNED: &str = "signed";
/// The signed checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// Where a log's files are kept.
pub trait LogFiles {
    /// A file whole; none if it is not there.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file whole and durably, over what was there. After an error it may have happened or
    /// not; it is never there in part.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Why a log cannot be opened or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeLogError<E> {
    /// A file cannot be read or written.
    #[error("the transparency log's {path} cannot be read or written")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it must be.
    #[error(
        "the transparency log's {path} is gone or altered; put the log's directory back from a \
         copy, or remove it to have it made anew from the whole journal"
    )]
    Damaged {
        /// Which.
        path: String,
    },
    /// The journal ends before entries that were signed.
    #[error(
        "a checkpoint of {signed} entries was signed, and the journal has {found}: its end is lost, \
         or an older copy of it was put back; put the newer one back, going on would contradict \
         what was signed"
    )]
    Shrunk {
        /// How many were signed.
        signed: u64,
        /// How many there are.
        found: u64,
    },
    /// The journal's entries are not those that were signed.
    #[error(
        "the first {signed} entries of the journal are not those of which a checkpoint was signed: \
         keep both as evidence and put the journal back from a copy"
    )]
    Contradiction {
        /// How many were signed.
        signed: u64,
    },
    /// An entry does not fit a bundle.
    #[error(transparent)]
    TooLong(#[from] EntryTooLong),
    /// The checkpoint cannot be made.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its text cannot be a note's.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError<E>),
}

/// A log on disk.
pub struct TreeLog<F> {
    files: F,
    key: VerifierKey,
    tree: GrowingTree,
    /// The entries of the last, partial bundle.
    bundle: Vec<u8>,
    /// The last entry's sequence number in the journal; 0 if there is none.
    sequence: u64,
    signed: Option<Head>,
}

impl<F: LogFiles> TreeLog<F> {
    /// Opens a log, or begins one. Entries of the journal after [`TreeLog::sequence`] are to be
    /// appended next, and [`TreeLog::caught_up`] asked when there are no more.
    pub fn open<E>(files: F, key: VerifierKey) -> Result<Self, TreeLogError<E>> {
        let signed = match read(&files, SIGNED)? {
            Some(bytes) => Some(head_of(&bytes).ok_or_else(|| damaged(SIGNED))?),
            None => None,
        };
        let (bundles, sequence) = match read(&files, POSITION)? {
            Some(bytes) => numbers(&bytes).ok_or_else(|| damaged(POSITION))?,
            None => (0, 0),
        };
        let size = bundles
            .checked_mul(WIDTH)
            .ok_or_else(|| damaged(POSITION))?;
        let tree = GrowingTree::resume(size, |tile| partial(&files, tile))?;
        let log = Self {
            files,
            key,
            tree,
            bundle: Vec::new(),
            sequence,
            signed,
        };
        log.contradicts()?;
        Ok(log)
    }

    /// The last entry's sequence number in the journal; 0 if there is none.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many entries it has, and their root.
    pub fn head(&self) -> Head {
        Head {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    /// Adds the journal's next entry. One that is there already is passed over. After an error the
    /// log is to be opened again.
    pub fn append<E>(&mut self, sequence: u64, entry: &[u8]) -> Result<(), TreeLogError<E>> {
        if sequence <= self.sequence {
            return Ok(());
        }
        put_entry(&mut self.bundle, entry)?;
        let full = self.tree.append(Hash::of_leaf(entry));
        self.sequence = sequence;
        let done = !full.is_empty();
        for (tile, hashes) in full {
            if tile.content() == (Content::Hashes { level: 0 }) {
                let bundle = std::mem::take(&mut self.bundle);
                let entries = Tile::new(Content::Entries, tile.index(), TILE_WIDTH);
                let entries = entries.ok_or_else(|| damaged(POSITION))?;
                self.put(&entries.to_string(), &bundle)?;
            }
            self.put(&tile.to_string(), &bytes_of(&hashes))?;
        }
        if done {
            // Only now: until here the journal would be read again from the bundle's beginning.
            let bundles = self.tree.size() / WIDTH;
            let position = format!("{bundles} {sequence}\n");
            write(&self.files, POSITION, position.as_bytes())?;
        }
        self.contradicts()
    }

    /// Writes what never changes: if it is there, it must be the same.
    fn put<E>(&self, path: &str, bytes: &[u8]) -> Result<(), TreeLogError<E>> {
        match read(&self.files, path)? {
            Some(found) if found == bytes => Ok(()),
            Some(_) => Err(damaged(path)),
            None => write(&self.files, path, bytes),
        }
    }

    /// Whether the tree, at the size that was signed, has another root.
    fn contradicts<E>(&self) -> Result<(), TreeLogError<E>> {
        let signed = self.signed.filter(|signed| signed.size == self.tree.size());
        match signed {
            Some(head) if head.root != self.tree.root() => {
                Err(TreeLogError::Contradiction { signed: head.size })
            }
            _ => Ok(()),
        }
    }

    /// Says that the journal has no more entries: whatever was signed must be there.
    pub fn caught_up<E>(&self) -> Result<(), TreeLogError<E>> {
        let found = self.tree.size();
        match self.signed {
            Some(Head { size: signed, .. }) if signed > found => {
                Err(TreeLogError::Shrunk { signed, found })
            }
            _ => Ok(()),
        }
    }

    /// Signs the present head and puts the checkpoint in its place. The head is kept first, so that
    /// no other one of its size is ever signed, whatever happens in between.
    pub fn publish<E>(
        &mut self,
        sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<Head, TreeLogError<E>> {
        self.caught_up()?;
        let head = self.head();
        let mut note = Checkpoint::new(self.key.name().as_str(), head)?.note()?;
        let kept = format!("{} {}\n", head.size, head.root);
        write(&self.files, SIGNED, kept.as_bytes())?;
        self.signed = Some(head);
        note.sign(&self.key, sign)?;
        write(&self.files, CHECKPOINT, note.to_string().as_bytes())?;
        Ok(head)
    }
}

/// The hashes of a partial tile, from the full tiles below it.
fn partial<E>(files: &impl LogFiles, tile: Tile) -> Result<Vec<Hash>, TreeLogError<E>> {
    let Content::Hashes { level } = tile.content() else {
        return Ok(Vec::new());
    };
    // A tree of full bundles has no partial tile of leaves.
    let Some(level) = level.checked_sub(1) else {
        return Err(damaged(&tile.to_string()));
    };
    let first = tile.index() * WIDTH;
    let below = (first..first + u64::from(tile.width())).map(|index| {
        let content = Content::Hashes { level };
        let full = Tile::new(content, index, TILE_WIDTH).ok_or_else(|| damaged(POSITION))?;
        let path = full.to_string();
        let bytes = read(files, &path)?.ok_or_else(|| damaged(&path))?;
        let hashes = hashes_of::<io::Error>(full, &bytes).map_err(|_| damaged(&path))?;
        Ok(keyward_ledger::MemoryTree::new(hashes).root())
    });
    below.collect()
}

fn read<E>(files: &impl LogFiles, path: &str) -> Result<Option<Vec<u8>>, TreeLogError<E>> {
    files.read(path).map_err(|source| TreeLogError::Io {
        path: path.to_owned(),
        source,
    })
}

fn write<E>(files: &impl LogFiles, path: &str, bytes: &[u8]) -> Result<(), TreeLogError<E>> {
    files.write(path, bytes).map_err(|source| TreeLogError::Io {
        path: path.to_owned(),
        source,
    })
}

fn damaged<E>(path: &str) -> TreeLogError<E> {
    let path = path.to_owned();
    TreeLogError::Damaged { path }
}

fn words(bytes: &[u8]) -> Option<(&str, &str)> {
    str::from_utf8(bytes)
        .ok()?
        .strip_suffix('\n')?
        .split_once(' ')
}

fn numbers(bytes: &[u8]) -> Option<(u64, u64)> {
    let (bundles, sequence) = words(bytes)?;
    Some((bundles.parse().ok()?, sequence.parse().ok()?))
}

fn head_of(bytes: &[u8]) -> Option<Head> {
    let (size, root) = words(bytes)?;
    Some(Head {
        size: size.parse().ok()?,
        root: root.parse().ok()?,
    })
}
