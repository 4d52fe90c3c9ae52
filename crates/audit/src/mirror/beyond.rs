//! What lies in a mirror beyond its checkpoints: a round that was cut off wrote it, and nothing signed leads
//! there. Whoever continues a lost log from the mirror takes it away: the log will have other entries there,
//! and a file that never changes would stand in their way.

use std::collections::HashMap;

use keyward_ledger::{Content, TILE_WIDTH, Tile};

use super::{MirrorError, MirrorPlace};
use crate::trees::Tree;

/// Removes every tile that has entries behind the checkpoint of its tree, and the numbers of such; `trees`
/// are all trees that have one, and their sizes. How many files.
///
/// # Errors
/// [`MirrorError::Place`].
pub async fn forget_beyond(place: &MirrorPlace, trees: &[(Tree, u64)]) -> Result<u64, MirrorError> {
    let sizes = trees.iter().map(|(tree, size)| (tree.to_string(), *size));
    let sizes: HashMap<String, u64> = sizes.collect();
    let mut removed = 0;
    for path in place.list().await? {
        if lies_beyond(&path, &sizes) {
            place.remove(&path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn lies_beyond(path: &str, sizes: &HashMap<String, u64>) -> bool {
    let found = match path.strip_prefix("numbers/") {
        // The same index as a bundle's, below another directory.
        Some(path) => parts(path).map(|(tree, index)| (tree, format!("tile/entries/{index}"))),
        None => path
            .split_once("/tile/")
            .map(|(tree, tile)| (tree, format!("tile/{tile}"))),
    };
    let Some((tree, tile)) = found else {
        return false;
    };
    let Ok(tile) = tile.parse::<Tile>() else {
        return false;
    };
    end_of(tile) > sizes.get(tree).copied().unwrap_or(0)
}

/// A tree, and the rest of a path below it.
fn parts(path: &str) -> Option<(&str, &str)> {
    let depth = if path.starts_with("tenants/") { 3 } else { 1 };
    let (at, _) = path.match_indices('/').nth(depth - 1)?;
    Some((path.get(..at)?, path.get(at + 1..)?))
}

/// How many entries a tree has at least that has this tile.
fn end_of(tile: Tile) -> u64 {
    let level = match tile.content() {
        Content::Entries => 0,
        Content::Hashes { level } => u32::from(level),
    };
    let below = u64::from(TILE_WIDTH).checked_pow(level);
    let hashes = tile.index().saturating_mul(u64::from(TILE_WIDTH)) + u64::from(tile.width());
    below.map_or(u64::MAX, |below| hashes.saturating_mul(below))
}

#[cfg(test)]
mod tests {
    use super::super::numbers_path;
    use super::*;

    #[test]
    fn only_what_no_checkpoint_leads_to_lies_beyond() {
        let sizes = HashMap::from([
            ("system".to_owned(), 300),
            ("tenants/a/changes".to_owned(), 256),
        ]);
        for (path, expected) in [
            ("system/checkpoint", false),
            ("system/tile/0/000", false),
            ("system/tile/0/001.p/44", false),
            ("system/tile/0/001.p/45", true),
            ("system/tile/entries/001", true),
            ("system/tile/1/000.p/1", false),
            ("system/tile/1/000.p/2", true),
            ("numbers/system/001.p/44", false),
            ("numbers/system/001.p/60", true),
            ("tenants/a/changes/tile/0/000", false),
            ("tenants/a/changes/tile/0/001.p/1", true),
            ("numbers/tenants/a/changes/000", false),
            ("numbers/tenants/a/changes/001.p/1", true),
            ("tenants/b/changes/tile/0/000.p/1", true),
            ("notes", false),
        ] {
            assert_eq!(lies_beyond(path, &sizes), expected, "{path}");
        }
        let tile = Tile::new(Content::Entries, 1, 60);
        let path = tile.map(|tile| numbers_path(Tree::System, tile));
        assert_eq!(path.as_deref(), Some("numbers/system/001.p/60"));
    }
}
