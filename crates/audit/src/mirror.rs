//! Mirrors: copies of the node's log elsewhere, in a directory or an object store, brought up to what was
//! signed every few seconds. What lies in one is a log that verifies, at every instant.
//!
//! ```text
//! tiles and bundles ─► hand-overs, key ─► checkpoint of each tenant's tree ─► of the system's ─► partial
//! tiles that nobody needs any more go
//! ```
//!
//! Full tiles are written once, if nothing is there, and compared if something is. Only checkpoints,
//! hand-overs and keys are replaced. How far a mirror is, its own checkpoints say: whoever writes them
//! remembers nothing, and believes them only if the log's key has signed them and its trees agree.

mod beyond;
mod bringing;
mod directory;
mod meeting;
mod numbers;
mod place;
mod reach;

use std::collections::HashMap;
use std::sync::Arc;

use keyward_ledger::{Head, Note, VerifierKey};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::trees::{Forest, LogDirectory, Tree};

pub use beyond::forget_beyond;
use bringing::{Brought, Held};
pub(crate) use numbers::numbers_in;
pub use numbers::numbers_path;
pub use place::MirrorPlace;

/// The file beside a tree's checkpoint that has its public key.
pub const KEY_PATH: &str = "key";
/// Trees that are brought up at a time.
const TREES_AT_ONCE: usize = 8;

/// The trees that are mirrored, as those who grow them share them.
pub type MirroredTrees = Arc<Mutex<Forest<LogDirectory>>>;

/// Signs how a tenant's tree stood: its checkpoint; none while that is not possible.
pub type Sign = Arc<dyn Fn(Tree, Head) -> Option<Note> + Send + Sync>;

/// Why a mirror is not what the log is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The place does not answer, or takes nothing.
    #[error("{0}")]
    Place(String),
    /// The log itself cannot be read or signed for now.
    #[error("the log cannot be mirrored for now: {0}")]
    Log(String),
    /// Something else wrote the checkpoint meanwhile.
    #[error("something else wrote its checkpoint: does another server use the same place?")]
    Contended,
    /// Another log lies there.
    #[error(
        "it holds another log, {found}: nothing is written there; give this log a place of its own \
         (docs/audit-mirror.md)"
    )]
    OtherLog {
        /// Its name.
        found: String,
    },
    /// It was begun without the numbers of entries: no log can go on from it.
    #[error(
        "it has no {path}: it was begun by an earlier version, without the numbers of entries, so that no \
         lost log could go on from it; give it a new place, or take `before_given_out` away \
         (docs/audit-mirror.md)"
    )]
    NoNumbers {
        /// Of the first.
        path: String,
    },
    /// A file is there that should never change, and it is another one.
    #[error(
        "its {path} is not what was written there: it is left as it is; keep it as evidence \
         (docs/audit-mirror.md)"
    )]
    Altered {
        /// Which.
        path: String,
    },
    /// A checkpoint is there that this log did not sign.
    #[error(
        "its {path} is no checkpoint that this log has signed: it is left as it is; keep it as evidence \
         (docs/audit-mirror.md)"
    )]
    Unsigned {
        /// Which.
        path: String,
    },
    /// A signed checkpoint is there that is ahead of this log, or of another history.
    #[error(
        "its {path} was signed for {size} entries of this log, which are not the first {size} here: the \
         end of the journal is lost, or an older copy of this machine was put back; nothing is signed \
         under this name (docs/audit-mirror.md)"
    )]
    Contradicts {
        /// Which.
        path: String,
        /// How many entries.
        size: u64,
    },
}

impl MirrorError {
    /// The one of two that says more of the log: that it is of another history, before that something is
    /// wrong with a file, before that something does not answer.
    fn worse(self, other: Option<Self>) -> Self {
        let rank = |error: &Self| match error {
            Self::Contradicts { .. } => 2,
            error if error.is_passing() => 0,
            _ => 1,
        };
        match other {
            Some(other) if rank(&other) >= rank(&self) => other,
            _ => self,
        }
    }

    /// Whether trying again may help, without anybody doing anything.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Place(_) | Self::Log(_) | Self::Contended)
    }
}

/// What is to be in a mirror.
#[derive(Clone)]
pub struct Newest {
    /// The key that signs, under the log's name.
    pub log: VerifierKey,
    /// All keys that have signed this log, that one among them.
    pub keys: Vec<VerifierKey>,
    /// How the system's tree stood when it was signed last: no mirror has more.
    pub signed: Head,
    /// The newest checkpoint that is given out.
    pub counted: Option<(Head, Note)>,
    /// What that checkpoint commits to of all other trees.
    pub committed: Vec<(Tree, Head)>,
    /// How the log was handed over from key to key.
    pub handovers: String,
    /// The trees.
    pub trees: MirroredTrees,
}

/// How far a mirror is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Entries of the system's tree.
    pub size: u64,
    /// Entries of all trees that are signed and not there.
    pub behind: u64,
    /// Files written so far.
    pub written: u64,
    /// Whether something is signed that is not there.
    pub has_news: bool,
}

