//! Bringing one tree of a mirror up to a checkpoint: everything that it covers first, then itself, then
//! away with what nobody needs any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyward_ledger::{
    Algorithm, CHECKPOINT_PATH, Content, HANDOVERS_PATH, Head, KeyName, Note, Tile, VerifierKey,
};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use super::{
    KEY_PATH, MirrorError, MirrorPlace, MirroredTrees, Newest, Sign, meeting, numbers,
    numbers_path, origin_of, reach,
};
use crate::mirror::place::Put;
use crate::trees::{Tree, TreesError};

/// Tiles of a tree that are written at a time.
const TILES_AT_ONCE: usize = 8;
/// Partial tiles of so many checkpoints are kept: whoever has read the one before is still reading them.
const KEPT: usize = 2;

/// Tiles are read one after another, for all mirrors: to make one again from sealed segments takes its time,
/// and those who make the log and its receipts wait for the same trees.
static READERS: Semaphore = Semaphore::const_new(1);

/// What a mirror has of a tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// How many entries the checkpoint has that lies there.
    pub(super) size: u64,
    /// That checkpoint, as it lies there.
    note: Option<(Note, Vec<u8>)>,
    /// Full tiles are there for so many entries, or the checkpoint's.
    reached: u64,
    /// Sizes whose partial tiles may be there, the newest last.
    partial: Vec<u64>,
}

impl Held {
    /// What a mirror says that it has.
    pub(super) fn met(size: u64, note: Note, bytes: Vec<u8>) -> Self {
        Self {
            size,
            note: Some((note, bytes)),
            reached: size,
            partial: vec![size],
        }
    }

    /// Whether it has this checkpoint, with everything that is signed on it.
    pub(super) fn has_all_of(&self, head: Head, note: &Note) -> bool {
        let is_same = self.note.as_ref().is_some_and(|(has, _)| has == note);
        self.size > head.size || is_same
    }
}

/// What became of it.
pub(super) struct Brought {
    pub(super) tree: Tree,
    /// What the mirror has now; none if it did not say.
    pub(super) held: Option<Held>,
    pub(super) written: u64,
    pub(super) outcome: Result<(), MirrorError>,
}

/// What the work on one tree is done with.
struct Work<'a> {
    place: &'a Arc<MirrorPlace>,
    newest: &'a Newest,
    tree: Tree,
    held: Held,
    written: u64,
}

/// Brings a tenant's tree up to what was committed to of it.
pub(super) async fn tenants(
    (place, sign, newest): (Arc<MirrorPlace>, Sign, Arc<Newest>),
    tree: Tree,
    head: Head,
    held: Option<Held>,
) -> Brought {
    let held = match held {
        Some(held) => Ok(held),
        None => meeting::meet(&place, &newest, tree).await,
    };
    let held = match held {
        Ok(held) => held,
        Err(error) => {
            return Brought {
                tree,
                held: None,
                written: 0,
                outcome: Err(error),
            };
        }
    };
    let mut work = Work {
        place: &place,
        newest: &newest,
        tree,
        held,
        written: 0,
    };
    let outcome = if work.held.size >= head.size {
        Ok(())
    } else {
        work.bring(head, || sign(tree, head)).await
    };
    work.done(outcome)
}

/// Brings the system's tree up to a checkpoint.
pub(super) async fn system(
    place: &Arc<MirrorPlace>,
    newest: &Newest,
    (head, note): (Head, &Note),
    held: Held,
) -> Brought {
    let mut work = Work {
        place,
        newest,
        tree: Tree::System,
        held,
        written: 0,
    };
    let outcome = if work.held.has_all_of(head, note) {
        Ok(())
    } else {
        work.bring(head, || Some(note.clone())).await
    };
    work.done(outcome)
}

