//! How a node's log was handed over from one signing key to the next: the notes that both have signed,
//! kept beside what was signed last.

use std::io;

use keyward_ledger::{Handover, Note, VerifierKey, notes_of};

use crate::trees::{LogFiles, TreesError};

/// The file, beside the journal's segments.
pub const FILE: &str = "log-handovers";

/// The hand-overs, the oldest first.
pub struct Handovers<F> {
    files: F,
    kept: Vec<(Handover, Note)>,
}

impl<F: LogFiles> Handovers<F> {
    /// Reads them, from the directory of the journal. A file that cannot be understood is an error:
    /// whoever was given an earlier key would not be led to the one that signs.
    pub fn open(files: F) -> Result<Self, TreesError> {
        let bytes = files.read(FILE).map_err(of_file)?.unwrap_or_default();
        let unreadable = |_| TreesError::HandoversUnreadable;
        let notes = notes_of(&bytes).map_err(unreadable)?;
        let kept = notes.into_iter().map(|note| {
            let handover = Handover::open(&note).map_err(unreadable)?;
            Ok((handover, note))
        });
        let kept = kept.collect::<Result<_, TreesError>>()?;
        Ok(Self { files, kept })
    }

    /// Takes over those of a lost node: their notes as they are given out.
    pub fn take_over(files: F, given_out: &[u8]) -> Result<(), TreesError> {
        let notes = notes_of(given_out).map_err(|_| TreesError::HandoversUnreadable)?;
        let mut handovers = Self::open(files)?;
        notes.into_iter().try_for_each(|note| handovers.add(note))
    }

    /// The note of this hand-over, if it is there.
    pub fn find(&self, from: &VerifierKey, to: &VerifierKey) -> Option<&Note> {
        let is_it = |handover: &Handover| handover.from() == from && handover.to() == to;
        let found = self.kept.iter().find(|(handover, _)| is_it(handover));
        found.map(|(_, note)| note)
    }

    /// Adds one, durably. One from the same key to another that is there was never finished: nothing was
    /// signed by that other key, and nobody is to be led to it.
    pub fn add(&mut self, note: Note) -> Result<(), TreesError> {
        let handover = Handover::open(&note).map_err(|_| TreesError::HandoversUnreadable)?;
        let mut kept = self.kept.clone();
        kept.retain(|(other, _)| other.from() != handover.from());
        kept.push((handover, note));
        let text = text_of(kept.iter().map(|(_, note)| note));
        self.files.write(FILE, text.as_bytes()).map_err(of_file)?;
        self.kept = kept;
        Ok(())
    }

    /// Those of the log with this name, as they are given out: each followed by an empty line.
    pub fn text(&self, origin: &str) -> String {
        let of_log = |handover: &Handover| handover.from().name().as_str() == origin;
        let of_log = self.kept.iter().filter(|(handover, _)| of_log(handover));
        text_of(of_log.map(|(_, note)| note))
    }
}

fn text_of<'a>(notes: impl Iterator<Item = &'a Note>) -> String {
    let notes: Vec<String> = notes.map(ToString::to_string).collect();
    notes.iter().flat_map(|note| [note, "\n"]).collect()
}

fn of_file(source: io::Error) -> TreesError {
    TreesError::Io {
        path: FILE.to_owned(),
        source,
    }
}
