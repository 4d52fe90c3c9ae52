//! Opening a journal: find the segments, examine the last one, make it sound. There is no other
//! way to open one, so that this code runs on every start and not only after a crash.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use crate::beginning::Begun;
use crate::catalog::{Catalog, Segment};
use crate::frame::{Frame, Kind};
use crate::frames::{self, Frames};
use crate::io::{Access, JournalIo, SegmentFile};
use crate::letting_go;
use crate::revisions::Revisions;
use crate::sealed;
use crate::segment::{self, Header, HeaderFault};
use crate::tail::{self, TailFault};

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The disk or the file system failed.
    #[error("the audit journal cannot be opened: {doing} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// An entry that had been acknowledged cannot be read.
    #[error(
        "the audit journal is damaged at sequence {sequence}; restore its directory from a copy, \
         or move it away and keep it as evidence"
    )]
    Damaged {
        /// The first sequence number that could not be read.
        sequence: u64,
    },
    /// The journal ends before entries that were already counted elsewhere: its end was lost, or
    /// an older copy of it was put in its place.
    #[error("the audit journal ends at sequence {last}, but entries up to {seen} were seen before")]
    Shortened {
        /// Its last entry.
        last: u64,
        /// The last entry that is known to have existed.
        seen: u64,
    },
    /// There is a note of what was let go of, where nothing can have been.
    #[error(
        "beside the audit journal is a file `log-beginning`, which would say that the journal's oldest entries \
         were let go of; this version lets nothing go, and the file is not of its making: keep a copy of the \
         directory as evidence, put segments that are missing back from a copy, and remove that file \
         (docs/audit-retention.md)"
    )]
    BeginningNoted,
    /// The note is of another node's journal.
    #[error(
        "the file `log-beginning` beside the audit journal is of node `{node}`, and the journal is not: put the \
         right one back from a copy (docs/audit-retention.md)"
    )]
    BeginningOfAnother {
        /// Which node's it is.
        node: String,
    },
    /// Entries that were not counted yet were let go of, or what counts them is of an older copy.
    #[error(
        "the audit journal is kept from entry {first} on, but its entries are counted up to {counted} only: \
         the registry was put back from an older copy, or the note `log-beginning` is not the journal's \
         (docs/audit-retention.md)"
    )]
    CountedLess {
        /// The last entry that is counted.
        counted: u64,
        /// The first one that is kept.
        first: u64,
    },
    /// The note that says where it begins cannot be understood.
    #[error(
        "the file `log-beginning` beside the audit journal, which says from which entry on the journal is \
         kept, cannot be understood: put it back from a copy (docs/audit-retention.md)"
    )]
    BeginningUnreadable,
    /// It begins elsewhere than it should: the beginning is gone, or the note about it.
    #[error(
        "the audit journal should begin with entry {should}, and begins with {found}: files of it are gone, \
         or the note `log-beginning` that says what was let go of is gone or an older one; put them back \
         from a copy (docs/audit-retention.md)"
    )]
    OtherBeginning {
        /// The first entry that it should have.
        should: u64,
        /// The first one that it has; 0 if it has none.
        found: u64,
    },
    /// It was written by a later version of this program.
    #[error("the audit journal has format {version}; this program knows format {known}")]
    UnknownFormat {
        /// What it has.
        version: u16,
        /// What is known.
        known: u16,
    },
    /// It belongs to another deployment.
    #[error("the audit journal belongs to deployment {found}")]
    OtherDeployment {
        /// Which.
        found: Uuid,
    },
    /// The node's name is longer than a segment's header can hold.
    #[error("the node's name has {size} bytes; at most 255 fit the audit journal")]
    NodeName {
        /// What it has.
        size: usize,
    },
}

/// With which entry a journal may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begins {
    /// With its first: nothing was ever let go of, and a note that says so is none of its.
    #[default]
    WithTheFirst,
    /// Where the note beside it says, if there is one.
    WhereNoted,
}

/// The last segment, ready to be appended to.
pub(crate) struct Open {
    pub(crate) file: Box<dyn SegmentFile>,
    /// Where its frames start.
    pub(crate) start: u64,
    /// Where the next frame belongs.
    pub(crate) end: u64,
    /// Whether a mark says that all of it is durable.
    pub(crate) marked: bool,
    /// The node that its header names.
    pub(crate) node: String,
    /// Its format.
    pub(crate) format: u16,
    /// The last entry that a signature in it covers.
    pub(crate) signed: Option<u64>,
}

