//! A journal that is made again beside the place where it belongs, and put there when it is whole: whatever ends
//! the process in between, either nothing was continued or the same command goes on.
//!
//! ```text
//! audit/continuing/mirror     what was fetched and verified
//! audit/continuing/journal    what is made of it
//! audit/continuing/complete   from here on it is only moved
//! audit/journal-…             moved, file by file; then `continuing` goes, `complete` first of it
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::server::error::StartError;

/// The directory, in that of the journal.
const PLACE: &str = "continuing";
/// The file that says that the journal is whole.
const COMPLETE: &str = "complete";
/// What of a log must not be there already, beside segments.
const OF_A_LOG: [&str; 4] = ["log-signed", "log-handovers", "log", "index"];

/// How far a continuing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// None was begun, or one has ended.
    None,
    /// It was begun, and nothing of it counts.
    Begun,
    /// The journal is whole; some of it may be in its place.
    Complete,
}

/// The place where a journal is made again.
pub struct Staging {
    audit: PathBuf,
    place: PathBuf,
}

impl Staging {
    /// That of a journal's directory.
    pub fn of(audit: &Path) -> Self {
        Self {
            audit: audit.to_owned(),
            place: audit.join(PLACE),
        }
    }

    /// How far it is.
    pub fn stage(&self) -> io::Result<Stage> {
        Ok(
            match (self.place.try_exists()?, self.mark().try_exists()?) {
                (false, _) => Stage::None,
                (true, true) => Stage::Complete,
                // What is left when everything was moved and the mark is gone.
                (true, false) if self.in_place()?.is_some() => Stage::None,
                (true, false) => Stage::Begun,
            },
        )
    }

    /// A file of a log that is there already.
    pub fn in_place(&self) -> io::Result<Option<PathBuf>> {
        let entries = match fs::read_dir(&self.audit) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("journal-") || OF_A_LOG.contains(&name.as_ref()) {
                return Ok(Some(self.audit.join(name.as_ref())));
            }
        }
        Ok(None)
    }

    /// Begins anew, whatever was begun before.
    pub fn begin(&self) -> io::Result<()> {
        if self.place.try_exists()? {
            fs::remove_dir_all(&self.place)?;
        }
        for folder in [self.mirror(), self.journal()] {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
        }
        sync(&self.place)?;
        sync(&self.audit)?;
        self.audit.parent().map_or(Ok(()), sync)
    }

    /// Where the mirror's files are copied to.
    pub fn mirror(&self) -> PathBuf {
        self.place.join("mirror")
    }

    /// Where the journal is made.
    pub fn journal(&self) -> PathBuf {
        self.place.join("journal")
    }

    fn mark(&self) -> PathBuf {
        self.place.join(COMPLETE)
    }

    /// The journal is whole and durable.
    pub fn complete(&self) -> io::Result<()> {
        sync(&self.journal())?;
        let mut mark = File::create(self.mark())?;
        mark.write_all(b"1\n")?;
        mark.sync_all()?;
        sync(&self.place)
    }

    /// Puts a whole journal in its place, or what is left of it.
    pub fn put_in_place(&self) -> io::Result<()> {
        self.put_in_place_asking(&mut || Ok(()))
    }

    /// The same, with somebody who may say no before each act.
    fn put_in_place_asking(&self, ask: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let journal = self.journal();
        let mut names = Vec::new();
        for entry in if_there(fs::read_dir(&journal))?.into_iter().flatten() {
            names.push(entry?.file_name());
        }
        names.sort_unstable();
        for name in names {
            ask()?;
            fs::rename(journal.join(&name), self.audit.join(&name))?;
        }
        sync(&self.audit)?;
        for folder in [self.mirror(), journal] {
            ask()?;
            if_there(fs::remove_dir_all(folder))?;
        }
        sync(&self.place)?;
        ask()?;
        if_there(fs::remove_file(self.mark()))?;
        sync(&self.place)?;
        ask()?;
        fs::remove_dir(&self.place)?;
        sync(&self.audit)
    }
}

fn if_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Refuses to begin a log where another one was being continued.
pub fn ensure_finished(audit: &Path) -> Result<(), StartError> {
    let staging = Staging::of(audit);
    let stage = staging.stage().map_err(|source| StartError::Directory {
        path: staging.place.clone(),
        source,
    })?;
    let path = staging.place;
    match stage {
        Stage::None => Ok(()),
        Stage::Begun => Err(StartError::AuditContinuing { path }),
        Stage::Complete => Err(StartError::AuditHalfContinued),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn whole(audit: &Path) -> Staging {
        let staging = Staging::of(audit);
        staging.begin().unwrap();
        for name in ["journal-1", "journal-2", "log-signed"] {
            fs::write(staging.journal().join(name), name).unwrap();
        }
        fs::write(staging.mirror().join("file"), "fetched").unwrap();
        staging
    }

    #[test]
    fn until_it_is_whole_nothing_was_continued_and_no_server_starts() {
        let audit = tempfile::tempdir().unwrap();
        ensure_finished(audit.path()).unwrap();
        let staging = whole(audit.path());
        assert_eq!(staging.stage().unwrap(), Stage::Begun);
        let refused = ensure_finished(audit.path()).unwrap_err();
        assert!(matches!(refused, StartError::AuditContinuing { .. }));
        assert_eq!(staging.in_place().unwrap(), None);
        staging.begin().unwrap();
        assert!(!staging.mirror().join("file").exists(), "begun anew");
    }

    #[test]
    fn i13_whatever_act_was_the_last_the_rest_can_be_done_and_no_server_starts_before() {
        for acts in 0.. {
            let audit = tempfile::tempdir().unwrap();
            let staging = whole(audit.path());
            staging.complete().unwrap();
            let mut left = acts;
            let done = staging.put_in_place_asking(&mut || {
                left -= 1;
                if left < 0 {
                    Err(io::Error::other("killed"))
                } else {
                    Ok(())
                }
            });
            let is_moved = staging.stage().unwrap() == Stage::None;
            assert_eq!(ensure_finished(audit.path()).is_ok(), is_moved, "{acts}");
            if !is_moved {
                staging.put_in_place().unwrap();
            }
            for name in ["journal-1", "journal-2", "log-signed"] {
                let text = fs::read_to_string(audit.path().join(name)).unwrap();
                assert_eq!(text, name, "{acts}");
            }
            ensure_finished(audit.path()).unwrap();
            if done.is_ok() {
                assert!(acts > 6);
                assert!(!audit.path().join(PLACE).exists());
                return;
            }
        }
        panic!("it never ends");
    }
}
