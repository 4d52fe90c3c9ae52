//! Memory for secrets: pages that are never swapped, that no core dump and no child process sees,
//! between guard pages; what is dropped is wiped.
//!
//! Locked memory is scarce (8 MiB for a process is a usual limit), so there is one arena of at most
//! half of that, made when the first secret needs it. What does not fit lives on the heap, is wiped
//! all the same, and is counted: [`report`] says how far locking goes.
//!
//! | file | what |
//! |---|---|
//! | `arena` | the pages; with `locked`, the only unsafe code of the product |
//! | `slots` | which part of the pages is in use; pure |
//! | `locked` | a value or bytes in there |
//!
//! What it does not reach: memory that AWS-LC allocates for itself (RSA, curve and lattice keys),
//! which AWS-LC wipes, registers and stack frames, and messages on their way through.

mod arena;
mod locked;
mod slots;

pub use arena::{Report, report};
pub use locked::{Locked, LockedBytes};
