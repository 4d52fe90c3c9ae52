//! Sealed segments: a finished segment of the journal, compressed and never changed again. Reads as
//! the file that it was made from does, byte for byte, so that places in it stay what they are. The
//! format is described for strangers in `docs/formats/sealed-segment.md`.
//!
//! ```text
//! prefix  "KWS1" | version u16 | header length u16 | dictionary length u32 | header | dictionary
//! blocks  zstd, with the dictionary: the frames, their fields in columns, without their CRCs
//! end     directory (a row for each block, digests) | its length u32 | its digest | "KWS1.END"
//! ```

mod block;
mod directory;
mod file;
mod sealing;

use std::io;

use crate::io::{Access, JournalIo, SegmentFile};
use crate::segment;

pub(crate) use file::SealedFile;
pub use sealing::{SealError, Sealer, Sealing};

/// A finished or unfinished segment, open for reading.
pub(crate) struct Opened {
    pub(crate) file: Box<dyn SegmentFile>,
    /// Where some frames start, to the segment's end, if the file says so itself.
    pub(crate) places: Option<Vec<(u64, u64)>>,
}

/// Opens the segment whose first entry has this number, as it was written or sealed. While both files
/// are there the one that was written counts.
pub(crate) fn open(io: &dyn JournalIo, first: u64) -> io::Result<Opened> {
    match io.open(&segment::name(first), Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => {
            return Ok(Opened {
                file: opened?,
                places: None,
            });
        }
    }
    let file = io.open(&segment::sealed_name(first), Access::Read)?;
    let file = SealedFile::open(file)?;
    Ok(Opened {
        places: Some(file.places()),
        file: Box::new(file),
    })
}

/// Bytes are there that are not what was written: damage, which waiting does not mend.
fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
