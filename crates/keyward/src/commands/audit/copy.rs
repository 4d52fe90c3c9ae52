//! `keyward audit copy`: a server's log, or a mirror's, into a directory, from which it can be verified without the
//! server; what is there already is not asked for again.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_audit::mirror::{KEY_PATH, MirrorPlace};
use keyward_ledger::{
    CHECKPOINT_PATH, Checkpoint, HANDOVERS_PATH, Head, Note, Tile, Tiles, bundles, hash_tiles, root,
};
use serde::Serialize;
use uuid::Uuid;

use super::receipt::WhichLog;
use super::remote::{RemoteLog, tell};
use crate::commands::config::ConfigFlags;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::server::config::Config;
use crate::server::mirrors;

/// So often a tree is copied anew when the mirror went on meanwhile.
const TRIES: usize = 8;

/// Which log, and whereto.
#[derive(Args, Debug)]
pub struct CopyArguments {
    /// The directory: a new one, or one with an older copy of the same log
    directory: PathBuf,
    #[command(flatten)]
    which: WhichLog,
    /// Copy all logs of this mirror of the configuration, without the server
    #[arg(long, value_name = "NAME", conflicts_with = "log")]
    from_mirror: Option<String>,
    #[command(flatten)]
    config: ConfigFlags,
}

/// What was copied.
#[derive(Serialize)]
pub(super) struct Copied {
    log: String,
    pub(super) entries: u64,
    files_new: u64,
    files_kept: u64,
}

impl CopyArguments {
    /// Brings the directory up to the newest checkpoints, each written last.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        if let Some(name) = &self.from_mirror {
            let config = self.config.load(&context.environment, &[])?;
            let mirror = InMirror::open(&config, name)?;
            let mut all = Vec::new();
            for tree in mirror.trees().await? {
                all.push(mirror.copy(&tree, &self.directory).await?);
            }
            return context.show(&all, |all| all.iter().try_for_each(told));
        }
        let tenant = self.which.of(context)?;
        let named = tenant.as_ref().map(|(tenant, log)| (tenant.as_str(), *log));
        let log = RemoteLog::of_server(context, named)?;
        let target = Target(self.directory);
        let copied = target.bring(&Source::Server(&log)).await?;
        context.show(&copied, told)?;
        let place = target.0.display();
        output::say(&format!(
            "verify the copy with `keyward audit verify {place} --key …`, by the key that you were \
             given when the log began\n"
        ));
        Ok(())
    }
}

fn told(copied: &Copied) -> Result<(), Failure> {
    output::line(&output::printable(&format!(
        "{} entries of {}: {} new files, {} were there",
        copied.entries, copied.log, copied.files_new, copied.files_kept
    )))
}

/// Where a log is copied from.
enum Source<'a> {
    /// A server, or what is behind an address.
    Server(&'a RemoteLog),
    /// A mirror, one of its trees.
    Mirror(&'a MirrorPlace, &'a str),
}

impl Source<'_> {
    async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Server(log) => log.file(path).await,
            Self::Mirror(place, tree) => {
                let read = place.read(&format!("{tree}/{path}")).await;
                read.map_err(|error| Failure::local(error).about("the mirror"))
            }
        }
    }

    async fn there(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let found = self.file(path).await?;
        found.ok_or_else(|| Failure::new(Exit::NotFound, "there is no such file").about(path))
    }
}

/// A mirror that is read.
pub(super) struct InMirror(pub(super) MirrorPlace);

impl InMirror {
    pub(super) fn open(config: &Config, name: &str) -> Result<Self, Failure> {
        let found = config.audit_mirror.get(name).ok_or_else(|| {
            let named: Vec<&str> = config.audit_mirror.keys().map(String::as_str).collect();
            let what = format!("the configuration has no mirror {name}");
            Failure::usage(what).next(format!("it has: {}", named.join(", ")))
        })?;
        let (place, _) = mirrors::place(found)?;
        Ok(Self(place))
    }

