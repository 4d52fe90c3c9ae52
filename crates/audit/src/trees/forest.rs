//! All trees of one journal: they grow as it does, go on where they were after a crash at any moment,
//! and refuse a journal that is not the one they were made from.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use keyward_core::ids::TenantId;
use keyward_core::port::audit_log::AuditError;
use keyward_ledger::{Hash, Head, Tile};
use uuid::Uuid;

use crate::journal::Journal;
use crate::reader::{Place, Written};
use crate::trees::batches::Batches;
use crate::trees::end::End;
use crate::trees::heads::{HeadsTree, leaf};
use crate::trees::state::{Bytes, Out};
use crate::trees::stood::Standing;
use crate::trees::tiles::Tiles;
use crate::trees::tree::{Belongs, of};
use crate::trees::{Heads, Tree, TreesError};

/// What the trees know of the journal so far.
const STATE: &str = "state";
/// Bytes of entries that are read at once.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;
/// After so many entries the state is kept, so that no more are read again after a crash.
const KEPT_EVERY: u64 = 256 * 1024;

/// Where the trees' files are kept. After an error something may have happened or not.
pub trait LogFiles {
    /// A file whole; none if it is not there.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Puts a file in its place. Until [`LogFiles::settle`] a power cut may leave all of it, none,
    /// or a part.
    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything durable that was put.
    fn settle(&self) -> io::Result<()>;

    /// Removes a file, if it is there. It may return after a power cut.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Writes a file whole and durably, over what was there. It is never there in part.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
}

/// The trees of a journal.
pub struct Forest<F> {
    files: F,
    pub(super) journal: Arc<Journal>,
    /// The last entry that is in its tree.
    last: Option<Last>,
    /// The number before the first entry that is taken of the journal.
    before: u64,
    /// The beginning of the journal for which no files of what was let go of are left.
    pub(super) swept: u64,
    /// The last entry of which the kept state knows.
    pub(super) kept: u64,
    /// The segment of the journal that it is in.
    kept_in: u64,
    /// Which log it is, once an entry of heads says so.
    log: Option<Uuid>,
    /// Where the journal ended when the trees were opened: heads that are in it lie up to there.
    reach: u64,
    /// The last entry that heads cover.
    headed: u64,
    /// The last entry that is none of heads.
    other: u64,
    system: End,
    /// All other trees, in the order in which they had their first entries.
    pub(super) trees: Vec<(Tree, End)>,
    pub(super) index: HashMap<Tree, u32>,
    pub(super) heads: HeadsTree,
    batches: Batches,
    /// The heads that were made last, and which entry of the system's tree they are, once they are.
    pub(super) made: Option<(Heads, Option<u64>)>,
    /// Those of before on which what is given out rests.
    pub(super) standing: Standing,
}

/// The last entry, by which a journal is recognised.
#[derive(Clone, Copy)]
struct Last {
    sequence: u64,
    place: Place,
    leaf: Hash,
}

impl<F: LogFiles> Forest<F> {
    /// Opens the trees of a journal, or begins them. [`Forest::grow`] then takes what they lack.
    pub fn open(files: F, journal: Arc<Journal>) -> Result<Self, TreesError> {
        let kept = files.read(STATE).map_err(of_state)?;
        let mut forest = Self::empty(files, journal);
        let Some(bytes) = kept else {
            return forest.begun();
        };
        let resumed = forest.resume(&bytes).is_some();
        // What it lacks may be gone from the journal.
        if !resumed || forest.kept < forest.journal.beginning() {
            tracing::warn!(
                "the transparency log's state is damaged, or of an earlier version: the log is \
                 made from the journal"
            );
            let Self { files, journal, .. } = forest;
            return Self::empty(files, journal).begun();
        }
        forest.recognise()?;
        Ok(forest)
    }

