//! A log in memory, with its files, and the key it is signed with.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use keyward_ledger::{
    Algorithm, Checkpoint, Content, Files, GrowingTree, Hash, Head, KeyName, MemoryTree, Note,
    TILE_WIDTH, Tile, VerifierKey, bytes_of, put_entry,
};

/// A key pair made of one repeated byte, under a name.
pub struct Signer {
    pub key: VerifierKey,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub fn new(name: &str, algorithm: Algorithm, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let name = KeyName::new(name).unwrap();
        let key = VerifierKey::new(name, algorithm, public);
        Self { key, pair }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the form of a note's signer")]
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], Infallible> {
        Ok(self.pair.sign(message).as_ref().try_into().unwrap())
    }
}

/// A log's own signer.
pub fn log_signer() -> Signer {
    Signer::new("keys.example/audit", Algorithm::Ed25519, 1)
}

/// A witness.
pub fn witness() -> Signer {
    Signer::new("witness.example", Algorithm::Cosignature, 2)
}

/// The entry with this index: of different lengths, one of them empty.
pub fn entry(index: u64) -> Vec<u8> {
    format!("{{\"action\":\"key.encrypt\",\"n\":{index}}}")
        .repeat((index % 4) as usize)
        .into_bytes()
}

/// A log's files in memory.
#[derive(Clone, Default)]
pub struct Log {
    pub files: BTreeMap<String, Vec<u8>>,
    pub tree: MemoryTree,
    growing: GrowingTree,
    bundle: Vec<u8>,
}

impl Log {
    /// A log of so many entries, with a signed checkpoint.
    pub fn of(size: u64) -> Self {
        let mut log = Self::default();
        log.grow(size);
        log
    }

    /// Adds entries up to this size, as a server would: full tiles, partial ones and a checkpoint.
    /// The files of earlier checkpoints stay.
    pub fn grow(&mut self, size: u64) {
        for index in self.tree.size()..size {
            let leaf = Hash::of_leaf(&entry(index));
            self.tree.append(leaf);
            put_entry(&mut self.bundle, &entry(index)).unwrap();
            for (tile, hashes) in self.growing.append(leaf) {
                self.files.insert(tile.to_string(), bytes_of(&hashes));
                if tile.content() == (Content::Hashes { level: 0 }) {
                    let entries = Tile::new(Content::Entries, tile.index(), TILE_WIDTH).unwrap();
                    let bundle = std::mem::take(&mut self.bundle);
                    self.files.insert(entries.to_string(), bundle);
                }
            }
        }
        let width = size % u64::from(TILE_WIDTH);
        if width > 0 {
            let index = size / u64::from(TILE_WIDTH);
            let entries = Tile::new(Content::Entries, index, width as u16).unwrap();
            self.files.insert(entries.to_string(), self.bundle.clone());
        }
        for (tile, hashes) in self.growing.partial() {
            self.files.insert(tile.to_string(), bytes_of(hashes));
        }
        let note = signed(self.head(), &log_signer());
        self.files
            .insert("checkpoint".to_owned(), note.to_string().into_bytes());
    }

    pub fn head(&self) -> Head {
        Head {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    pub fn write(&self, directory: &Path) {
        for (path, bytes) in &self.files {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// A checkpoint with this head, signed.
pub fn signed(head: Head, signer: &Signer) -> Note {
    let origin = signer.key.name().as_str();
    let mut note = Checkpoint::new(origin, head).unwrap().note().unwrap();
    note.sign(&signer.key, |message| signer.sign(message))
        .unwrap();
    note
}

impl Files for Log {
    fn read(&mut self, path: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let found = self.files.get(path);
        Ok(found.map(|bytes| bytes[..bytes.len().min(most + 1)].to_vec()))
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }
}
