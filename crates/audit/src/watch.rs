//! Watching the journal's files while they are used: that each is there, and the one it was. Names are
//! looked up and nothing is opened, so that it costs next to nothing; what is in the files is checked by
//! whoever reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::io::{Identity, JournalIo};
use crate::segment;
use crate::writer::Shared;

/// A file that is not as it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// It is gone.
    Gone {
        /// Its name.
        name: String,
    },
    /// Another file has its name.
    Replaced {
        /// Its name.
        name: String,
    },
    /// It was written to after it was finished.
    Changed {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { name } => write!(f, "the journal's file {name} was removed"),
            Self::Replaced { name } => write!(f, "the journal's file {name} was replaced"),
            Self::Changed { name } => write!(f, "the journal's file {name} was changed"),
        }
    }
}

/// What is known of the files.
pub struct Watch {
    io: Arc<dyn JournalIo>,
    shared: Arc<Shared>,
    known: BTreeMap<u64, Known>,
}

struct Known {
    identity: Identity,
    /// Nobody writes to it any more.
    finished: bool,
    /// It is the sealed file.
    sealed: bool,
}

impl Watch {
    pub(crate) fn new(io: Arc<dyn JournalIo>, shared: Arc<Shared>) -> Self {
        Self {
            io,
            shared,
            known: BTreeMap::new(),
        }
    }

    /// Looks at every file once; the first that is not as it was left. What is seen first is how a file
    /// was left. Blocks for some microseconds a file.
    ///
    /// # Errors
    /// When the directory cannot be looked at.
    pub fn look(&mut self) -> io::Result<Option<Touched>> {
        // First what is durable: a segment in which anything is, is never made anew.
        let durable = *self.shared.durable.borrow();
        let segments = self.shared.catalog.segments();
        let last = segments.last().map(|segment| segment.first);
        let begins = self.shared.catalog.beginning();
        self.known.retain(|first, _| *first >= begins);
        for segment in &segments {
            let (first, is_last) = (segment.first, Some(segment.first) == last);
            if is_last && durable < first {
                continue;
            }
            let Some((name, found, sealed)) = self.find(first)? else {
                // It was let go of after the segments were listed.
                if first < self.shared.catalog.beginning() {
                    continue;
                }
                let known = self.known.get(&first).is_some_and(|known| known.sealed);
                let sealed = known || segment.is_sealed();
                let name = if sealed {
                    segment::sealed_name(first)
                } else {
                    segment::name(first)
                };
                return Ok(Some(Touched::Gone { name }));
            };
            let now = Known {
                identity: found,
                finished: !is_last,
                sealed,
            };
            let known = self.known.insert(first, now);
            // One that this process sealed is known before anybody looks at it.
            if sealed && known.as_ref().is_none_or(|known| !known.sealed) {
                match segment.sealed_as() {
                    Some(made) if made.file != found.file => {
                        return Ok(Some(Touched::Replaced { name }));
                    }
                    Some(made) if made != found => return Ok(Some(Touched::Changed { name })),
                    // It was written when it was seen last, and nobody here sealed it.
                    None if known.is_some() => return Ok(Some(Touched::Replaced { name })),
                    Some(_) | None => continue,
                }
            }
            let Some(known) = known else {
                continue;
            };
            if known.identity.file != found.file {
                return Ok(Some(Touched::Replaced { name }));
            }
            if known.finished && known.identity != found {
                return Ok(Some(Touched::Changed { name }));
            }
        }
        Ok(None)
    }

    /// The file in which a segment is now, and whether that is the sealed one; none if it is gone.
    fn find(&self, first: u64) -> io::Result<Option<(String, Identity, bool)>> {
        for (name, sealed) in [
            (segment::name(first), false),
            (segment::sealed_name(first), true),
        ] {
            match self.io.identity(&name) {
                Ok(found) => return Ok(Some((name, found, sealed))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
