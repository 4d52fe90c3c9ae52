//! Checking proofs: pure functions over hashes, by the algorithms of RFC 9162, sections 2.1.3.2 and
//! 2.1.4.2, whose proofs are those of RFC 6962.

use crate::hash::Hash;

/// The most hashes that a proof can have: one for each level of the highest tree.
pub const PROOF_MAX: usize = 64;

/// A proof that does not prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There is no such leaf.
    #[error("there is no entry {index} in a tree of {size}")]
    NoSuchLeaf {
        /// Which was claimed.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {old} entries is not the beginning of one of {new}")]
    Shrunk {
        /// The older tree's size.
        old: u64,
        /// The newer one's.
        new: u64,
    },
    /// It has too many hashes for the trees' sizes, or too few.
    #[error("the proof has {found} hashes, which does not fit the trees' sizes")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root than the checkpoint's")]
    Mismatch,
}

/// A tree as a checkpoint says it: how many leaves, and their root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Checks that a leaf is the one with this index in a tree.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    head: Head,
    path: &[Hash],
) -> Result<(), ProofError> {
    let size = head.size;
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let wrong_length = ProofError::Length { found: path.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for beside in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_node(beside, &hash);
            (node, last) = over_single(node, last);
        } else {
            hash = Hash::of_node(&hash, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same(hash, head.root)
}

/// Checks that an older tree is the beginning of a newer one. Every tree begins with the empty one.
pub fn verify_consistency(old: Head, new: Head, proof: &[Hash]) -> Result<(), ProofError> {
    let wrong_length = ProofError::Length { found: proof.len() };
    if old.size > new.size {
        return Err(ProofError::Shrunk {
            old: old.size,
            new: new.size,
        });
    }
    if old.size == 0 || old.size == new.size {
        if !proof.is_empty() {
            return Err(wrong_length);
        }
        let begins = old.size == 0 && old.root == Hash::of_empty_tree();
        let ends = new.size > 0 || new.root == Hash::of_empty_tree();
        let equal = old == new;
        return if (begins && ends) || (equal && old.size > 0) {
            Ok(())
        } else {
            Err(ProofError::Mismatch)
        };
    }
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    let up = (!node).trailing_zeros();
    node >>= up;
    last >>= up;
    // An older tree that is one subtree is its own first hash.
    let (first, rest) = if old.size.is_power_of_two() {
        (old.root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(wrong_length)?;
        (*first, rest)
    };
    let (mut older, mut newer) = (first, first);
    for beside in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            older = Hash::of_node(beside, &older);
            newer = Hash::of_node(beside, &newer);
            (node, last) = over_single(node, last);
        } else {
            newer = Hash::of_node(&newer, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same(older, old.root)?;
    same(newer, new.root)
}

/// Skips the levels on which the last node has no sibling.
fn over_single(mut node: u64, mut last: u64) -> (u64, u64) {
    while node & 1 == 0 && node != 0 {
        node >>= 1;
        last >>= 1;
    }
    (node, last)
}

fn same(found: Hash, expected: Hash) -> Result<(), ProofError> {
    if found == expected {
        Ok(())
    } else {
        Err(ProofError::Mismatch)
    }
}