    /// As the trees were when they had just what was let go of.
    fn begun(mut self) -> Result<Self, TreesError> {
        let Some(begun) = self.journal.begun() else {
            return Ok(self);
        };
        for (tree, frontier) in begun.trees() {
            *self.end_mut(*tree) = End::begun(frontier).ok_or(TreesError::OtherBeginning)?;
        }
        self.log = (!begun.log.is_nil()).then_some(begun.log);
        self.before = begun.first - 1;
        (self.headed, self.other) = (self.before, self.before);
        self.batches = Batches::after(self.before);
        Ok(self)
    }

    fn empty(files: F, journal: Arc<Journal>) -> Self {
        Self {
            files,
            reach: journal.last(),
            journal,
            last: None,
            before: 0,
            swept: 0,
            kept: 0,
            kept_in: 0,
            log: None,
            headed: 0,
            other: 0,
            system: End::default(),
            trees: Vec::new(),
            index: HashMap::new(),
            heads: HeadsTree::default(),
            batches: Batches::after(0),
            made: None,
            standing: Standing::default(),
        }
    }

    /// The last entry of the journal that is in its tree; 0 if there is none.
    pub fn sequence(&self) -> u64 {
        self.last.map_or(self.before, |last| last.sequence)
    }

    /// Which log it is; none until the first heads are in the journal.
    pub fn log(&self) -> Option<Uuid> {
        self.log
    }

    /// How many entries a tree has, and their root.
    pub fn head(&self, tree: Tree) -> Head {
        self.end(tree)
            .map_or_else(|| End::default().head(), End::head)
    }

    /// The journal's last durable entry.
    pub fn journal_last(&self) -> u64 {
        self.journal.last()
    }

    /// Whether the heads that were made last are not in the system's tree yet.
    pub fn awaits_heads(&self) -> bool {
        self.made.is_some_and(|(_, at)| at.is_none())
    }

    /// Whether the trees have all that the journal had when they were opened.
    pub fn has_reached(&self) -> bool {
        self.sequence() >= self.reach
    }

    /// Whether the journal has entries other than heads that no heads cover.
    pub fn has_news(&self) -> bool {
        self.other > self.headed
    }

    /// The bytes of memory in which all trees are kept, and how many trees.
    pub fn size_bytes(&self) -> (usize, usize) {
        let ends = self.trees.iter().map(|(_, end)| end.size_bytes());
        let entry = size_of::<Tree>() + size_of::<(Tree, u32)>() + 2 * Hash::SIZE;
        let size = ends.sum::<usize>() + self.trees.len() * entry;
        (size + self.system.size_bytes(), self.trees.len() + 1)
    }

    /// Takes entries from the journal, a page at most. Whether there may be more. After an error the
    /// trees are to be opened again.
    pub fn grow(&mut self) -> Result<bool, TreesError> {
        let before = self.sequence();
        let first = self.journal.beginning();
        if first > before.saturating_add(1) {
            // They would go on behind a gap.
            return Err(TreesError::LetGo { first });
        }
        let mut page = self.journal.written(before, PAGE_BYTES)?;
        let until = page.last().map_or(before, |last| last.sequence);
        // The last entry's own signature may have come behind it.
        let signatures = self.journal.signatures(before.saturating_sub(1), until)?;
        // A page ends where it may, mostly within a batch: whoever is behind takes whole ones, so that what
        // the trees have can be signed meanwhile.
        if until < self.journal.last()
            && let Some(signed) = signatures.last().filter(|it| it.sequence > before)
        {
            page.retain(|entry| entry.sequence <= signed.sequence);
        }
        let mut signatures = signatures.iter().peekable();
        while let Some(late) = signatures.next_if(|it| it.sequence <= before) {
            self.batches.check(late, &self.journal)?;
        }
        for entry in &page {
            let leaf = self.take(entry)?;
            self.batches.append(leaf);
            while let Some(signature) = signatures.next_if(|it| it.sequence <= entry.sequence) {
                self.batches.check(signature, &self.journal)?;
            }
        }
        // And when a segment was finished: before that none of its tiles is let go of.
        let begun = self
            .last
            .is_some_and(|last| last.place.segment > self.kept_in);
        if begun || self.sequence() >= self.kept + KEPT_EVERY {
            self.keep()?;
        }
        Ok(!page.is_empty())
    }