/// What opening found.
pub(crate) struct Recovered {
    pub(crate) catalog: Arc<Catalog>,
    /// The last segment, if there is any.
    pub(crate) open: Option<Open>,
    /// The sequence number before the next entry's.
    pub(crate) last: u64,
    /// The last entry that is there: less than `last` only right behind a loss.
    pub(crate) present: u64,
    pub(crate) revisions: Revisions,
}

/// Finds and repairs what is there.
pub(crate) fn recover(
    io: &dyn JournalIo,
    deployment: Uuid,
    begins: Begins,
) -> Result<Recovered, OpenError> {
    let names = io.list().map_err(doing("listing the directory"))?;
    match begins {
        // What is gone of it is told by those who read it.
        Begins::WithTheFirst => {
            letting_go::ensure_not_noted(&names)?;
            recover_from(io, segments(&names), deployment)
        }
        Begins::WhereNoted => recover_as_noted(io, &names, deployment),
    }
}

/// The same of a journal of which something may have been let go of. What is left of that stays where it is.
fn recover_as_noted(
    io: &dyn JournalIo,
    names: &[String],
    deployment: Uuid,
) -> Result<Recovered, OpenError> {
    let begun = letting_go::noted(io, deployment, names)?;
    let mut firsts = segments(names);
    if let Some(begun) = &begun {
        firsts.retain(|(first, _)| *first >= begun.first);
    }
    let recovered = recover_from(io, firsts, deployment)?;
    let found = recovered.catalog.segments().first().map(|it| it.first);
    match begun {
        Some(begun) if found != Some(begun.first) => Err(OpenError::OtherBeginning {
            should: begun.first,
            found: found.unwrap_or(0),
        }),
        Some(begun) => {
            ensure_of(io, &begun)?;
            recovered.catalog.begin(Arc::new(begun));
            Ok(recovered)
        }
        None => {
            ensure_from_the_first(io, found)?;
            Ok(recovered)
        }
    }
}

/// A journal of which nothing was let go of begins with a segment that follows no entry. What cannot be read
/// of it is told by those who read it.
fn ensure_from_the_first(io: &dyn JournalIo, found: Option<u64>) -> Result<(), OpenError> {
    let Some(found) = found.filter(|found| *found > 1) else {
        return Ok(());
    };
    let header = sealed::open(io, found).and_then(|opened| frames::header(&*opened.file));
    match header {
        Ok(Ok((header, _))) if header.follows > 0 => {
            Err(OpenError::OtherBeginning { should: 1, found })
        }
        _ => Ok(()),
    }
}

/// The note names the node that the segment names with which the journal begins.
fn ensure_of(io: &dyn JournalIo, begun: &Begun) -> Result<(), OpenError> {
    let opened = sealed::open(io, begun.first).and_then(|opened| frames::header(&*opened.file));
    let header = opened.map_err(doing("reading the first segment"))?;
    match header {
        Ok((header, _)) if header.node == begun.node => Ok(()),
        Ok(_) => Err(OpenError::BeginningOfAnother {
            node: begun.node.clone(),
        }),
        Err(_) => Err(OpenError::Damaged {
            sequence: begun.first,
        }),
    }
}

/// The same of the segments that are kept.
fn recover_from(
    io: &dyn JournalIo,
    mut firsts: Vec<(u64, bool)>,
    deployment: Uuid,
) -> Result<Recovered, OpenError> {
    while let Some((first, sealed)) = firsts.last().copied() {
        if sealed {
            return open_sealed(io, &firsts, first, deployment);
        }
        let file = io
            .open(&segment::name(first), Access::Write)
            .map_err(doing("opening the last segment"))?;
        match frames::header(&*file).map_err(doing("reading the last segment"))? {
            Ok((header, start)) => {
                check(&header, first, deployment)?;
                return open_last(&firsts, file, header, start);
            }
            Err(HeaderFault::Version(version)) => {
                let known = segment::VERSION;
                return Err(OpenError::UnknownFormat { version, known });
            }
            Err(HeaderFault::Broken) => {
                remove_unfinished(io, file, first)?;
                firsts.pop();
            }
        }
    }
    Ok(Recovered {
        catalog: Arc::default(),
        open: None,
        last: 0,
        present: 0,
        revisions: Revisions::default(),
    })
}

