//! What a mirror has when it is met again: of this log or of another one, as far as it says, and whether
//! that is the beginning of what is here.

use keyward_ledger::{
    CHECKPOINT_PATH, Checkpoint, Content, HANDOVERS_PATH, Handover, Note, OpenedCheckpoint, Tile,
    VerifierKey, succession,
};
use tokio::task::spawn_blocking;

use super::bringing::Held;
use super::{KEY_PATH, MirrorError, MirrorPlace, Newest, numbers_path, origin_of};
use crate::mirror::place::Put;
use crate::trees::Tree;

/// Makes sure that the place is this log's, and makes it so if it is nobody's.
pub(super) async fn claim(place: &MirrorPlace, newest: &Newest) -> Result<(), MirrorError> {
    let path = format!("{}/{KEY_PATH}", Tree::System);
    let own = format!("{}\n", newest.log);
    let found = match place.read(&path).await? {
        Some(found) => found,
        None if place.put(&path, own.into_bytes()).await? == Put::Written => return Ok(()),
        None => place.read(&path).await?.unwrap_or_default(),
    };
    let text = String::from_utf8_lossy(&found);
    let other = match text.trim_end().parse::<VerifierKey>() {
        Ok(key) if key.name() == newest.log.name() => return Ok(()),
        Ok(key) => key.name().to_string(),
        Err(_) => return Err(MirrorError::Altered { path }),
    };
    Err(MirrorError::OtherLog { found: other })
}

/// How far the mirror says that it is with a tree, if that is true.
pub(super) async fn meet(
    place: &MirrorPlace,
    newest: &Newest,
    tree: Tree,
) -> Result<Held, MirrorError> {
    let path = format!("{tree}/{CHECKPOINT_PATH}");
    let Some(bytes) = place.read(&path).await? else {
        return Ok(Held::default());
    };
    let unsigned = || MirrorError::Unsigned { path: path.clone() };
    let note = Note::parse(&bytes).map_err(|_| unsigned())?;
    let checkpoint: Checkpoint = note.text().parse().map_err(|_| unsigned())?;
    let origin = origin_of(newest, tree);
    if checkpoint.origin() != origin {
        let found = checkpoint.origin().to_owned();
        return Err(MirrorError::OtherLog { found });
    }
    let is_by = |keys: &[VerifierKey]| keys.iter().any(|key| is_signed_by(&note, &origin, key));
    if !is_by(&newest.keys) && !is_by(&led_to(place, newest).await?) {
        return Err(unsigned());
    }
    let head = checkpoint.head();
    let size = head.size;
    let trees = newest.trees.clone();
    let at_most = (tree == Tree::System).then_some(newest.signed.size);
    let known = spawn_blocking(move || {
        let trees = trees.lock();
        if size > at_most.unwrap_or_else(|| trees.head(tree).size) {
            return Ok(None);
        }
        trees.root_at(tree, size).map(Some)
    });
    let known = known
        .await
        .map_err(|error| MirrorError::Log(error.to_string()))?;
    let known = known.map_err(|error| MirrorError::Log(error.to_string()))?;
    if known != Some(head.root) {
        return Err(MirrorError::Contradicts { path, size });
    }
    Ok(Held::met(size, note, bytes))
}

/// Refuses a place that has so many entries of the system's tree and not the numbers of the first.
pub(super) async fn ensure_numbered(place: &MirrorPlace, size: u64) -> Result<(), MirrorError> {
    let Some(first) = Tile::in_tree(Content::Entries, 0, size).filter(|_| size > 0) else {
        return Ok(());
    };
    let path = numbers_path(Tree::System, first);
    match place.read(&path).await? {
        Some(_) => Ok(()),
        None => Err(MirrorError::NoNumbers { path }),
    }
}

/// The keys to which the hand-overs that the mirror has lead from those that are known here: an older disk
/// does not know what the log was handed over to since.
async fn led_to(place: &MirrorPlace, newest: &Newest) -> Result<Vec<VerifierKey>, MirrorError> {
    let path = format!("{}/{HANDOVERS_PATH}", Tree::System);
    let found = place.read(&path).await?.unwrap_or_default();
    let handovers = Handover::open_all(&found).unwrap_or_default();
    let known = newest.keys.iter();
    Ok(known.flat_map(|key| succession(key, &handovers)).collect())
}

fn is_signed_by(note: &Note, origin: &str, key: &VerifierKey) -> bool {
    let name = keyward_ledger::KeyName::new(origin);
    name.is_some_and(|name| {
        let key = VerifierKey::new(name, key.algorithm(), key.public());
        OpenedCheckpoint::of_note(note, &key, &[]).is_ok()
    })
}
