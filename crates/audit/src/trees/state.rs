//! What is kept of the trees so that the journal need not be read again from its beginning: bytes with
//! a digest behind them. Whatever is wrong with them costs time and nothing else: the journal has it
//! all.

use keyward_ledger::Hash;

/// Format and version. A log whose state has an earlier one is made again from the journal, with the
/// files that it lacks.
const MAGIC: &[u8; 4] = b"KWT2";

/// Bytes being written.
pub(super) struct Out(Vec<u8>);

impl Out {
    pub(super) fn new() -> Self {
        Self(MAGIC.to_vec())
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn hash(&mut self, hash: &Hash) {
        self.0.extend_from_slice(hash.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The bytes, their digest behind them.
    pub(super) fn close(mut self) -> Vec<u8> {
        let digest = Hash::of_leaf(&self.0);
        self.hash(&digest);
        self.0
    }
}

/// Bytes being read.
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// What [`Out::close`] made; none if it is anything else.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let (content, digest) = bytes.split_last_chunk::<{ Hash::SIZE }>()?;
        let right = Hash::of_leaf(content) == Hash::from_bytes(*digest);
        let rest = content.strip_prefix(MAGIC)?;
        right.then_some(Self(rest))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn hash(&mut self) -> Option<Hash> {
        self.array().map(Hash::from_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
