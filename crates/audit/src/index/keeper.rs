//! The index of a journal: which blocks have a file, which one is in memory, and which are to be made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use keyward_core::audit::AuditEvent;
use keyward_core::port::audit_log::AuditError;
use keyward_ledger::Hash;
use parking_lot::Mutex;

use crate::index::block::is_damage;
use crate::index::file::{self, Head};
use crate::index::open::Open;
use crate::journal::Journal;
use crate::trees::{LogDirectory, LogFiles};

/// How many sequence numbers belong to a block, unless a test says otherwise: what a place in it takes
/// is two bytes.
pub const BLOCK: u32 = 65_536;
/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// What one request may do before it answers with what it has, in about 10 µs of work: some 100,000
/// blocks by their terms, or 300,000 entries one by one, or a million read where there is no index.
const WORK_MAX: u64 = 300_000;

/// Why the index does not grow. Nothing is lost by it: what has no index is searched in the journal.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] AuditError),
    /// A file cannot be written or read.
    #[error("the file of the block that begins with {first} cannot be kept: {source}")]
    File {
        /// The first sequence number of the block.
        first: u64,
        /// Why.
        source: io::Error,
    },
}

/// The index of a journal.
pub struct AuditIndex {
    pub(super) journal: Arc<Journal>,
    pub(super) dir: PathBuf,
    pub(super) size: u32,
    /// What one request may do.
    pub(super) work: u64,
    pub(super) state: Mutex<State>,
    /// Where the journal lacks more numbers than could be gone through, once that is known: it is as it was
    /// when it was opened.
    pub(super) chasms: OnceLock<Vec<(u64, u64)>>,
    /// Held by whoever makes the index grow.
    pub(super) growing: Mutex<()>,
}

/// What there is.
pub(super) struct State {
    /// Whether the files that an earlier life left were looked at.
    pub(super) is_recognised: bool,
    /// The blocks that have a file, by number.
    pub(super) finished: BTreeMap<u64, Arc<Head>>,
    /// The block that is being made at the journal's end.
    pub(super) open: Open,
    /// Blocks before that one which have no file.
    pub(super) missing: BTreeSet<u64>,
    /// Those of them that could not be made.
    failed: BTreeSet<u64>,
    /// Those whose file could not be read at the start, though nothing says that it is damaged.
    unread: VecDeque<u64>,
}

impl State {
    /// The blocks before the open one that have no file that is known to be sound.
    pub(super) fn lacking(&self) -> impl Iterator<Item = u64> {
        let made = self.missing.iter().chain(&self.failed);
        made.chain(&self.unread).copied()
    }

    /// Forgets all blocks before one.
    pub(super) fn forget_before(&mut self, block: u64) {
        self.finished = self.finished.split_off(&block);
        self.missing = self.missing.split_off(&block);
        self.failed = self.failed.split_off(&block);
        self.unread.retain(|unread| *unread >= block);
    }
}

impl AuditIndex {
    /// The index of a journal in a directory. [`Self::grow`] then takes up what is there and makes what
    /// is not; a search before that reads the journal itself.
    pub fn new(journal: Arc<Journal>, dir: &Path) -> Self {
        Self::with_blocks(journal, dir, BLOCK)
    }

    /// The same with blocks of another size, at most [`BLOCK`].
    pub fn with_blocks(journal: Arc<Journal>, dir: &Path, size: u32) -> Self {
        let size = size.clamp(1, BLOCK);
        Self {
            journal,
            dir: dir.to_owned(),
            size,
            work: WORK_MAX,
            state: Mutex::new(State {
                is_recognised: false,
                finished: BTreeMap::new(),
                open: Open::new(1, size),
                missing: BTreeSet::new(),
                failed: BTreeSet::new(),
                unread: VecDeque::new(),
            }),
            chasms: OnceLock::new(),
            growing: Mutex::new(()),
        }
    }

    /// The same with another bound of what one request does: the measure is about 10 µs of work.
    #[must_use]
    pub fn bounded(self, work: u64) -> Self {
        Self { work, ..self }
    }

