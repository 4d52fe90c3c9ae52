//! Receipts: that an entry is in the log, in one small text which whoever has the entry and the log's
//! public key can check alone.
//!
//! ```text
//! entry ─► root of its tenant's tree ─► head ─► root of the heads ─► entry of heads ─► signed root
//! └───────────────── extra ─────────────────────────────────────┘    └─── C2SP tlog-proof ───────┘
//! ```
//!
//! An entry of the system's own tree needs no extra.

use keyward_ledger::{
    Hash, Head, Note, OpenedCheckpoint, ProofError, ProveError, Receipt, ReceiptError, Tile,
    TileError, Tiles, VerifierKey, prove_consistency, prove_inclusion, root, verify_inclusion,
};
use serde::{Deserialize, Serialize};

use crate::reader::Place;
use crate::trees::stood::Stood;
use crate::trees::tree::{Belongs, heads_in, of};
use crate::trees::{Forest, LogFiles, Tree, TreesError, leaf};

/// The most bytes of extra data that are read: an entry, two paths, and what is around them.
const EXTRA_MAX: usize = 48 * 1024;
/// No path is longer: a tree has at most 2^64 leaves.
const PATH_MAX: usize = 64;

/// The way from an entry of a tenant's to an entry of heads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntoHeads {
    /// Which entry of its tree, from 0.
    index: u64,
    /// How many entries the tree had.
    size: u64,
    /// Its root, in base64.
    root: String,
    /// From the entry's sibling up to the root's child, in base64.
    path: Vec<String>,
    /// Which of the heads, from 0.
    head: u64,
    /// From the head's sibling up to the root's child.
    head_path: Vec<String>,
    /// The entry of heads, as it was logged.
    heads: String,
}

/// A receipt that does not prove what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It, or its checkpoint, or the path to it.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The way into the heads is not well formed.
    #[error("the receipt's extra data are not the way from an entry to an entry of heads")]
    Extra,
    /// The entry is none of a node's log.
    #[error("this is no entry of a log of Keyward's")]
    Entry,
    /// One of the two paths leads elsewhere.
    #[error("the receipt does not lead from this entry to the entry of heads: {0}")]
    Path(#[from] ProofError),
}

/// What a receipt proves.
#[derive(Debug)]
pub struct Proved<'a> {
    /// Which entry of its tree, counted from 0.
    pub index: u64,
    /// How many entries its tree had.
    pub size: u64,
    /// Which of the tenant's trees; none: the tree that the checkpoint itself is of.
    pub tree: Option<Tree>,
    /// The checkpoint that it rests on.
    pub opened: OpenedCheckpoint<'a>,
}

/// Checks a receipt for an entry by the log's public key. Without extra data it may be of any log in
/// these formats.
pub fn check<'a>(
    receipt: &Receipt,
    entry: &[u8],
    log: &'a VerifierKey,
    witnesses: &'a [VerifierKey],
) -> Result<Proved<'a>, CheckError> {
    // Extra data of others mean nothing here; nothing authenticates them.
    let extra = receipt.extra.as_deref().unwrap_or_default();
    let way = serde_json::from_slice(extra).ok();
    let Some(way): Option<IntoHeads> = way.filter(|_| extra.len() <= EXTRA_MAX) else {
        let opened = receipt.verify(entry, log, witnesses)?;
        return Ok(Proved {
            index: receipt.index,
            size: opened.checkpoint.head().size,
            tree: None,
            opened,
        });
    };
    let opened = receipt.verify(way.heads.as_bytes(), log, witnesses)?;
    let heads = heads_in(way.heads.as_bytes()).ok_or(CheckError::Extra)?;
    let Some(Belongs::To(tree @ (Tree::Changes(_) | Tree::Operations(_)))) = of(entry) else {
        return Err(CheckError::Entry);
    };
    let head = Head {
        size: way.size,
        root: way.root.parse().map_err(|_| CheckError::Extra)?,
    };
    let path = hashes(&way.path).ok_or(CheckError::Extra)?;
    verify_inclusion(Hash::of_leaf(entry), way.index, head, &path)?;
    let named = Hash::of_leaf(leaf(heads.log, tree, head).as_bytes());
    let all = Head {
        size: heads.trees,
        root: heads.root,
    };
    let path = hashes(&way.head_path).ok_or(CheckError::Extra)?;
    verify_inclusion(named, way.head, all, &path)?;
    Ok(Proved {
        index: way.index,
        size: way.size,
        tree: Some(tree),
        opened,
    })
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    let few = texts.len() <= PATH_MAX;
    few.then(|| texts.iter().map(|text| text.parse().ok()).collect())?
}

