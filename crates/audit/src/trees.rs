//! Transparency logs made from the journal's entries: which tree an entry belongs to, the tiles of
//! each tree, and the heads of all of them.
//!
//! The journal is the truth: it has every entry before anything here is made of it, and every entry
//! is a leaf of one tree, in the journal's order. So whatever a crash left undone is made again, the
//! same. Only full tiles are files; the end of a tree is its peaks and the places of its last
//! entries, and is read from the journal. Tiles of leaves whose entries are all sealed are let go of and
//! made again from there, by a file that says where their entries lie. Where the journal's beginning was let
//! go of, the trees begin with what was noted of them then.
//!
//! ```text
//! journal ─► Forest::grow ─► tree of each entry ─► full tiles ─► settle ─► state
//!                  │                                    (what need not be read again)
//!                  └─► Forest::heads ─► an entry of the journal again
//! ```

mod batches;
mod continuing;
mod directory;
mod end;
mod error;
mod forest;
mod handovers;
mod heads;
mod letting_go;
mod numbered;
mod places;
mod receipt;
mod signed;
mod state;
mod stood;
mod thinning;
mod tiles;
mod tree;
mod whole;

pub use crate::letting_go::LetGoError;
pub use continuing::{ContinueError, Lost, Rebuilt, rebuild};
pub use directory::LogDirectory;
pub use error::TreesError;
pub use forest::{Forest, LogFiles};
pub use handovers::Handovers;
pub use heads::{Heads, leaf, salted};
pub use letting_go::{LettingGo, Noted, Sweeping};
pub use receipt::{CheckError, Found, Proved, check};
pub use signed::{LastSigned, ToSign};
pub use thinning::Thinning;
pub use tree::Tree;
pub(crate) use tree::{of_entry, of_event};
pub use whole::WholeCheck;