    /// The number of the block to which a sequence number belongs.
    pub(super) fn block_of(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(1) / u64::from(self.size)
    }

    /// The first sequence number of a block.
    pub(super) fn first_of(&self, block: u64) -> u64 {
        block * u64::from(self.size) + 1
    }

    /// How many blocks have a file, and how many before the last have none yet.
    pub fn blocks(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.finished.len(), state.lacking().count())
    }

    /// Takes a page of what is new; if there is nothing new, makes one of the blocks that have no file,
    /// the newest first. Whether there may be more to do. Blocks while it reads.
    pub fn grow(&self) -> Result<bool, IndexError> {
        let _growing = self.growing.lock();
        if !self.state.lock().is_recognised {
            self.recognise();
        }
        let through = self.state.lock().open.through();
        if self.journal.last() > through {
            let finished = self.take_page(through)?;
            if let Some(block) = finished {
                self.keep(&block)?;
            }
            return Ok(true);
        }
        let Some(block) = self.state.lock().missing.last().copied() else {
            return Ok(self.read_again());
        };
        let made = self.make(block).and_then(|made| self.keep(&made));
        let mut state = self.state.lock();
        state.missing.remove(&block);
        if made.is_err() {
            state.failed.insert(block);
        }
        made.map(|()| true)
    }

    /// What could not be made is tried again.
    pub fn try_again(&self) {
        let mut state = self.state.lock();
        let failed = std::mem::take(&mut state.failed);
        state.missing.extend(failed);
    }

    /// A block's file is not what it should be: it is made again.
    pub(super) fn discard(&self, block: u64) {
        let mut state = self.state.lock();
        if state.finished.remove(&block).is_some() {
            let first = self.first_of(block);
            tracing::warn!(
                first,
                "a file of the audit log's index is damaged: it is made again"
            );
            state.missing.insert(block);
        }
    }

    /// Takes up the files that are there and are of this journal.
    fn recognise(&self) {
        let last = self.journal.last();
        let open = self.block_of(last);
        let begins = self.first_of(self.block_of(self.journal.beginning()));
        if let Err(error) = self.remove_before(begins) {
            tracing::warn!(%error, "files of the audit log's index are of entries that are gone");
        }
        let mut finished = BTreeMap::new();
        let mut unread = BTreeSet::new();
        let firsts = self.listed().unwrap_or_else(|error| {
            if !is_damage(&error) {
                // Any of them may be there.
                unread.extend(self.blocks_before(open));
            }
            Vec::new()
        });
        for first in firsts.into_iter().filter(|first| *first >= begins) {
            let block = self.block_of(first);
            if block >= open || first != self.first_of(block) {
                tracing::warn!(first, "a file of the audit log's index is of no use");
                continue;
            }
            match self.left(block) {
                Ok(Some(head)) => drop(finished.insert(block, Arc::new(head))),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(first, %error, "a file of the audit log's index cannot be read now");
                    unread.insert(block);
                }
            }
        }
        let mut state = self.state.lock();
        state.missing = self
            .blocks_before(open)
            .filter(|it| !finished.contains_key(it) && !unread.contains(it))
            .collect();
        state.finished = finished;
        state.unread = unread.into_iter().rev().collect();
        state.open = Open::new(self.first_of(open), self.size);
        state.is_recognised = true;
    }

    /// The first sequence numbers of the blocks whose files are there, or seem to be.
    fn listed(&self) -> io::Result<Vec<u64>> {
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            firsts.extend(name.to_str().and_then(file::first_of));
        }
        Ok(firsts)
    }

    /// Tries the next of the files that could not be read at the start. Whether it is known now what is
    /// with it; if not, the others come before it is tried again.
    fn read_again(&self) -> bool {
        let Some(block) = self.state.lock().unread.pop_front() else {
            return false;
        };
        let left = self.left(block);
        let mut state = self.state.lock();
        match left {
            Ok(Some(head)) => drop(state.finished.insert(block, Arc::new(head))),
            Ok(None) => {
                state.missing.insert(block);
            }
            // Said once, at the start, and not each second.
            Err(_) => {
                state.unread.push_back(block);
                return false;
            }
        }
        true
    }

    /// What the file of a block says of itself that an earlier life left; none if it is of no use. An
    /// error says nothing of the file.
    fn left(&self, block: u64) -> io::Result<Option<Head>> {
        let first = self.first_of(block);
        let looked = file::head(&self.dir, first).and_then(|head| {
            let is_ours = self.is_ours(&head, block)? && !self.knows_gone(&head)?;
            Ok(Some(head).filter(|_| is_ours))
        });
        match looked {
            Ok(Some(head)) => Ok(Some(head)),
            Err(error) if !is_damage(&error) => Err(error),
            Ok(None) | Err(_) => {
                tracing::warn!(first, "a file of the audit log's index is of no use");
                Ok(None)
            }
        }
    }

    /// Whether the last entry of a block is where the file says, and the same.
    fn is_ours(&self, head: &Head, block: u64) -> io::Result<bool> {
        if !head.is_of(self.first_of(block), self.size) {
            return Ok(false);
        }
        let found = self.journal.perhaps_at(head.last_place)?;
        Ok(found.is_some_and(|found| {
            found.sequence == head.last && Hash::of_leaf(&found.bytes) == head.leaf
        }))
    }

    /// Takes a page of the journal into the open block. If that is finished with it, another one is
    /// begun, and it is answered.
    fn take_page(&self, through: u64) -> Result<Option<Open>, IndexError> {
        let page = self.journal.written(through, PAGE_BYTES)?;
        let mut events = Vec::with_capacity(page.len());
        for entry in &page {
            events.push(parse(entry.sequence, &entry.bytes)?);
        }
        let mut state = self.state.lock();
        let taken = page.iter().zip(&events);
        let mut is_full = false;
        for (entry, event) in taken {
            if !state.open.add(entry, event) {
                is_full = true;
                break;
            }
        }
        if !is_full && state.open.through() < state.open.end() {
            return Ok(None);
        }
        // If the journal is far ahead, its end comes first.
        let before = self.block_of(state.open.end());
        let next = (before + 1).max(self.block_of(self.journal.last()));
        let open = Open::new(self.first_of(next), self.size);
        state.missing.extend(before..next);
        Ok(Some(std::mem::replace(&mut state.open, open)))
    }

    /// Makes a block of which all entries are in the journal.
    fn make(&self, block: u64) -> Result<Open, IndexError> {
        let mut open = Open::new(self.first_of(block), self.size);
        loop {
            let page = self.journal.written(open.through(), PAGE_BYTES)?;
            let mut is_full = page.is_empty();
            for entry in &page {
                if !open.add(entry, &parse(entry.sequence, &entry.bytes)?) {
                    is_full = true;
                    break;
                }
            }
            if is_full || open.through() >= open.end() {
                return Ok(open);
            }
        }
    }

    /// Writes a finished block.
    fn keep(&self, block: &Open) -> Result<(), IndexError> {
        let first = block.first;
        let number = self.block_of(first);
        let of_file = |source| IndexError::File { first, source };
        let made = file::encode(block).map_err(of_file)?;
        let written = made.map(|bytes| {
            let files = LogDirectory::new(&self.dir)?;
            files.write(&file::name(first), &bytes)?;
            file::head(&self.dir, first)
        });
        let head = match written {
            None => None,
            Some(Ok(head)) => Some(head),
            Some(Err(source)) => {
                let mut state = self.state.lock();
                state.missing.remove(&number);
                state.failed.insert(number);
                return Err(of_file(source));
            }
        };
        let mut state = self.state.lock();
        state.missing.remove(&number);
        // A block without entries needs no file: it is nothing to be read.
        if let Some(head) = head {
            state.finished.insert(number, Arc::new(head));
        }
        Ok(())
    }
}

/// An entry from its bytes.
pub(super) fn parse(sequence: u64, bytes: &[u8]) -> Result<AuditEvent, AuditError> {
    serde_json::from_slice(bytes).map_err(|_| AuditError::Damaged { sequence })
}
