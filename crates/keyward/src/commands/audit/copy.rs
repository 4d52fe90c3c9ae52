//! `keyward audit copy`: a server's log into a directory, from which it can be verified without the
//! server; what is there already is not asked for again.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_ledger::{
    CHECKPOINT_PATH, Checkpoint, HANDOVERS_PATH, Head, Note, Tile, Tiles, bundles, hash_tiles, root,
};
use serde::Serialize;

use super::receipt::WhichLog;
use super::remote::{RemoteLog, tell};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// Which log, and whereto.
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// The directory: a new one, or one with an older copy of the same log
    directory: PathBuf,
    #[command(flatten)]
    which: WhichLog,
}

/// What was copied.
#[derive(Serialize)]
struct Copied {
    log: String,
    entries: u64,
    files_new: u64,
    files_kept: u64,
}

impl CopyArguments {
    /// Brings the directory up to the newest checkpoint, which is written last.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let tenant = self.which.of(context)?;
        let named = tenant.as_ref().map(|(tenant, log)| (tenant.as_str(), *log));
        let log = RemoteLog::of_server(context, named)?;
        let bytes = there(&log, CHECKPOINT_PATH).await?;
        let checkpoint = read(&bytes).map_err(|error| error.about("the server's checkpoint"))?;
        let size = checkpoint.head().size;
        let older = self.ensure_older(&checkpoint)?;
        let (mut files_new, mut files_kept) = (0, 0);
        let watched = io::stderr().is_terminal();
        for tile in bundles(size).chain(hash_tiles(size)) {
            let (path, place) = (tile.to_string(), self.directory.join(tile.to_string()));
            if is_there(tile, &place)? {
                files_kept += 1;
                continue;
            }
            tell(watched, &path);
            put(&place, &there(&log, &path).await?)?;
            files_new += 1;
        }
        if let Some(older) = older {
            self.ensure_continued(older, size)?;
        }
        // Asked for after the checkpoint: whichever key signed that, it is led to.
        if let Some(handovers) = log.file(HANDOVERS_PATH).await? {
            put(&self.directory.join(HANDOVERS_PATH), &handovers)?;
        }
        put(&self.directory.join(CHECKPOINT_PATH), &bytes)?;
        if watched {
            output::say("\r\u{1b}[K");
        }
        let copied = Copied {
            log: checkpoint.origin().to_owned(),
            entries: size,
            files_new,
            files_kept,
        };
        context.show(&copied, |copied| {
            output::line(&output::printable(&format!(
                "{} entries of {}: {} new files, {} were there",
                copied.entries, copied.log, copied.files_new, copied.files_kept
            )))
        })?;
        let place = self.directory.display();
        output::say(&format!(
            "verify the copy with `keyward audit verify {place} --key …`, by the key that you were \
             given when the log began\n"
        ));
        Ok(())
    }

    /// An older copy is of the same log, and not ahead of the server.
    fn ensure_older(&self, newest: &Checkpoint) -> Result<Option<Head>, Failure> {
        let place = self.directory.join(CHECKPOINT_PATH);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::local(error).about(place.display())),
        };
        let older = read(&bytes).map_err(|error| error.about(place.display()))?;
        if older.origin() != newest.origin() {
            let what = format!(
                "the directory holds another log: {} instead of {}",
                older.origin(),
                newest.origin()
            );
            return Err(Failure::new(Exit::Conflict, what).next("name a new directory"));
        }
        let (had, has) = (older.head(), newest.head());
        if had.size > has.size || (had.size == has.size && had.root != has.root) {
            let what = format!(
                "the copy has {} entries, and the server signs {} now: the log went back or \
                 contradicts itself",
                had.size, has.size
            );
            return Err(contradicts(what));
        }
        Ok(Some(had))
    }

    /// What was signed before is the beginning of what was fetched now. Otherwise the older checkpoint
    /// stays: it is what convicts the server.
    fn ensure_continued(&self, older: Head, size: u64) -> Result<(), Failure> {
        let read = |tile: Tile| fs::read(self.directory.join(tile.to_string()));
        let found = root(&Tiles::new(size, read), older.size);
        let found = found.map_err(|error| Failure::new(Exit::NotValid, error))?;
        if found == older.root {
            return Ok(());
        }
        let what = format!(
            "the first {} entries are not those that the copy's checkpoint was signed for: the log \
             contradicts itself",
            older.size
        );
        Err(contradicts(what))
    }
}

fn contradicts(what: String) -> Failure {
    Failure::new(Exit::NotValid, what)
        .next("keep the copy as it is: both signed checkpoints together are evidence")
}

async fn there(log: &RemoteLog, path: &str) -> Result<Vec<u8>, Failure> {
    let found = log.file(path).await?;
    found.ok_or_else(|| Failure::new(Exit::NotFound, "the server has no such file").about(path))
}

/// What a checkpoint says. Whether to believe it is found out when the copy is verified.
fn read(bytes: &[u8]) -> Result<Checkpoint, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Exit::NotValid, error);
    let note = Note::parse(bytes).map_err(|error| wrong(&error))?;
    note.text().parse().map_err(|error| wrong(&error))
}

/// Whether a tile is there already: one that is full never changes, nor does one of this width.
fn is_there(tile: Tile, place: &Path) -> Result<bool, Failure> {
    match fs::metadata(place) {
        Ok(found) => Ok(found.is_file() && (tile.is_full() || found.len() > 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::local(error).about(place.display())),
    }
}

/// Writes a file whole: beside its place first, so that it is never there in part.
fn put(place: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let told = |error: io::Error| Failure::local(error).about(place.display());
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    let mut beside = place.as_os_str().to_owned();
    beside.push(".new");
    let mut file = fs::File::create(&beside).map_err(told)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, place))
        .map_err(told)
}