/// An entry as it was found for a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its tree.
    pub tree: Tree,
    /// As it was logged.
    pub bytes: Vec<u8>,
    /// Where it lies in the journal.
    pub place: Place,
}

impl<F: LogFiles> Forest<F> {
    /// The root over the first `size` entries of a tree, made from its tiles.
    pub fn root_at(&self, tree: Tree, size: u64) -> Result<Hash, TreesError> {
        let read = |tile| self.there(tree, tile);
        root(&Tiles::new(size, read), size).map_err(|error| told(tree, error))
    }

    /// That the first `old` entries of a tree are the beginning of its first `new`.
    pub fn consistency(&self, tree: Tree, old: u64, new: u64) -> Result<Vec<Hash>, TreesError> {
        let tiles = Tiles::new(new, |tile| self.there(tree, tile));
        prove_consistency(&tiles, old, new).map_err(|error| match error {
            ProveError::Hashes(error) => told(tree, error),
            _ => damaged(tree),
        })
    }

    /// Where in the system's tree the heads are that were made last; none if they are not in it yet.
    pub fn heads_at(&self) -> Option<u64> {
        self.made.and_then(|(_, at)| at)
    }

    /// How a tree stood when heads were last made, if they are among the first `size` entries of the
    /// system's tree, or when those were made that were kept; none if none is there yet.
    pub fn committed(&self, tree: Tree, size: u64) -> Option<Head> {
        if self.heads_below(size).is_some() {
            return self.end(tree)?.committed;
        }
        let number = self.index.get(&tree)?;
        self.standing.below(size)?.head(*number)
    }

    /// Before new heads are made: those of now are kept if what is given out, which has so many entries of the
    /// system's tree, rests on them, or will when it is no longer waited for.
    pub fn keep_heads(&mut self, counted: u64) {
        let Some((_, Some(at))) = self.made else {
            return;
        };
        if self.standing.wants(at, counted) {
            let committed = self.trees.iter().map(|(_, end)| end.committed).collect();
            let stood = Stood::new(at, committed, self.heads.made());
            self.standing.keep(stood);
        }
    }

    /// How all trees but the system's stood when heads were last made, if they are among the first `size`
    /// entries of the system's tree; none if they are not yet.
    pub fn all_committed(&self, size: u64) -> Option<Vec<(Tree, Head)>> {
        self.heads_below(size)?;
        let all = self.trees.iter();
        let committed = all.filter_map(|(tree, end)| Some((*tree, end.committed?)));
        Some(committed.collect())
    }

    /// Where in the system's tree the heads are that were made last, if it is below `size`.
    fn heads_below(&self, size: u64) -> Option<u64> {
        let (_, logged) = self.made?;
        logged.filter(|at| *at < size)
    }

    /// Whether an entry with this sequence number is in the journal and will be in a tree. One that no tree has
    /// although they are further was lost.
    pub fn is_to_come(&self, sequence: u64) -> bool {
        self.sequence() < sequence && sequence <= self.journal.last()
    }

    /// The entry with this sequence number, if it is in a tree. Told apart: one that was let go of.
    pub fn find(&self, sequence: u64) -> Result<Option<Found>, TreesError> {
        if sequence == 0 || sequence > self.sequence() {
            return Ok(None);
        }
        let first = self.journal.beginning();
        if sequence < first {
            return Err(TreesError::LetGo { first });
        }
        let page = self.journal.written(sequence - 1, 1)?;
        let entry = page.into_iter().find(|it| it.sequence == sequence);
        let Some(entry) = entry else { return Ok(None) };
        let tree = match of(&entry.bytes) {
            Some(Belongs::To(tree)) => tree,
            Some(Belongs::Heads(_)) => Tree::System,
            None => return Err(TreesError::Contradiction { sequence }),
        };
        Ok(Some(Found {
            tree,
            bytes: entry.bytes,
            place: entry.place,
        }))
    }

