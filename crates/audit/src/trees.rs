//! Transparency logs on disk, made from the journal's entries: tiles and bundles as files, and
//! checkpoints that never contradict one another.
//!
//! The journal is the truth: it has every entry before anything here is written, and whatever a
//! crash left undone is made from it again, the same. So nothing here is written in place, and a
//! file that is there already must be what would be written now.
//!
//! ```text
//! journal ─► TreeLog::append ─► full tiles and bundles ─► position      (what need not be read again)
//!                 │
//!                 └─► TreeLog::publish ─► head, kept ─► signed ─► checkpoint
//! ```

mod directory;
mod tree_log;

pub use directory::LogDirectory;
pub use tree_log::{LogFiles, TreeLog, TreeLogError};
