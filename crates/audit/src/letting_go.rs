//! Letting go of the oldest segments, whole: first the note that says so is durable, then their files go.
//! A crash at any instant leaves them all, or is finished by a later life, once it has found that the note
//! is of this log.

use std::io;
use std::sync::Arc;

use keyward_core::port::audit_log::AuditError;
use uuid::Uuid;

use crate::beginning::{self, Begun, Unread, VERSION};
use crate::fault;
use crate::frames;
use crate::io::JournalIo;
use crate::journal::Journal;
use crate::recovery::{OpenError, doing};
use crate::revisions::Revisions;
use crate::segment;

/// Why segments were not let go of, or not all of their files are gone yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LetGoError {
    /// Such segments cannot go: they are not sealed, or there is no such place.
    #[error("the journal cannot begin with entry {first}: no sealed segment ends before it")]
    NotThere {
        /// With which entry it was to begin.
        first: u64,
    },
    /// The disk failed: it may have happened, or not; to try again does what is left.
    #[error("the beginning of the audit journal was not let go of: {doing} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// How it failed.
        #[source]
        source: io::Error,
    },
}

/// A sealed segment that others follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    /// Its first entry.
    pub(crate) first: u64,
    /// The first entry of the one behind it.
    pub(crate) next: u64,
    /// The bytes of its file.
    pub(crate) bytes: u64,
}

impl Journal {
    /// The oldest segments, at most so many, up to the first that is not sealed.
    pub(crate) fn oldest(&self, most: usize) -> io::Result<Vec<Old>> {
        let segments = self.reader.catalog.segments();
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let sealed = pairs.take_while(|(one, _)| one.is_sealed()).take(most);
        let old = sealed.map(|(one, next)| {
            let found = self.reader.io.identity(&segment::sealed_name(one.first))?;
            Ok(Old {
                first: one.first,
                next: next.first,
                bytes: found.size,
            })
        });
        old.collect()
    }

    /// The node that the segment names which an entry begins.
    pub(crate) fn node_of(&self, first: u64) -> Result<String, LetGoError> {
        let not_there = || LetGoError::NotThere { first };
        let segments = self.reader.catalog.segments();
        let segment = segments.iter().find(|it| it.first == first);
        let segment = segment.ok_or_else(not_there)?;
        let reading = |source| failed("reading a segment", source);
        let opened = self.reader.open(segment);
        let (file, _, _) = opened.map_err(|error| reading(io::Error::other(error)))?;
        let header = frames::header(&*file).map_err(reading)?;
        let (header, _) = header.map_err(|_| not_there())?;
        Ok(header.node)
    }

    /// Writes a note beside its place, durably.
    pub(crate) fn write_beginning(&self, begun: &Begun) -> Result<(), LetGoError> {
        let written = begun.write(&*self.reader.io);
        written.map_err(|source| failed("writing the note", source))
    }

    /// Removes a note that is not put in its place.
    pub(crate) fn discard_beginning(&self) {
        if let Err(error) = beginning::discard(&*self.reader.io) {
            tracing::warn!(%error, "a note of what was to be let go of is left; the next start removes it");
        }
    }

    /// Everything before the entry with which a note has the journal begin is let go of: the note, which was
    /// written, is put in its place. The files stay until [`Self::finish_letting_go`].
    pub(crate) fn begin(&self, begun: &Arc<Begun>) -> Result<(), LetGoError> {
        let first = begun.first;
        let segments = self.reader.catalog.segments();
        let before = segments.iter().take_while(|it| it.first < first);
        let is_begin = segments.iter().any(|it| it.first == first);
        if !is_begin || !before.clone().all(|it| it.is_sealed()) || first <= self.beginning() {
            return Err(LetGoError::NotThere { first });
        }
        begun
            .place(&*self.reader.io)
            .map_err(|source| failed("noting it", source))?;
        // Before the files go: who does not find one looks here.
        self.reader.catalog.begin(Arc::clone(begun));
        Ok(())
    }

    /// Removes what is left of segments that were let go of, once the note is durable. Whoever calls it has
    /// found that the trees lead on from what is noted. Blocks while it removes files.
    ///
    /// # Errors
    /// The note cannot be made durable, and nothing was removed; or a file cannot be removed. The next try
    /// does what is left.
    pub fn finish_letting_go(&self) -> Result<(), LetGoError> {
        if self.begun().is_none() {
            return Ok(());
        }
        let io = &*self.reader.io;
        io.sync_dir()
            .map_err(|source| failed("making the note durable", source))?;
        let names = io.list();
        let names = names.map_err(|source| failed("listing the directory", source))?;
        remove_before(io, self.beginning(), &names)
            .map_err(|source| failed("removing segments", source))
    }

    /// The revisions of all entries that were let go of, as the first segment that was not says it.
    pub(crate) fn revisions_before_beginning(&self) -> Result<Revisions, AuditError> {
        let segments = self.reader.catalog.segments();
        let begins = self.beginning();
        let Some(segment) = segments.first().filter(|_| begins > 1) else {
            return Ok(Revisions::default());
        };
        let (file, _, _) = self.reader.open(segment)?;
        let header = frames::header(&*file).map_err(|error| fault::reading(&error, begins))?;
        let header = header.map_err(|_| AuditError::Damaged { sequence: begins })?;
        Ok(header.0.revisions)
    }
}

fn failed(doing: &'static str, source: io::Error) -> LetGoError {
    LetGoError::Io { doing, source }
}

/// At a start of a journal of which nothing can have been let go of: there is no note. None is read, since
/// nothing says who wrote it, and nothing is removed.
pub(crate) fn ensure_not_noted(names: &[String]) -> Result<(), OpenError> {
    if names.iter().any(|name| name == beginning::FILE) {
        return Err(OpenError::BeginningNoted);
    }
    Ok(())
}

/// Whoever counts entries has been shown all that were let go of. Who has counted none begins with those that
/// are there.
pub(crate) fn ensure_counted(counted: u64, first: u64) -> Result<(), OpenError> {
    if counted > 0 && counted.saturating_add(1) < first {
        return Err(OpenError::CountedLess { counted, first });
    }
    Ok(())
}

/// At a start of another: the note, if there is one. What was let go of and is left stays until
/// [`Journal::finish_letting_go`].
pub(crate) fn noted(
    io: &dyn JournalIo,
    deployment: Uuid,
    names: &[String],
) -> Result<Option<Begun>, OpenError> {
    if names.iter().any(|name| name == beginning::BESIDE) {
        beginning::discard(io).map_err(doing("removing an unfinished note"))?;
    }
    let read = Begun::read(io).map_err(doing("reading the note of its beginning"))?;
    let Some(read) = read else { return Ok(None) };
    let begun = read.map_err(|unread| match unread {
        Unread::Version(version) => OpenError::UnknownFormat {
            version,
            known: VERSION,
        },
        Unread::Broken => OpenError::BeginningUnreadable,
    })?;
    if begun.deployment != deployment {
        let found = begun.deployment;
        return Err(OpenError::OtherDeployment { found });
    }
    Ok(Some(begun))
}

/// Removes the files of all segments before an entry, the oldest first.
fn remove_before(io: &dyn JournalIo, first: u64, names: &[String]) -> io::Result<()> {
    let of = |name: &String| segment::first_of(name).or_else(|| segment::sealed_first_of(name));
    let gone = names.iter().filter_map(|name| Some((of(name)?, name)));
    let mut gone: Vec<_> = gone.filter(|(begins, _)| *begins < first).collect();
    gone.sort();
    for (_, name) in &gone {
        match io.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    io.sync_dir()
}