/// One mirror.
pub struct Mirror {
    place: Arc<MirrorPlace>,
    sign: Sign,
    held: HashMap<Tree, Held>,
    written: u64,
    /// Whether what is wrong with one tree, whatever it is, holds the system's checkpoint back.
    is_whole_or_held_back: bool,
}

impl Mirror {
    /// A mirror of which nothing is known yet.
    pub fn new(place: MirrorPlace, sign: Sign) -> Self {
        Self {
            place: Arc::new(place),
            sign,
            held: HashMap::new(),
            written: 0,
            is_whole_or_held_back: false,
        }
    }

    /// Whoever goes on from it finds everything that its checkpoint commits to: that is not brought up while
    /// anything is wrong with any tenant's tree.
    #[must_use]
    pub const fn whole_or_held_back(mut self, is_so: bool) -> Self {
        self.is_whole_or_held_back = is_so;
        self
    }

    /// Finds out, if that is not known, what the mirror has of the log's system tree: that it is this log,
    /// and is not ahead of it or of another history. Reads, and writes nothing but the log's key where
    /// there is none.
    ///
    /// # Errors
    /// What it has instead, or that it does not say.
    pub async fn meet(&mut self, newest: &Newest) -> Result<(), MirrorError> {
        if !self.is_met() {
            meeting::claim(&self.place, newest).await?;
            let held = meeting::meet(&self.place, newest, Tree::System).await?;
            if self.is_whole_or_held_back {
                meeting::ensure_numbered(&self.place, held.size).await?;
            }
            self.held.insert(Tree::System, held);
        }
        Ok(())
    }

    /// Whether it is known what the mirror has of the system's tree: the beginning of this log.
    pub fn is_met(&self) -> bool {
        self.held.contains_key(&Tree::System)
    }

    /// Forgets what the mirror is known to have: it is asked again.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// Brings the mirror up to what is given out: the tenants' trees first, the system's last, and not while
    /// one of theirs is to come.
    ///
    /// # Errors
    /// The worst that was met. What is wrong with one tenant's tree keeps no other tenant's from being mirrored,
    /// and not the system's if a file was altered there; unless all is wanted.
    pub async fn bring(&mut self, newest: &Newest) -> Result<(), MirrorError> {
        self.meet(newest).await?;
        let newest = Arc::new(newest.clone());
        let (mut worst, mut goes_on, mut is_held_back) = (None, true, false);
        let mut under_way = JoinSet::new();
        let all = newest.committed.iter().rev();
        let due = all.filter(|(tree, head)| !self.has(*tree, *head));
        let mut due: Vec<(Tree, Head)> = due.copied().collect();
        loop {
            while goes_on
                && under_way.len() < TREES_AT_ONCE
                && let Some((tree, head)) = due.pop()
            {
                let held = self.held.remove(&tree);
                let work = (self.place.clone(), self.sign.clone(), newest.clone());
                under_way.spawn(bringing::tenants(work, tree, head, held));
            }
            let Some(done) = under_way.join_next().await else {
                break;
            };
            let brought = done.map_err(|error| MirrorError::Log(error.to_string()))?;
            if let Err(error) = self.settle(brought) {
                goes_on &= !matches!(error, MirrorError::Place(_));
                is_held_back |= error.is_passing();
                worst = Some(error.worse(worst));
            }
        }
        // It commits to all of them: what it covers is there before, or can never be there any more.
        let is_complete = worst.is_none() || !(is_held_back || self.is_whole_or_held_back);
        if is_complete && let Some((head, note)) = &newest.counted {
            let held = self.held.remove(&Tree::System).unwrap_or_default();
            let brought = bringing::system(&self.place, &newest, (*head, note), held).await;
            if let Err(error) = self.settle(brought) {
                worst = Some(error.worse(worst));
            }
        }
        worst.map_or(Ok(()), Err)
    }

    fn settle(&mut self, brought: Brought) -> Result<(), MirrorError> {
        self.written += brought.written;
        if let Some(held) = brought.held {
            self.held.insert(brought.tree, held);
        }
        brought.outcome
    }

    fn has(&self, tree: Tree, head: Head) -> bool {
        self.held
            .get(&tree)
            .is_some_and(|held| held.size >= head.size)
    }

    /// How far it is, of what is to be in it.
    pub fn reached(&self, newest: &Newest) -> Reached {
        let has = |tree: Tree| self.held.get(&tree).map_or(0, |held| held.size);
        let lacks = |(tree, head): &(Tree, Head)| head.size.saturating_sub(has(*tree));
        let system = newest.counted.as_ref();
        let of_system = self.held.get(&Tree::System);
        let is_same = match (system, of_system) {
            (Some((head, note)), Some(held)) => held.has_all_of(*head, note),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let system = system.map(|(head, _)| (Tree::System, *head));
        let behind =
            newest.committed.iter().map(lacks).sum::<u64>() + system.iter().map(lacks).sum::<u64>();
        Reached {
            size: has(Tree::System),
            behind,
            written: self.written,
            has_news: behind > 0 || !is_same,
        }
    }
}

/// The name of a tree's log.
fn origin_of(newest: &Newest, tree: Tree) -> String {
    let name = newest.log.name().as_str();
    match tree {
        Tree::System => name.to_owned(),
        tree => format!("{name}/{tree}"),
    }
}