impl Work<'_> {
    fn done(mut self, outcome: Result<(), MirrorError>) -> Brought {
        // Nothing goes beside a file that is evidence.
        if matches!(outcome, Err(MirrorError::Altered { .. })) {
            self.held.partial.clear();
        }
        // What it has is asked of itself again, if that is in doubt.
        let is_known = outcome != Err(MirrorError::Contended);
        Brought {
            tree: self.tree,
            held: is_known.then_some(self.held),
            written: self.written,
            outcome,
        }
    }

    async fn bring(
        &mut self,
        head: Head,
        note: impl FnOnce() -> Option<Note>,
    ) -> Result<(), MirrorError> {
        let mut from = self.held.reached;
        if from < head.size && !self.held.partial.contains(&head.size) {
            self.held.partial.push(head.size);
        }
        while from < head.size {
            let to = reach::next(from, head.size);
            self.put_all(reach::tiles(from, to, head.size)).await?;
            from = to;
            if to < head.size {
                self.held.reached = to;
            }
        }
        let note = note()
            .ok_or_else(|| MirrorError::Log("a tenant's checkpoint cannot be signed".to_owned()))?;
        self.replace(HANDOVERS_PATH, self.newest.handovers.clone())
            .await?;
        self.replace_key().await?;
        self.checkpoint(head, note).await?;
        self.forget_partial().await;
        Ok(())
    }

    /// Writes tiles that are not there, and compares those that are.
    async fn put_all(&mut self, tiles: Vec<Tile>) -> Result<(), MirrorError> {
        let mut under_way = JoinSet::new();
        let mut waiting = tiles.into_iter();
        let mut worst = None;
        loop {
            while worst.is_none()
                && under_way.len() < TILES_AT_ONCE
                && let Some(tile) = waiting.next()
            {
                let trees = self.newest.trees.clone();
                under_way.spawn(put(self.place.clone(), trees, self.tree, tile));
            }
            let Some(done) = under_way.join_next().await else {
                break;
            };
            match done.map_err(|error| MirrorError::Log(error.to_string())) {
                Ok(Ok(Put::Written)) => self.written += 1,
                Ok(Ok(Put::Present)) => {}
                Ok(Err(error)) | Err(error) => worst = Some(error.worse(worst)),
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// Makes a file say what it should; what says it already is left alone.
    async fn replace(&mut self, file: &str, text: String) -> Result<(), MirrorError> {
        let path = format!("{}/{file}", self.tree);
        let found = self.place.read(&path).await?;
        if found.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        let replaced = self
            .place
            .exchange(&path, found.as_deref(), text.into_bytes());
        if !replaced.await? {
            return Err(MirrorError::Contended);
        }
        self.written += 1;
        Ok(())
    }

    /// Writes the tree's key, over one under the same name and over no other.
    async fn replace_key(&mut self) -> Result<(), MirrorError> {
        let (key, path) = (self.key()?, format!("{}/{KEY_PATH}", self.tree));
        if let Some(found) = self.place.read(&path).await? {
            let found = String::from_utf8_lossy(&found);
            match found.trim_end().parse::<VerifierKey>() {
                Ok(there) if there.name() == key.name() => {}
                Ok(there) => {
                    let found = there.name().to_string();
                    return Err(MirrorError::OtherLog { found });
                }
                Err(_) => return Err(MirrorError::Altered { path }),
            }
        }
        self.replace(KEY_PATH, format!("{key}\n")).await
    }

    /// Writes the checkpoint over the one that this process knows to be there, and over no other.
    async fn checkpoint(&mut self, head: Head, note: Note) -> Result<(), MirrorError> {
        let path = format!("{}/{CHECKPOINT_PATH}", self.tree);
        let bytes = note.to_string().into_bytes();
        let before = self.held.note.as_ref().map(|(_, bytes)| bytes.as_slice());
        let exchanged = self.place.exchange(&path, before, bytes.clone()).await?;
        // An answer that was lost may have been a yes.
        if !exchanged && self.place.read(&path).await?.as_deref() != Some(bytes.as_slice()) {
            return Err(MirrorError::Contended);
        }
        self.written += 1;
        self.held.note = Some((note, bytes));
        self.held.size = head.size;
        self.held.reached = head.size;
        Ok(())
    }

    /// Removes partial tiles that no checkpoint leads to. A place that keeps what it has may keep them.
    async fn forget_partial(&mut self) {
        let tree = self.tree;
        let named = |sizes: &[u64]| -> BTreeSet<String> {
            let tiles = sizes.iter().flat_map(|size| reach::partial(*size));
            let files = tiles.flat_map(|tile| {
                let is_bundle = tile.content() == Content::Entries;
                let numbers = is_bundle.then(|| numbers_path(tree, tile));
                std::iter::once(format!("{tree}/{tile}")).chain(numbers)
            });
            files.collect()
        };
        let old = self.held.partial.len().saturating_sub(KEPT);
        let needed = named(&self.held.partial[old..]);
        for path in named(&self.held.partial[..old]).difference(&needed) {
            if let Err(error) = self.place.remove(path).await {
                tracing::debug!(path, %error, "a mirror keeps a partial tile");
                break;
            }
        }
        self.held.partial.drain(..old);
    }

    fn key(&self) -> Result<VerifierKey, MirrorError> {
        let name = KeyName::new(&origin_of(self.newest, self.tree));
        let name = name.ok_or_else(|| MirrorError::Log("its name cannot be a key's".to_owned()))?;
        let public = self.newest.log.public();
        Ok(VerifierKey::new(name, Algorithm::Ed25519, public))
    }
}

/// Writes a tile, with the numbers of its entries before it if it is a bundle.
async fn put(
    place: Arc<MirrorPlace>,
    trees: MirroredTrees,
    tree: Tree,
    tile: Tile,
) -> Result<Put, MirrorError> {
    let is_bundle = tile.content() == Content::Entries;
    let turn = READERS.acquire().await;
    let read = spawn_blocking(move || {
        let numbers = is_bundle.then(|| numbers::file(&trees, tree, tile));
        Ok((
            trees.lock().tile(tree, tile)?,
            numbers.transpose()?.flatten(),
        ))
    });
    let read = read.await;
    drop(turn);
    let log = |why: String| MirrorError::Log(why);
    let read = read.map_err(|error| log(error.to_string()))?;
    let (bytes, numbers) = read.map_err(|error: TreesError| log(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| log(format!("it has no {tile}")))?;
    if is_bundle {
        let numbers = numbers.ok_or_else(|| log(format!("it has no numbers of {tile}")))?;
        put_file(&place, numbers_path(tree, tile), numbers).await?;
    }
    put_file(&place, format!("{tree}/{tile}"), bytes).await
}

/// Writes a file if nothing is there, and compares what is.
async fn put_file(place: &MirrorPlace, path: String, bytes: Vec<u8>) -> Result<Put, MirrorError> {
    if place.put(&path, bytes.clone()).await? == Put::Written {
        return Ok(Put::Written);
    }
    // From an earlier life; or somebody else's.
    match place.read(&path).await? {
        Some(found) if found == bytes => Ok(Put::Present),
        _ => Err(MirrorError::Altered { path }),
    }
}