/// The first entries of all segments, in order, and whether only the sealed file of each is there.
fn segments(names: &[String]) -> Vec<(u64, bool)> {
    let sealed = names
        .iter()
        .filter_map(|name| segment::sealed_first_of(name));
    let mut found: BTreeMap<u64, bool> = sealed.map(|first| (first, true)).collect();
    let written = names.iter().filter_map(|name| segment::first_of(name));
    found.extend(written.map(|first| (first, false)));
    found.into_iter().collect()
}

/// The last segment is a sealed one: the one behind it is gone, or held nothing when its making was
/// interrupted. It is read, and a new one is begun behind it.
fn open_sealed(
    io: &dyn JournalIo,
    firsts: &[(u64, bool)],
    first: u64,
    deployment: Uuid,
) -> Result<Recovered, OpenError> {
    let damaged = || OpenError::Damaged { sequence: first };
    let reading = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidData => damaged(),
        _ => doing("reading the last segment")(source),
    };
    let opened = sealed::open(io, first).map_err(reading)?;
    let header = frames::header(&*opened.file).map_err(reading)?;
    let (header, start) = header.map_err(|_| damaged())?;
    check(&header, first, deployment)?;
    let catalog = Catalog::new(firsts.iter().copied());
    let segment = catalog
        .last()
        .unwrap_or_else(|| Arc::new(Segment::new(header.first)));
    let mut revisions = header.revisions;
    let tail = tail::examine(&*opened.file, &segment, start, &mut revisions).map_err(tail_fault)?;
    if tail.torn {
        let sequence = tail.last + 1;
        return Err(OpenError::Damaged { sequence });
    }
    Ok(Recovered {
        catalog: Arc::new(catalog),
        open: None,
        last: tail.last,
        present: tail.last,
        revisions,
    })
}

/// Reads the last segment and makes it sound.
fn open_last(
    firsts: &[(u64, bool)],
    mut file: Box<dyn SegmentFile>,
    header: Header,
    start: u64,
) -> Result<Recovered, OpenError> {
    let catalog = Catalog::new(firsts.iter().copied());
    let segment = catalog
        .last()
        .unwrap_or_else(|| Arc::new(Segment::new(header.first)));
    let mut revisions = header.revisions;
    let tail = tail::examine(&*file, &segment, start, &mut revisions).map_err(tail_fault)?;
    tail::settle(&mut *file, &tail).map_err(doing("repairing the last segment"))?;
    if tail.torn {
        tracing::info!(
            last = tail.last,
            "removed a torn write from the audit journal"
        );
    }
    // An empty segment may have been made after a loss that its header records.
    let empty = tail.last < header.first;
    let present = if empty { header.follows } else { tail.last };
    Ok(Recovered {
        catalog: Arc::new(catalog),
        open: Some(Open {
            file,
            start,
            end: tail.end,
            marked: tail.unproven == tail.end,
            node: header.node,
            format: header.format,
            signed: tail.signed,
        }),
        last: tail.last,
        present,
        revisions,
    })
}

/// The header is synced before the first frame is written: without any frame it is a segment whose
/// making was interrupted, with one it is damaged.
fn remove_unfinished(
    io: &dyn JournalIo,
    file: Box<dyn SegmentFile>,
    first: u64,
) -> Result<(), OpenError> {
    let ours = |frame: &Frame<'_>| frame.kind == Kind::Mark || frame.sequence >= first;
    let any = Frames::at(&*file, 0).search(ours);
    if any.map_err(doing("reading the last segment"))? {
        return Err(OpenError::Damaged { sequence: first });
    }
    drop(file);
    io.remove(&segment::name(first))
        .and_then(|()| io.sync_dir())
        .map_err(doing("removing an unfinished segment"))
}

fn check(header: &Header, first: u64, deployment: Uuid) -> Result<(), OpenError> {
    if header.deployment != deployment {
        let found = header.deployment;
        return Err(OpenError::OtherDeployment { found });
    }
    if header.first != first {
        return Err(OpenError::Damaged { sequence: first });
    }
    Ok(())
}

fn tail_fault(fault: TailFault) -> OpenError {
    match fault {
        TailFault::Damaged(sequence) => OpenError::Damaged { sequence },
        TailFault::Io(source) => OpenError::Io {
            doing: "reading the last segment",
            source,
        },
    }
}

pub(crate) fn doing(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { doing, source }
}
