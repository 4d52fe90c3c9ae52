//! Roots and proofs, made from the hashes of complete subtrees, as RFC 6962 defines them. Where the
//! hashes are kept is the caller's: in memory ([`MemoryTree`]) or in tiles
//! ([`Tiles`](crate::tiles::Tiles)).

use crate::hash::Hash;

/// Whoever has the hashes of a tree's complete subtrees.
pub trait Subtrees {
    /// Why one cannot be had.
    type Error;

    /// The hash over the 2^`level` leaves from `index` · 2^`level` on, all of which are there.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// A proof that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The tree has no such leaf.
    #[error("there is no entry {index} in a tree of {size}")]
    NoSuchLeaf {
        /// Which was asked for.
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
    /// A hash that is needed cannot be had.
    #[error(transparent)]
    Hashes(E),
}

/// The root over the first `size` leaves.
pub fn root<T: Subtrees>(tree: &T, size: u64) -> Result<Hash, T::Error> {
    if size == 0 {
        return Ok(Hash::of_empty_tree());
    }
    range(tree, 0, size)
}

/// The path from a leaf up to the root over the first `size` leaves: the leaf's sibling first.
pub fn prove_inclusion<T: Subtrees>(
    tree: &T,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProveError<T::Error>> {
    if index >= size {
        return Err(ProveError::NoSuchLeaf { index, size });
    }
    let mut path = Vec::new();
    climb(tree, index, (0, size), &mut path).map_err(ProveError::Hashes)?;
    Ok(path)
}

/// What shows that the tree over the first `old` leaves is the beginning of that over `new`.
pub fn prove_consistency<T: Subtrees>(
    tree: &T,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProveError<T::Error>> {
    if old > new {
        return Err(ProveError::Shrunk { old, new });
    }
    let mut proof = Vec::new();
    if old > 0 {
        grow(tree, old, (0, new), true, &mut proof).map_err(ProveError::Hashes)?;
    }
    Ok(proof)
}

/// The hash over the leaves from `start` to before `end`. Where it is called `start` is a multiple
/// of the smallest power of two that is not less than the length, so that all its parts are
/// subtrees.
fn range<T: Subtrees>(tree: &T, start: u64, end: u64) -> Result<Hash, T::Error> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return tree.subtree(level, start >> level);
    }
    let middle = start + split(length);
    let left = range(tree, start, middle)?;
    let right = range(tree, middle, end)?;
    Ok(Hash::of_node(&left, &right))
}

/// PATH of RFC 6962, section 2.1.1.
fn climb<T: Subtrees>(
    tree: &T,
    index: u64,
    (start, end): (u64, u64),
    path: &mut Vec<Hash>,
) -> Result<(), T::Error> {
    if end - start == 1 {
        return Ok(());
    }
    let middle = start + split(end - start);
    let (inside, beside) = if index < middle {
        ((start, middle), (middle, end))
    } else {
        ((middle, end), (start, middle))
    };
    climb(tree, index, inside, path)?;
    path.push(range(tree, beside.0, beside.1)?);
    Ok(())
}

/// SUBPROOF of RFC 6962, section 2.1.2. `known` says that the verifier has the hash of this range
/// already, as the older root.
fn grow<T: Subtrees>(
    tree: &T,
    old: u64,
    (start, end): (u64, u64),
    known: bool,
    proof: &mut Vec<Hash>,
) -> Result<(), T::Error> {
    if old == end {
        if !known {
            proof.push(range(tree, start, end)?);
        }
        return Ok(());
    }
    let middle = start + split(end - start);
    if old <= middle {
        grow(tree, old, (start, middle), known, proof)?;
        proof.push(range(tree, middle, end)?);
    } else {
        grow(tree, old, (middle, end), false, proof)?;
        proof.push(range(tree, start, middle)?);
    }
    Ok(())
}

/// The largest power of two below a length of at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// A tree whose hashes are all in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    /// The complete subtrees of each level, from the leaves up.
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// The tree over these leaves.
    pub fn new(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf behind all others.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut level = 0;
        loop {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[level];
            hashes.push(hash);
            match hashes.as_slice() {
                [.., left, right] if hashes.len().is_multiple_of(2) => {
                    hash = Hash::of_node(left, right);
                    level += 1;
                }
                _ => return,
            }
        }
    }

    /// Puts another leaf in the place of one. Whether there is one.
    pub fn replace(&mut self, index: u64, leaf: Hash) -> bool {
        let Ok(mut at) = usize::try_from(index) else {
            return false;
        };
        if index >= self.size() {
            return false;
        }
        let mut hash = leaf;
        for level in 0..self.levels.len() {
            let hashes = &mut self.levels[level];
            let Some(place) = hashes.get_mut(at) else {
                // The subtree above is not complete.
                return true;
            };
            *place = hash;
            let pair = at & !1;
            let Some([left, right]) = hashes.get(pair..pair + 2) else {
                return true;
            };
            hash = Hash::of_node(left, right);
            at /= 2;
        }
        true
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        root(self, self.size()).unwrap_or_else(|NotThere| Hash::of_empty_tree())
    }
}

/// A subtree that is not complete, or beyond the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no such subtree")]
pub struct NotThere;

impl Subtrees for MemoryTree {
    type Error = NotThere;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, NotThere> {
        let hashes = self.levels.get(level as usize);
        let at = usize::try_from(index).map_err(|_| NotThere)?;
        hashes
            .and_then(|hashes| hashes.get(at))
            .copied()
            .ok_or(NotThere)
    }
}
