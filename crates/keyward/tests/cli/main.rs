//! The command as people use it: the real binary, real processes, real files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asking;
mod auditing;
mod backing_up;
mod exchanging;
mod keeping;
mod keks;
mod migrating;
mod mistakes;
mod offline;
mod profiles;
mod sealing;
mod seals;
mod stage;
mod storing;
mod tour;
mod verbs;
mod watching;
