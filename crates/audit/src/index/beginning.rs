//! The index of a journal whose beginning was let go of: it begins there too.

use std::fs;
use std::io::{self, ErrorKind};

use crate::index::block::Block;
use crate::index::file::{self, Finished, Head};
use crate::index::keeper::AuditIndex;
use crate::index::open::Open;

impl AuditIndex {
    /// Whether every entry up to this one is in a block that need not be made again.
    pub fn has_all_through(&self, sequence: u64) -> bool {
        let block = self.block_of(sequence);
        let state = self.state.lock();
        let lacks = state.lacking().any(|lacking| lacking <= block);
        let is_open = self.block_of(state.open.first) <= block;
        state.is_recognised && !lacks && (!is_open || state.open.through() >= sequence)
    }

    /// Lets go of what the journal does not have any more; a block that knows some of it is made again. Blocks while it removes files.
    ///
    /// # Errors
    /// When a file cannot be removed: nobody reads it any more, and the next start tries again.
    pub fn let_go(&self) -> io::Result<()> {
        let begins = self.journal.beginning();
        let block = self.block_of(begins);
        let _growing = self.growing.lock();
        let finished = self.state.lock().finished.get(&block).cloned();
        // What cannot be read is made again.
        let knows_gone = finished.is_some_and(|head| self.knows_gone(&head).unwrap_or(true));
        {
            let mut state = self.state.lock();
            state.forget_before(block);
            let rows = usize::from(self.row_of(begins));
            let is_open = self.block_of(state.open.first) == block;
            if is_open && state.open.places.iter().take(rows).any(Option::is_some) {
                state.open = Open::new(self.first_of(block), self.size);
            } else if knows_gone && state.finished.remove(&block).is_some() {
                state.missing.insert(block);
            }
        }
        self.remove_before(self.first_of(block))
    }

    /// Removes the files of all blocks before one.
    pub(super) fn remove_before(&self, first: u64) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let begins = entry.file_name().to_str().and_then(file::first_of);
            if begins.is_some_and(|begins| begins < first) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether the file of a block knows entries that the journal does not have any more.
    pub(super) fn knows_gone(&self, head: &Head) -> io::Result<bool> {
        let begins = self.journal.beginning();
        if head.first >= begins {
            return Ok(false);
        }
        let file = Finished::open(&self.dir, head)?;
        for row in 0..self.row_of(begins) {
            if file.place(row)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
