//! A transparency log as bytes: Merkle tree, tiles, checkpoints, signed notes, proofs and receipts,
//! and the checking of all of them. Pure: no disk, no network, no clock, no key but public ones.
//! This crate alone is enough to verify a log; it knows nothing of what the entries mean.
//!
//! The formats are those of C2SP (`tlog-tiles`, `tlog-checkpoint`, `signed-note`,
//! `tlog-cosignature`, `tlog-witness`, `tlog-proof`) over the tree of RFC 6962, described for strangers in
//! `docs/formats/transparency-log.md`.
//!
//! ```text
//! entries ─► leaves ─► GrowingTree ─► full tiles        Subtrees (MemoryTree, Tiles)
//!                          │                               │
//!                          ▼                               ▼
//!                     Checkpoint ─► Note, signed     root, proofs ─► Receipt
//!                          └──────────────┬────────────────────────────┘
//!                                         ▼
//!                                  audit: every byte of a log checked
//! ```

mod bundle;
mod check;
mod checkpoint;
mod cosignature;
mod entry;
mod growing;
mod handover;
mod hash;
mod key;
mod note;
mod peaks;
mod proof;
mod receipt;
mod submission;
mod text;
mod tile;
mod tiles;
mod tree;

pub use bundle::{BundleError, ENTRY_MAX, EntryTooLong, entries_of, put_entry};
pub use check::{
    CHECKPOINT_PATH, CheckError, Checked, Fault, Faults, Files, LogFault, check_log, check_log_with,
};
pub use checkpoint::{Checkpoint, CheckpointError, OpenedCheckpoint};
pub use entry::{ENTRY_SIGNER, EntrySignature, entry_key};
pub use growing::{FullTile, GrowingTree};
pub use handover::{HANDOVERS_PATH, Handover, HandoverError, notes_of, succession, vouched_for};
pub use hash::{Hash, NotAHash};
pub use key::{Algorithm, KeyError, KeyName, VerifierKey};
pub use note::{Note, NoteError, NoteSignature, SIGNATURES_MAX, SignError, Verified};
pub use peaks::Peaks;
pub use proof::{Head, PROOF_MAX, ProofError, verify_consistency, verify_inclusion};
pub use receipt::{Receipt, ReceiptError};
pub use submission::{Refusal, SUBMISSION_MAX, Submission, SubmissionError};
pub use tile::{Content, NotATile, TILE_WIDTH, Tile, bundles, hash_tiles};
pub use tiles::{TileError, Tiles, bytes_of, hashes_of};
pub use tree::{
    MemoryTree, NotThere, ProveError, Subtrees, prove_consistency, prove_inclusion, root,
};
