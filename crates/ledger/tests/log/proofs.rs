//! Every proof of every tree up to some hundreds of leaves is made and verifies; changed in any way
//! it does not.

use keyward_ledger::{
    Hash, Head, MemoryTree, ProofError, ProveError, prove_consistency, prove_inclusion, root,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::stage::entry;

const SIZE: u64 = 270;

fn tree(size: u64) -> MemoryTree {
    MemoryTree::new((0..size).map(|index| Hash::of_leaf(&entry(index))))
}

fn head(tree: &MemoryTree, size: u64) -> Head {
    Head {
        size,
        root: root(tree, size).unwrap(),
    }
}

#[test]
fn every_leaf_of_every_tree_is_proved() {
    let whole = tree(SIZE);
    for size in 1..=SIZE {
        let head = head(&whole, size);
        for index in 0..size {
            let leaf = Hash::of_leaf(&entry(index));
            let path = prove_inclusion(&whole, index, size).unwrap();
            assert_eq!(verify_inclusion(leaf, index, head, &path), Ok(()));
            let other = Hash::of_leaf(b"another");
            let refused = verify_inclusion(other, index, head, &path);
            assert_eq!(refused, Err(ProofError::Mismatch));
        }
        let outside = prove_inclusion(&whole, size, size);
        assert_eq!(outside, Err(ProveError::NoSuchLeaf { index: size, size }));
    }
}

#[test]
fn every_tree_is_proved_to_continue_every_smaller_one() {
    let whole = tree(SIZE);
    let heads: Vec<Head> = (0..=SIZE).map(|size| head(&whole, size)).collect();
    for new in 0..=SIZE {
        for old in 0..=new {
            let proof = prove_consistency(&whole, old, new).unwrap();
            let (old, new) = (heads[old as usize], heads[new as usize]);
            assert_eq!(
                verify_consistency(old, new, &proof),
                Ok(()),
                "{old:?} {new:?}"
            );
            if old.size < new.size {
                let backwards = verify_consistency(new, old, &proof);
                assert!(matches!(backwards, Err(ProofError::Shrunk { .. })));
                let shrunk = prove_consistency(&whole, new.size, old.size);
                assert!(matches!(shrunk, Err(ProveError::Shrunk { .. })));
            }
        }
    }
}

/// All that can be done to a proof by changing one thing.
fn mutations(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        for bit in [0, 77, 255] {
            let mut bytes = *proof[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut changed = proof.to_vec();
            changed[at] = Hash::from_bytes(bytes);
            all.push(changed);
        }
        let mut without = proof.to_vec();
        without.remove(at);
        all.push(without);
        let mut twice = proof.to_vec();
        twice.insert(at, proof[at]);
        all.push(twice);
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    let mut longer = proof.to_vec();
    longer.push(Hash::of_empty_tree());
    all.push(longer);
    all
}

proptest! {
    #[test]
    fn a_changed_path_proves_nothing(size in 1u64..400, at in any::<prop::sample::Index>()) {
        let whole = tree(size);
        let index = at.index(size as usize) as u64;
        let head = head(&whole, size);
        let leaf = Hash::of_leaf(&entry(index));
        let path = prove_inclusion(&whole, index, size).unwrap();
        for changed in mutations(&path) {
            prop_assert!(verify_inclusion(leaf, index, head, &changed).is_err());
        }
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify_inclusion(leaf, other, head, &path).is_err());
        }
    }

    #[test]
    fn a_changed_consistency_proof_proves_nothing(
        new in 1u64..400,
        at in any::<prop::sample::Index>(),
    ) {
        let whole = tree(new);
        let old = at.index(new as usize) as u64;
        let (older, newer) = (head(&whole, old), head(&whole, new));
        let proof = prove_consistency(&whole, old, new).unwrap();
        for changed in mutations(&proof) {
            prop_assert!(verify_consistency(older, newer, &changed).is_err());
        }
        let forked = MemoryTree::new((0..new).map(|index| match index {
            0 => Hash::of_leaf(b"another"),
            index => Hash::of_leaf(&entry(index)),
        }));
        let fork = head(&forked, new);
        prop_assert!(old == 0 || verify_consistency(older, fork, &proof).is_err());
        let of_fork = prove_consistency(&forked, old, new).unwrap();
        prop_assert!(old == 0 || verify_consistency(older, fork, &of_fork).is_err());
    }
}

#[test]
fn proofs_of_nothing_are_refused() {
    let empty = Head {
        size: 0,
        root: Hash::of_empty_tree(),
    };
    let false_empty = Head {
        size: 0,
        root: Hash::of_leaf(b""),
    };
    let one = head(&tree(1), 1);
    assert_eq!(verify_consistency(empty, one, &[]), Ok(()));
    assert_eq!(verify_consistency(empty, empty, &[]), Ok(()));
    assert_eq!(
        verify_consistency(false_empty, one, &[]),
        Err(ProofError::Mismatch)
    );
    assert_eq!(
        verify_consistency(empty, false_empty, &[]),
        Err(ProofError::Mismatch)
    );
    let refused = verify_inclusion(Hash::of_leaf(b""), 0, empty, &[]);
    assert_eq!(refused, Err(ProofError::NoSuchLeaf { index: 0, size: 0 }));
    let deep = [Hash::of_empty_tree(); 64];
    let largest = Head {
        size: u64::MAX,
        root: one.root,
    };
    for index in [0, 1, u64::MAX - 1] {
        let refused = verify_inclusion(one.root, index, largest, &deep);
        assert!(refused.is_err());
    }
    assert!(verify_consistency(one, largest, &deep).is_err());
}