    /// The trees that have a checkpoint, by the paths of their files.
    pub(super) async fn trees(&self) -> Result<Vec<String>, Failure> {
        let listed = self.0.list().await;
        let listed = listed.map_err(|error| Failure::local(error).about("the mirror"))?;
        let ending = format!("/{CHECKPOINT_PATH}");
        let named = listed.iter().filter_map(|path| path.strip_suffix(&ending));
        let trees: Vec<String> = named
            .filter(|path| is_tree(path))
            .map(ToOwned::to_owned)
            .collect();
        if trees.is_empty() {
            return Err(Failure::new(Exit::NotFound, "the mirror holds no log yet"));
        }
        Ok(trees)
    }

    /// One tree. While it is copied the server goes on: then partial tiles are gone that were there.
    pub(super) async fn copy(&self, tree: &str, directory: &Path) -> Result<Copied, Failure> {
        let (source, target) = (Source::Mirror(&self.0, tree), Target(directory.join(tree)));
        let mut tries = 0;
        loop {
            tries += 1;
            match target.bring(&source).await {
                Err(failure) if failure.is(Exit::NotFound) && tries < TRIES => {}
                Err(failure) => return Err(failure.about(tree)),
                Ok(copied) => {
                    let key = source.there(KEY_PATH).await?;
                    put(&target.0.join(KEY_PATH), &key)?;
                    return Ok(copied);
                }
            }
        }
    }
}

/// Whether a path is that of a tree: it comes from whoever keeps the mirror.
fn is_tree(path: &str) -> bool {
    let mut parts = path.split('/');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some("system"), None, None, None] => true,
        [
            Some("tenants"),
            Some(id),
            Some("changes" | "operations"),
            None,
        ] => Uuid::try_parse(id).is_ok_and(|uuid| uuid.as_hyphenated().to_string() == id),
        _ => false,
    }
}

/// The directory that is copied into.
struct Target(PathBuf);

impl Target {
    /// Brings it up to the newest checkpoint, which is written last.
    async fn bring(&self, source: &Source<'_>) -> Result<Copied, Failure> {
        let bytes = source.there(CHECKPOINT_PATH).await?;
        let checkpoint = read(&bytes).map_err(|error| error.about("the newest checkpoint"))?;
        let size = checkpoint.head().size;
        let older = self.ensure_older(&checkpoint)?;
        let (mut files_new, mut files_kept) = (0, 0);
        let watched = io::stderr().is_terminal();
        for tile in bundles(size).chain(hash_tiles(size)) {
            let (path, place) = (tile.to_string(), self.0.join(tile.to_string()));
            if is_there(tile, &place)? {
                files_kept += 1;
                continue;
            }
            tell(watched, &path);
            put(&place, &source.there(&path).await?)?;
            files_new += 1;
        }
        if let Some(older) = older {
            self.ensure_continued(older, size)?;
        }
        // Asked for after the checkpoint: whichever key signed that, it is led to.
        if let Some(handovers) = source.file(HANDOVERS_PATH).await? {
            put(&self.0.join(HANDOVERS_PATH), &handovers)?;
        }
        put(&self.0.join(CHECKPOINT_PATH), &bytes)?;
        if watched {
            output::say("\r\u{1b}[K");
        }
        Ok(Copied {
            log: checkpoint.origin().to_owned(),
            entries: size,
            files_new,
            files_kept,
        })
    }

    /// An older copy is of the same log, and not ahead of the server.
    fn ensure_older(&self, newest: &Checkpoint) -> Result<Option<Head>, Failure> {
        let place = self.0.join(CHECKPOINT_PATH);
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
                "the copy has {} entries, and {} are signed now: the log went back or \
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
        let read = |tile: Tile| fs::read(self.0.join(tile.to_string()));
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
pub(super) fn put(place: &Path, bytes: &[u8]) -> Result<(), Failure> {
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
