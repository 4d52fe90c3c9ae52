//! The seam between the journal and the disk: the few operations it is made of, so that tests can
//! cut the power between any two of them. No operation here makes anything durable but the syncs.

use std::io;

/// A directory that holds segments.
pub trait JournalIo: Send + Sync {
    /// The names of the files in it.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file; it must not exist. It may vanish until [`JournalIo::sync_dir`].
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens a file that exists.
    fn open(&self, name: &str, access: Access) -> io::Result<Box<dyn SegmentFile>>;

    /// Removes a file. It may return until [`JournalIo::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in one act; a file of that name is replaced. It may have either name
    /// until [`JournalIo::sync_dir`], and never none.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes creations, removals and new names durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// By what a file is recognised, without opening it.
    fn identity(&self, name: &str) -> io::Result<Identity>;
}

/// By what a file is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which file it is, whatever its name: device and inode.
    pub file: (u64, u64),
    /// Its length in bytes.
    pub size: u64,
    /// When its content was last changed: seconds and nanoseconds.
    pub changed_at: (i64, i64),
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading; works on a read-only file system.
    Read,
    /// Reading and writing.
    Write,
}

/// A file of the journal.
pub trait SegmentFile: Send {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `into.len()` bytes at an offset; 0 at the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at an offset. On an error some of them may be there.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts it to a length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes its content and length durable.
    fn sync(&mut self) -> io::Result<()>;
}
