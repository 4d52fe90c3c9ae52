//! The seal: the condition in which the root key is not in memory, and the ways out of it.
//!
//! A seal holds the root key wrapped under a sealing key of its own: in a file, split among people,
//! made of a passphrase, or wrapped by a key service that is reached through the port
//! [`SealService`](keyward_core::port::seal::SealService). Several can hold the root key at once.
//! This module knows nothing of records, tenants or where the root key is used.

pub(crate) mod access;
mod error;
pub(crate) mod key_file;
pub(crate) mod manifest;
pub(crate) mod passphrase;
pub(crate) mod service;
pub(crate) mod shares;
pub(crate) mod stored;
pub(crate) mod wrapped_root;

pub use access::SealAccess;
pub use error::SealError;
