//! Heads of before, as long as a checkpoint that is given out rests on them: new ones are made meanwhile, for
//! which witnesses or mirrors are still waited for.

use keyward_ledger::{Hash, Head, MemoryTree, prove_inclusion};

/// Heads as they were made, with what they commit to.
pub(super) struct Stood {
    /// Which entry of the system's tree they are.
    pub(super) at: u64,
    /// The head of each tree, in the order of the trees.
    committed: Vec<Option<Head>>,
    leaves: MemoryTree,
}

impl Stood {
    pub(super) fn new(at: u64, committed: Vec<Option<Head>>, leaves: MemoryTree) -> Self {
        Self {
            at,
            committed,
            leaves,
        }
    }

    /// What they commit to of one tree.
    pub(super) fn head(&self, index: u32) -> Option<Head> {
        self.committed.get(index as usize).copied().flatten()
    }

    /// The path from a tree's head up to the root.
    pub(super) fn path(&self, index: u32) -> Option<Vec<Hash>> {
        prove_inclusion(&self.leaves, u64::from(index), self.leaves.size()).ok()
    }
}

/// Two at most: the newest on which what is given out rests, and the oldest on which it does not yet. So
/// however slowly it is waited for, what is given out has heads, and later ones come.
#[derive(Default)]
pub(super) struct Standing(Vec<Stood>);

impl Standing {
    /// Whether heads that are to be made anew have to be kept, when what is given out has so many entries of
    /// the system's tree. What nobody needs is forgotten.
    pub(super) fn wants(&mut self, at: u64, counted: u64) -> bool {
        if at < counted {
            self.0.clear();
            return true;
        }
        if let Some(newest) = self.0.iter().rposition(|it| it.at < counted) {
            self.0.drain(..newest);
        }
        self.0.iter().all(|it| it.at < counted)
    }

    pub(super) fn keep(&mut self, stood: Stood) {
        self.0.push(stood);
    }

    /// The newest that are among the first `size` entries of the system's tree.
    pub(super) fn below(&self, size: u64) -> Option<&Stood> {
        self.0.iter().rev().find(|it| it.at < size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_out_keeps_its_heads_and_gets_later_ones_however_slowly() {
        let mut standing = Standing::default();
        let made = |standing: &mut Standing, at, counted| {
            if standing.wants(at, counted) {
                standing.keep(Stood::new(at, Vec::new(), MemoryTree::default()));
            }
            let kept: Vec<u64> = standing.0.iter().map(|it| it.at).collect();
            (kept, standing.below(counted).map(|it| it.at))
        };
        assert_eq!(made(&mut standing, 3, 5), (vec![3], Some(3)));
        // An outage: heads are made, and nothing more is given out.
        assert_eq!(made(&mut standing, 6, 5), (vec![3, 6], Some(3)));
        assert_eq!(made(&mut standing, 9, 5), (vec![3, 6], Some(3)));
        assert_eq!(made(&mut standing, 12, 5), (vec![3, 6], Some(3)));
        // What was waited for longest comes first.
        assert_eq!(made(&mut standing, 15, 8), (vec![6, 15], Some(6)));
        assert_eq!(made(&mut standing, 18, 17), (vec![15, 18], Some(15)));
        // Nothing is waited for any more.
        assert_eq!(made(&mut standing, 21, 22), (vec![21], Some(21)));
    }
}
