//! A bundle while it is being made: beside the name that it will have, so that nothing of that name is ever
//! there in part; and how far it is, so that what was interrupted goes on.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keyward_api::audit::AuditDetailNote;
use keyward_crypto::digest::Sha256;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use super::manifest::{Asked, CHECKPOINTS, ENTRIES, NamedFile, Parts, RECEIPTS, page};
use crate::exit::{Exit, Failure};
use crate::output;

/// The largest record of how far a bundle is.
const PROGRESS_MAX: u64 = 64 * 1024 * 1024;

/// How far it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// What is collected; `to` is 0 if nobody said where it ends.
    pub asked: Asked,
    /// Where it ends; 0 until the first page says so.
    pub end: u64,
    /// By whose key.
    pub key: String,
    /// What is asked for next; none: all pages are there.
    pub next_after: Option<u64>,
    /// How many pages there are.
    pub pages: u64,
    /// How many entries.
    pub entries: u64,
    /// Of which trees.
    pub trees: Parts,
    /// How finely the log tells of uses of keys, as the last page said.
    #[serde(default)]
    pub detail: Vec<AuditDetailNote>,
}

/// Where it is made.
pub struct Working {
    place: PathBuf,
}

impl Working {
    /// Takes up what was begun for the same, or begins.
    pub fn open(out: &Path, asked: Asked, key: &str) -> Result<(Self, Progress), Failure> {
        let mut place = OsString::from(out.as_os_str());
        place.push(".partial");
        let working = Self {
            place: place.into(),
        };
        if let Some(found) = working.progress()? {
            if found.asked != asked || found.key != key {
                let what = format!(
                    "{} is of a bundle that was begun with other words, or of another log",
                    working.place.display()
                );
                return Err(Failure::new(Exit::Conflict, what)
                    .next("finish that one with the words that it was begun with, or remove the directory"));
            }
            working.forget_behind(found.pages)?;
            return Ok((working, found));
        }
        working.ensure_ours()?;
        match fs::remove_dir_all(&working.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(working.told(&error));
            }
            _ => {}
        }
        for folder in ["", ENTRIES, RECEIPTS, CHECKPOINTS] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(working.bundle().join(folder))
                .map_err(|error| working.told(&error))?;
        }
        let progress = Progress {
            next_after: Some(asked.after),
            asked,
            end: 0,
            key: key.to_owned(),
            pages: 0,
            entries: 0,
            trees: Parts::default(),
            detail: Vec::new(),
        };
        // From now on it says of itself what it is.
        working.keep(&progress)?;
        Ok((working, progress))
    }

    /// Refuses a directory in which there is something and nothing that says what: somebody else's, or a
    /// collection whose progress cannot be read.
    fn ensure_ours(&self) -> Result<(), Failure> {
        let names = match fs::read_dir(&self.place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names.map_err(|error| self.told(&error))?,
        };
        let begun = match paths_in(&self.bundle()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found.map_err(|error| self.told(&error))?,
        };
        let mut is_ours = begun.is_empty();
        for name in names {
            let name = name.map_err(|error| self.told(&error))?.file_name();
            let name = name.to_string_lossy();
            is_ours &= name == "bundle" || name.starts_with("progress.json");
        }
        if is_ours {
            return Ok(());
        }
        let what = format!(
            "{} is there, and nothing in it says of which bundle it is",
            self.place.display()
        );
        Err(Failure::new(Exit::Conflict, what)
            .next("move it away, or remove it if nobody needs what is in it"))
    }

    /// Where the bundle itself is.
    pub fn bundle(&self) -> PathBuf {
        self.place.join("bundle")
    }

    fn told(&self, error: &io::Error) -> Failure {
        Failure::local(error).about(self.place.display())
    }

    fn progress(&self) -> Result<Option<Progress>, Failure> {
        let file = match File::open(self.place.join("progress.json")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.told(&error)),
        };
        let found = serde_json::from_reader(BufReader::new(file.take(PROGRESS_MAX)));
        // What cannot be read, or is of a bundle that has its name by now, is begun anew.
        Ok(found.ok().filter(|_| self.bundle().is_dir()))
    }

    /// Remembers how far it is. What it counts has been written before.
    pub fn keep(&self, progress: &Progress) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(progress).map_err(Failure::local)?;
        self.put_at(&self.place.join("progress.json"), &bytes)
    }

    /// Says that what was collected is not lost.
    pub fn say_kept(&self, entries: u64) {
        if entries > 0 {
            let place = self.place.display();
            output::say(&format!(
                "{entries} entries are kept in {place}: the same command goes on behind them\n"
            ));
        }
    }

    /// Writes a file of the bundle whole.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put_at(&self.bundle().join(path), bytes)
    }

    fn put_at(&self, place: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let mut beside = OsString::from(self.place.as_os_str());
        beside.push("/new");
        let mut options = OpenOptions::new();
        let made = options.write(true).create(true).truncate(true).mode(0o600);
        made.open(&beside)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, place))
            .map_err(|error| Failure::local(error).about(place.display()))
    }

    /// Pages behind those that are counted were not finished.
    fn forget_behind(&self, pages: u64) -> Result<(), Failure> {
        for folder in [ENTRIES, RECEIPTS] {
            let unfinished = self.bundle().join(folder).join(page(pages + 1));
            match fs::remove_file(unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.told(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The files of the bundle, by their paths in it.
    pub fn files(&self) -> Result<Vec<(String, NamedFile)>, Failure> {
        let bundle = self.bundle();
        let mut files = Vec::new();
        for path in paths_in(&bundle).map_err(|error| self.told(&error))? {
            let named = digest_of(&bundle.join(&path)).map_err(|error| self.told(&error))?;
            files.push((path, named));
        }
        Ok(files)
    }

    /// Gives the whole its name; nothing is written over.
    pub fn finish(self, out: &Path) -> Result<(), Failure> {
        let told = |error: io::Error| Failure::local(error).about(out.display());
        renamed(&self.bundle(), out).map_err(told)?;
        // It is there: what is left of the making may stay.
        let _ = fs::remove_dir_all(&self.place);
        Ok(())
    }

    /// The same for an archive of it, which was written to [`Working::archive`].
    pub fn finish_archive(self, out: &Path) -> Result<(), Failure> {
        let told = |error: io::Error| Failure::local(error).about(out.display());
        renamed(&self.archive(), out).map_err(told)?;
        let _ = fs::remove_dir_all(&self.place);
        Ok(())
    }

    /// Where an archive is written first.
    pub fn archive(&self) -> PathBuf {
        self.place.join("archive")
    }
}

fn renamed(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// The regular files of a bundle, in order; whatever else lies there has its path, too.
pub fn paths_in(bundle: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(bundle)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known = [ENTRIES, RECEIPTS, CHECKPOINTS].contains(&name.as_str());
        if !is_known || !entry.file_type()?.is_dir() {
            paths.push(name);
            continue;
        }
        for inner in fs::read_dir(entry.path())? {
            paths.push(format!("{name}/{}", inner?.file_name().to_string_lossy()));
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The length and digest of a file.
pub fn digest_of(place: &Path) -> io::Result<NamedFile> {
    if !fs::symlink_metadata(place)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let (mut file, mut digest) = (File::open(place)?, Sha256::new());
    let (mut buffer, mut size_bytes) = (vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        digest.update(part);
        size_bytes += part.len() as u64;
    }
    Ok(NamedFile {
        size_bytes,
        sha256: hex(&digest.finish()),
    })
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