    /// What makes the journal tell where an entry will stand in its tree as soon as it has it. It may wait for
    /// whoever writes the journal: not while the trees are locked.
    pub fn numbering(&self) -> impl FnOnce() -> Result<(), TreesError> + Send + 'static + use<F> {
        let all = self.trees.iter().map(|(tree, end)| (*tree, end.size()));
        let all: Vec<_> = all.chain([(Tree::System, self.system.size())]).collect();
        let (journal, after) = (Arc::clone(&self.journal), self.sequence());
        move || Ok(journal.number(all, after)?)
    }

    /// Puts an entry behind all others of its tree.
    fn take(&mut self, entry: &Written) -> Result<Hash, TreesError> {
        let Written {
            sequence,
            place,
            bytes,
        } = entry;
        let damaged = || TreesError::Contradiction {
            sequence: *sequence,
        };
        let tree = match of(bytes).ok_or_else(damaged)? {
            Belongs::To(tree) => {
                self.other = *sequence;
                tree
            }
            Belongs::Heads(heads) => {
                self.log.get_or_insert(heads.log);
                self.headed = heads.through;
                if let Some((made, index)) = &mut self.made
                    && *made == heads
                {
                    *index = Some(self.system.size());
                }
                Tree::System
            }
        };
        let leaf = Hash::of_leaf(bytes);
        let full = self
            .end_mut(tree)
            .append(leaf, *place)
            .map_err(|_| damaged())?;
        if let Some(full) = full {
            self.tiles(tree).write(&full)?;
        }
        self.last = Some(Last {
            sequence: *sequence,
            place: *place,
            leaf,
        });
        Ok(leaf)
    }

    /// Whether the journal's node has signed all entries that the trees have.
    pub fn is_signed(&self) -> bool {
        self.batches.is_complete()
    }

    /// The public halves of keys that signed entries, and that nobody has confirmed to be the node's.
    pub fn strangers(&self) -> Vec<[u8; 32]> {
        self.batches.strangers().to_vec()
    }

    /// This is a key of the node's own.
    pub fn confirm(&mut self, public: [u8; 32]) {
        self.batches.confirm(public);
    }

    pub(super) fn end(&self, tree: Tree) -> Option<&End> {
        match self.index.get(&tree) {
            _ if tree == Tree::System => Some(&self.system),
            Some(index) => self.trees.get(*index as usize).map(|(_, end)| end),
            None => None,
        }
    }

    fn end_mut(&mut self, tree: Tree) -> &mut End {
        if tree == Tree::System {
            return &mut self.system;
        }
        let next = self.trees.len() as u32;
        let index = *self.index.entry(tree).or_insert(next);
        if index == next {
            self.trees.push((tree, End::default()));
        }
        self.heads.note(index);
        &mut self.trees[index as usize].1
    }

    pub(super) fn tiles(&self, tree: Tree) -> Tiles<'_, F> {
        Tiles {
            files: &self.files,
            journal: &self.journal,
            tree,
            begun: self.journal.begun(),
        }
    }

    /// A tile's bytes; none if the tree has no such tile now.
    pub fn tile(&self, tree: Tree, tile: Tile) -> Result<Option<Vec<u8>>, TreesError> {
        match self.end(tree) {
            Some(end) => self.tiles(tree).read(tile, end),
            None => Ok(None),
        }
    }

    /// The heads of all trees but the system's, as they are now; none before the trees have all that the
    /// journal had when they were opened, since heads that are in it cover more than they do. `fresh`
    /// names the log if it has no name yet: random.
    pub fn heads(&mut self, fresh: Uuid) -> Option<Heads> {
        if !self.has_reached() {
            return None;
        }
        // Remembered, also if they are never logged: leaves that are made keep their salt.
        let log = *self.log.get_or_insert(fresh);
        let trees = &mut self.trees;
        let root = self.heads.root(|index| {
            let (tree, end) = trees.get_mut(index as usize)?;
            let head = end.head();
            end.committed = Some(head);
            Some(Hash::of_leaf(leaf(log, *tree, head).as_bytes()))
        });
        let heads = Heads {
            log,
            through: self.sequence(),
            trees: self.trees.len() as u64,
            root,
        };
        self.made = Some((heads, None));
        Some(heads)
    }

    /// Makes durable what there is, so that the journal need not be read again up to here.
    pub fn keep(&mut self) -> Result<(), TreesError> {
        let Some(last) = self.last.filter(|last| last.sequence > self.kept) else {
            return Ok(());
        };
        self.files.settle().map_err(|source| TreesError::Io {
            path: "tiles".to_owned(),
            source,
        })?;
        let mut out = Out::new();
        for number in [last.sequence, last.place.segment, last.place.offset] {
            out.number(number);
        }
        out.hash(&last.leaf);
        out.bytes(self.log.unwrap_or_default().as_bytes());
        out.number(self.headed);
        out.number(self.other);
        self.system.put(&mut out);
        out.number(self.trees.len() as u64);
        for (tree, end) in &self.trees {
            let tenant = tree.tenant().map(TenantId::uuid).unwrap_or_default();
            out.number(u64::from(matches!(tree, Tree::Operations(_))));
            out.bytes(tenant.as_bytes());
            end.put(&mut out);
        }
        let written = self.files.write(STATE, &out.close());
        written.map_err(of_state)?;
        self.kept = last.sequence;
        self.kept_in = last.place.segment;
        Ok(())
    }

    /// Takes over what was kept; none if it is not what was.
    fn resume(&mut self, bytes: &[u8]) -> Option<()> {
        let mut bytes = Bytes::open(bytes)?;
        let last = Last {
            sequence: bytes.number()?,
            place: Place {
                segment: bytes.number()?,
                offset: bytes.number()?,
            },
            leaf: bytes.hash()?,
        };
        let log = Uuid::from_bytes(bytes.array()?);
        self.log = (!log.is_nil()).then_some(log);
        self.headed = bytes.number()?;
        self.other = bytes.number()?;
        self.system = End::take(&mut bytes)?;
        for _ in 0..bytes.number()? {
            let operations = bytes.number()? == 1;
            let tenant = TenantId::from_uuid(Uuid::from_bytes(bytes.array()?));
            let tree = if operations {
                Tree::Operations(tenant)
            } else {
                Tree::Changes(tenant)
            };
            *self.end_mut(tree) = End::take(&mut bytes)?;
        }
        self.last = Some(last);
        self.batches = Batches::after(last.sequence);
        self.kept = last.sequence;
        self.kept_in = last.place.segment;
        bytes.is_empty().then_some(())
    }

    /// The journal has the entry up to which it was read, where it was, and it is the same.
    fn recognise(&self) -> Result<(), TreesError> {
        let Some(last) = self.last else { return Ok(()) };
        let (known, found) = (last.sequence, self.journal.last());
        if found < known {
            return Err(TreesError::Shrunk { known, found });
        }
        let sequence = known;
        match self.journal.at(&[last.place]) {
            Ok(read) if read.iter().any(|entry| Hash::of_leaf(entry) == last.leaf) => Ok(()),
            Ok(_) | Err(AuditError::Damaged { .. }) => Err(TreesError::Contradiction { sequence }),
            Err(error) => Err(error.into()),
        }
    }
}

fn of_state(source: io::Error) -> TreesError {
    TreesError::Io {
        path: STATE.to_owned(),
        source,
    }
}
