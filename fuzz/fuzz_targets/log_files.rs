//! A log's files as somebody left them on the disk: whatever was changed is found, and located in
//! the file that was changed.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::sync::LazyLock;

use keyward_ledger::{
    Content, Files, GrowingTree, Hash, TILE_WIDTH, Tile, VerifierKey, bytes_of, check_log,
    put_entry,
};
use libfuzzer_sys::fuzz_target;

/// Entry *n* is the text `entry n`; the checkpoint is that of the shared vectors.
const SIZE: u64 = 300;

#[derive(Clone)]
struct Log(BTreeMap<String, Vec<u8>>);

impl Files for Log {
    fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let found = self.0.get(path);
        Ok(found.map(|bytes| bytes[..bytes.len().min(most + 1)].to_vec()))
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

static GENUINE: LazyLock<(VerifierKey, Log)> = LazyLock::new(|| {
    let vectors = include_str!("../../crates/ledger/tests/vectors/log.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap().to_owned();
    let mut files = BTreeMap::new();
    let mut tree = GrowingTree::default();
    let mut bundle = Vec::new();
    for index in 0..SIZE {
        let entry = format!("entry {index}");
        put_entry(&mut bundle, entry.as_bytes()).unwrap();
        for (tile, hashes) in tree.append(Hash::of_leaf(entry.as_bytes())) {
            files.insert(tile.to_string(), bytes_of(&hashes));
            let entries = Tile::new(Content::Entries, tile.index(), TILE_WIDTH).unwrap();
            files.insert(entries.to_string(), std::mem::take(&mut bundle));
        }
    }
    for (tile, hashes) in tree.partial() {
        files.insert(tile.to_string(), bytes_of(hashes));
    }
    let last = Tile::in_tree(Content::Entries, SIZE / 256, SIZE).unwrap();
    files.insert(last.to_string(), bundle);
    files.insert("checkpoint".to_owned(), text("checkpoint").into_bytes());
    let key: VerifierKey = text("vkey").parse().unwrap();
    let checked = check_log(&mut Log(files.clone()), &key, &[], None).unwrap();
    assert!(checked.faults.none());
    (key, Log(files))
});

fuzz_target!(|data: &[u8]| {
    // Which file, what is done to it, where, and with which bytes.
    let Some(([file, what, high, low], bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    let (key, genuine) = &*GENUINE;
    let mut log = genuine.clone();
    let file = usize::from(*file) % genuine.0.len();
    let path = genuine.0.keys().nth(file).unwrap();
    let place = log.0.get_mut(path).unwrap();
    let at = usize::from(u16::from_be_bytes([*high, *low])) % place.len();
    match what % 4 {
        0 => place
            .iter_mut()
            .skip(at)
            .zip(bytes)
            .for_each(|(old, new)| *old ^= new),
        1 => place.truncate(at),
        2 => *place = bytes.to_vec(),
        _ => drop(place.splice(at..at, bytes.iter().copied())),
    }
    let changed = log.0 != genuine.0;
    match check_log(&mut log, key, &[], None) {
        Err(_) => assert_eq!(path, "checkpoint"),
        Ok(checked) => {
            let named = checked.faults.named();
            // The witness is a stranger here, and its line may say anything.
            assert!(path == "checkpoint" || named.is_empty() != changed);
            assert!(named.iter().all(|fault| fault.path == *path), "{named:?}");
        }
    }
});
