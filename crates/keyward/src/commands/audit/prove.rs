//! `keyward audit prove`: a receipt for one entry, made from a log's files.

use std::path::{Path, PathBuf};

use clap::Args;
use keyward_ledger::{
    CHECKPOINT_PATH, Content, Head, Note, OpenedCheckpoint, Receipt, Tile, Tiles, VerifierKey,
    bundles, entries_of, prove_inclusion,
};

use super::directory::LogDirectory;
use super::succession::Succession;
use crate::exit::{Exit, Failure};
use crate::output;

/// The largest checkpoint.
const CHECKPOINT_MAX: usize = 512 * 1024;
/// The largest bundle or tile.
const TILE_MAX: usize = 256 * (2 + 65_535);

/// Which entry of which log.
#[derive(Args, Debug)]
pub struct ProveArguments {
    /// The directory with the log's `checkpoint` and `tile`
    directory: PathBuf,
    /// The entry: its index, counted from 0, or its correlation id
    entry: String,
    /// The log's public key: name+id+base64
    #[arg(long, value_name = "VKEY")]
    key: VerifierKey,
    /// Write the entry itself into this file: whoever checks the receipt needs it
    #[arg(long, value_name = "FILE")]
    entry_out: Option<PathBuf>,
}

impl ProveArguments {
    /// Makes the receipt, checks it, and writes it to standard output.
    pub fn run(self) -> Result<(), Failure> {
        let directory = LogDirectory::open(&self.directory)?;
        let bytes = directory
            .bytes(CHECKPOINT_PATH, CHECKPOINT_MAX)
            .map_err(|error| Failure::local(error).about(CHECKPOINT_PATH))?
            .ok_or_else(|| missing(CHECKPOINT_PATH))?;
        let mut directory = directory;
        let keys = Succession::of(&mut directory, &self.key)?;
        let signer = keys.signer_of(&bytes).unwrap_or(&self.key);
        let checkpoint = Note::parse(&bytes).map_err(|error| damaged(CHECKPOINT_PATH, &error))?;
        let opened = OpenedCheckpoint::of_note(&checkpoint, signer, &[])
            .map_err(|error| damaged(CHECKPOINT_PATH, &error))?;
        let log = LogReader {
            directory,
            head: opened.checkpoint.head(),
        };
        let index = log.index_of(&self.entry)?;
        let entry = log.entry(index)?;
        let receipt = log.receipt(index, checkpoint)?;
        receipt
            .verify(&entry, signer, &[])
            .map_err(|error| damaged(&format!("entry {index}"), &error))?;
        if let Some(path) = &self.entry_out {
            write_new(path, &entry)?;
        }
        output::write_whole(receipt.to_string().as_bytes())
    }
}

/// Never over anything that is there.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = std::fs::File::create_new(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
        .map_err(|error| Failure::local(error).about(path.display()))
}

fn missing(path: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("{path} is not there"))
        .next("name the directory that holds the whole log")
}

fn damaged(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::NotValid, error)
        .about(what)
        .next("`keyward audit verify` says what is wrong with the log, and where")
}

/// A log whose checkpoint was opened.
struct LogReader {
    directory: LogDirectory,
    head: Head,
}

impl LogReader {
    /// A tile's file as the checkpoint has it: itself, or the full one instead of a partial one.
    fn tile(&self, tile: Tile) -> Result<(Tile, Vec<u8>), Failure> {
        for file in [tile, tile.full()] {
            let found = self.directory.bytes(&file.to_string(), TILE_MAX);
            let found = found.map_err(|error| Failure::local(error).about(file))?;
            if let Some(bytes) = found {
                return Ok((file, bytes));
            }
        }
        Err(missing(&tile.to_string()))
    }

    fn bundle(&self, bundle: Tile) -> Result<Vec<Vec<u8>>, Failure> {
        let (file, bytes) = self.tile(bundle)?;
        let entries =
            entries_of(file, &bytes).map_err(|error| damaged(&file.to_string(), &error))?;
        let entries = entries.into_iter().take(usize::from(bundle.width()));
        Ok(entries.map(<[u8]>::to_vec).collect())
    }

    fn entry(&self, index: u64) -> Result<Vec<u8>, Failure> {
        let size = self.head.size;
        let outside = || {
            let what = format!("there is no entry {index} in a log of {size}");
            Failure::new(Exit::NotFound, what)
        };
        let bundle = Tile::in_tree(Content::Entries, index / 256, size).ok_or_else(outside)?;
        let entries = self.bundle(bundle)?;
        let entry = entries.into_iter().nth((index % 256) as usize);
        entry.ok_or_else(outside)
    }

    /// The index that somebody named, or that of the one entry with a correlation id.
    fn index_of(&self, entry: &str) -> Result<u64, Failure> {
        if let Ok(index) = entry.parse() {
            return Ok(index);
        }
        let mut found = Vec::new();
        for bundle in bundles(self.head.size) {
            let first = bundle.index() * 256;
            for (index, bytes) in (first..).zip(self.bundle(bundle)?) {
                if correlation_id(&bytes).as_deref() == Some(entry) {
                    found.push(index);
                }
            }
        }
        match found.as_slice() {
            [index] => Ok(*index),
            [] => Err(Failure::new(
                Exit::NotFound,
                format!("no entry of the log has the correlation id {entry}"),
            )),
            several => {
                let indexes: Vec<String> = several.iter().take(20).map(u64::to_string).collect();
                let what = format!("{} entries have the correlation id {entry}", several.len());
                let next = format!("name one by its index: {}", indexes.join(", "));
                Err(Failure::usage(what).next(next))
            }
        }
    }

    fn receipt(&self, index: u64, checkpoint: Note) -> Result<Receipt, Failure> {
        let read = |tile: Tile| {
            let (_, mut bytes) = self.tile(tile)?;
            // Of a full tile that stands for a partial one, its beginning.
            bytes.truncate(usize::from(tile.width()) * 32);
            Ok::<_, Failure>(bytes)
        };
        let tiles = Tiles::new(self.head.size, read);
        let path = prove_inclusion(&tiles, index, self.head.size);
        let path = path.map_err(|error| match error {
            keyward_ledger::ProveError::Hashes(keyward_ledger::TileError::Unreadable {
                source,
                ..
            }) => source,
            other => damaged(&format!("entry {index}"), &other),
        })?;
        Ok(Receipt {
            extra: None,
            index,
            path,
            checkpoint,
        })
    }
}

/// What an entry of Keyward's says of the request that made it.
fn correlation_id(entry: &[u8]) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    Some(entry.get("correlation_id")?.as_str()?.to_owned())
}
