//! The seal: the condition in which the root key is not in memory, and the ways out of it.
//!
//! A seal holds the root key wrapped under a sealing key of its own. The sealing key of a
//! `key_file` seal is in a file; that of a `shares` seal is split among people. This module
//! knows nothing of records, tenants or where the root key is used.

mod error;
pub(crate) mod key_file;
pub(crate) mod manifest;
pub(crate) mod shares;
pub(crate) mod wrapped_root;

pub use error::SealError;
