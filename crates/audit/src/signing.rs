//! Signing each batch before it is answered: what the writer keeps for it, how it goes on after a start,
//! and how readers find the signatures again.

use std::sync::Arc;

use keyward_core::port::audit_log::AuditError;
use keyward_ledger::Hash;

use crate::fault;
use crate::frame::Kind;
use crate::frames::{self, Frames, Step};
use crate::io::SegmentFile;
use crate::reader::Reader;
use crate::segment;
use crate::signature::{BatchKey, BatchSignature, Signer, Unsigned};

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// What the writer knows of signing.
pub(crate) struct Signing {
    pub(crate) signer: Signer,
    /// While the node is unsealed.
    pub(crate) key: Option<BatchKey>,
    pub(crate) unsigned: Unsigned,
}

impl Signing {
    /// Goes on in a journal that ends with `last`; `signed` is the last entry that is covered by a signature
    /// in its last segment, if there is one.
    pub(crate) fn take_up(
        reader: &Reader,
        signer: Signer,
        signed: Option<u64>,
        last: u64,
    ) -> Result<Self, AuditError> {
        let begin = reader.catalog.last().map_or(0, |last| last.first - 1);
        let after = match signed {
            Some(signed) => signed,
            // What cannot be read there must not keep today's entries from being signed: whoever reads
            // it finds out.
            None => reader.signed_before().unwrap_or(begin),
        };
        let unsigned = reader.unsigned(after, last);
        let unsigned = match unsigned {
            Err(_) if after < begin => reader.unsigned(begin, last),
            read => read,
        };
        Ok(Self {
            signer,
            key: None,
            unsigned: unsigned?,
        })
    }

    /// Whether something is not signed that could be.
    pub(crate) fn is_due(&self) -> bool {
        self.key.is_some() && !self.unsigned.is_empty()
    }

    /// The signature over what is not signed and a batch that ends with `last`, if there is a key; and what
    /// is not signed when that is written.
    pub(crate) fn sign<'a>(
        &self,
        batch: impl Iterator<Item = &'a [u8]>,
        last: u64,
    ) -> (Option<BatchSignature>, Unsigned) {
        let mut unsigned = self.unsigned.clone();
        for entry in batch {
            unsigned.append(Hash::of_leaf(entry));
        }
        let key = self.key.as_ref();
        let made = key.and_then(|key| BatchSignature::make(key, &self.signer, &unsigned, last));
        if made.is_some() {
            unsigned = Unsigned::after(last);
        }
        (made, unsigned)
    }
}

impl Reader {
    /// The last entry that a signature covers in the segments before the last one. There is none in a
    /// segment of the first format: what the last one of them holds is signed with what came since.
    fn signed_before(&self) -> Result<u64, AuditError> {
        let segments = self.catalog.segments();
        let mut first = segments.last().map_or(1, |last| last.first);
        for segment in segments.iter().rev().skip(1) {
            let (file, _, _) = self.open(segment)?;
            let header = frames::header(&*file);
            let header = header.map_err(|error| fault::reading(&error, segment.first))?;
            let is_signed = header.is_ok_and(|(header, _)| header.format == segment::VERSION);
            if !is_signed {
                return Ok(segment.first - 1);
            }
            let found = self.signatures(segment.first - 1, first - 1)?;
            if let Some(signature) = found.last() {
                return Ok(signature.sequence);
            }
            first = segment.first;
        }
        Ok(first - 1)
    }

    /// The entries after one, up to another, as those that are not signed.
    pub(crate) fn unsigned(&self, after: u64, until: u64) -> Result<Unsigned, AuditError> {
        let mut unsigned = Unsigned::after(after);
        let mut at = after;
        while at < until {
            let page = self.written(at, until, PAGE_BYTES)?;
            let Some(last) = page.last() else {
                return Err(AuditError::Damaged { sequence: at + 1 });
            };
            at = last.sequence;
            for entry in &page {
                unsigned.append(Hash::of_leaf(&entry.bytes));
            }
        }
        Ok(unsigned)
    }

    /// The signatures whose last entry is after `after`, and not after `until`.
    pub(crate) fn signatures(
        &self,
        after: u64,
        until: u64,
    ) -> Result<Vec<BatchSignature>, AuditError> {
        let mut found = Vec::new();
        if after >= until {
            return Ok(found);
        }
        for segment in self.catalog.from(after + 1) {
            if segment.first > until {
                break;
            }
            let (file, start, _) = self.open(&segment)?;
            let node = node_of(&*file, segment.first)?;
            let (mut sequence, offset) = segment.place(after + 1).unwrap_or((segment.first, start));
            let mut frames = Frames::at(&*file, offset);
            loop {
                let step = frames.step();
                let step = step.map_err(|error| fault::reading(&error, sequence))?;
                match step {
                    Step::End => break,
                    // What comes behind is being written.
                    Step::Bad if sequence > until => break,
                    Step::Bad => return Err(AuditError::Damaged { sequence }),
                    Step::Frame(_, frame) if frame.kind == Kind::Entry => {
                        if frame.sequence > until {
                            break;
                        }
                        sequence = frame.sequence + 1;
                    }
                    Step::Frame(_, frame) if frame.kind == Kind::Signature => {
                        if frame.sequence > after {
                            let sequence = frame.sequence;
                            let read = BatchSignature::decode(&node, sequence, frame.payload);
                            found.push(read.ok_or(AuditError::Damaged { sequence })?);
                        }
                    }
                    Step::Frame(..) => {}
                }
            }
        }
        Ok(found)
    }
}

/// The node that a segment is of.
fn node_of(file: &dyn SegmentFile, first: u64) -> Result<Arc<str>, AuditError> {
    let header = frames::header(file).map_err(|error| fault::reading(&error, first))?;
    let (header, _) = header.map_err(|_| AuditError::Damaged { sequence: first })?;
    Ok(header.node.into())
}