    /// An entry of a tree, by its index; none if the tree does not have it (yet).
    pub fn at(&self, tree: Tree, index: u64) -> Result<Option<Vec<u8>>, TreesError> {
        if index >= self.head(tree).size {
            return Ok(None);
        }
        self.entry(tree, index).map(|text| Some(text.into_bytes()))
    }

    /// Whether a tree may have an entry with this index once it has all of the journal.
    pub fn may_have(&self, tree: Tree, index: u64) -> bool {
        let to_come = self.journal.last().saturating_sub(self.sequence());
        index < self.head(tree).size.saturating_add(to_come)
    }

    /// Which entry of its tree one is, from 0; none if it is in no tree. By where it lies, since places
    /// ascend in a tree: a few small files are read, whatever was let go of, and nothing of the journal.
    pub fn index_of(&self, found: &Found) -> Result<Option<u64>, TreesError> {
        let Some(end) = self.end(found.tree) else {
            return Ok(None);
        };
        self.tiles(found.tree).index_of(found.place, end)
    }

    /// A receipt for an entry of the system's tree, under a checkpoint of that tree.
    pub fn receipt_in_system(
        &self,
        index: u64,
        signed: &Note,
        size: u64,
    ) -> Result<Option<Receipt>, TreesError> {
        if index >= size {
            return Ok(None);
        }
        Ok(Some(Receipt {
            extra: None,
            index,
            path: self.path(Tree::System, index, size)?,
            checkpoint: signed.clone(),
        }))
    }

    /// A receipt for an entry of a tenant's tree, under a checkpoint of the system's tree; none if the
    /// heads that the checkpoint holds do not cover it yet.
    pub fn receipt_in(
        &self,
        tree: Tree,
        index: u64,
        signed: &Note,
        size: u64,
    ) -> Result<Option<Receipt>, TreesError> {
        let head = self.committed(tree, size);
        let Some(head) = head.filter(|head| index < head.size) else {
            return Ok(None);
        };
        let Some(number) = self.index.get(&tree).copied() else {
            return Ok(None);
        };
        let (at, head_path) = match (self.heads_below(size), self.standing.below(size)) {
            (Some(at), _) => (at, self.heads.path(number).map(|(_, path)| path)),
            (None, Some(stood)) => (stood.at, stood.path(number)),
            (None, None) => return Ok(None),
        };
        let head_path = head_path.ok_or_else(|| damaged(tree))?;
        let way = IntoHeads {
            index,
            size: head.size,
            root: head.root.to_string(),
            path: texts(&self.path(tree, index, head.size)?),
            head: u64::from(number),
            head_path: texts(&head_path),
            heads: self.entry(Tree::System, at)?,
        };
        let extra = serde_json::to_vec(&way).map_err(|_| damaged(tree))?;
        let receipt = self.receipt_in_system(at, signed, size)?;
        Ok(receipt.map(|receipt| Receipt {
            extra: Some(extra),
            ..receipt
        }))
    }

    fn path(&self, tree: Tree, index: u64, size: u64) -> Result<Vec<Hash>, TreesError> {
        let tiles = Tiles::new(size, |tile| self.there(tree, tile));
        prove_inclusion(&tiles, index, size).map_err(|error| match error {
            ProveError::Hashes(error) => told(tree, error),
            _ => damaged(tree),
        })
    }

    /// An entry of a tree that has it, as text.
    fn entry(&self, tree: Tree, index: u64) -> Result<String, TreesError> {
        let end = self.end(tree).ok_or_else(|| damaged(tree))?;
        let entry = self.tiles(tree).entry(index, end)?;
        String::from_utf8(entry).map_err(|_| damaged(tree))
    }

    /// A tile that the tree must have.
    fn there(&self, tree: Tree, tile: Tile) -> Result<Vec<u8>, TreesError> {
        self.tile(tree, tile)?.ok_or_else(|| damaged(tree))
    }
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

/// What cannot be read is not damage.
fn told(tree: Tree, error: TileError<TreesError>) -> TreesError {
    match error {
        TileError::Unreadable { source, .. } => source,
        _ => damaged(tree),
    }
}

fn damaged(tree: Tree) -> TreesError {
    TreesError::Damaged {
        path: tree.to_string(),
    }
}
