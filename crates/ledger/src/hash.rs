//! Hashes of leaves and of nodes (RFC 6962, section 2.1, with SHA-256). The first byte keeps a leaf
//! from ever being taken for a node.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::text;

/// A hash of a leaf, of a node or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Hash::SIZE]);

impl Hash {
    /// How many bytes a hash has.
    pub const SIZE: usize = 32;

    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// Of the tree without leaves.
    pub fn of_empty_tree() -> Self {
        Self::taken(digest(&SHA256, &[]).as_ref())
    }

    /// Of a leaf: SHA-256(0x00 ‖ entry).
    pub fn of_leaf(entry: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[0]);
        context.update(entry);
        Self::taken(context.finish().as_ref())
    }

    /// Of a node: SHA-256(0x01 ‖ left ‖ right).
    pub fn of_node(left: &Self, right: &Self) -> Self {
        let mut bytes = [1; 1 + 2 * Self::SIZE];
        bytes[1..=Self::SIZE].copy_from_slice(&left.0);
        bytes[1 + Self::SIZE..].copy_from_slice(&right.0);
        Self::taken(digest(&SHA256, &bytes).as_ref())
    }

    fn taken(digest: &[u8]) -> Self {
        let mut bytes = [0; Self::SIZE];
        bytes.copy_from_slice(digest);
        Self(bytes)
    }
}

/// As base64, the way checkpoints and receipts write it.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::base64(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not the base64 of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the base64 of a SHA-256 hash")]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bytes = text::from_base64(text).ok_or(NotAHash)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAHash)?))
    }
}
