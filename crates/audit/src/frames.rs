//! Reading the frames of one segment in order, in pieces, and looking for a frame behind bytes
//! that are none. Decides nothing about what a fault means: recovery and readers do.

use std::io;

use crate::frame::{self, Frame};
use crate::io::SegmentFile;
use crate::segment::{HEADER_MAX, Header, HeaderFault};

const PIECE: usize = 256 * 1024;

/// What comes next in a segment.
pub(crate) enum Step<'a> {
    /// A frame, and where it starts.
    Frame(u64, Frame<'a>),
    /// Nothing more, or only zeros: space that was reserved and not written.
    End,
    /// Bytes that are no frame.
    Bad,
}

/// A position in a segment.
pub(crate) struct Frames<'f> {
    file: &'f dyn SegmentFile,
    /// Where `piece` starts in the file.
    offset: u64,
    piece: Vec<u8>,
    /// What of `piece` has been read.
    at: usize,
    /// Whether the file has no more than is in `piece`.
    ended: bool,
}

/// Reads a segment's header.
pub(crate) fn header(file: &dyn SegmentFile) -> io::Result<Result<(Header, u64), HeaderFault>> {
    let mut bytes = vec![0; HEADER_MAX];
    let filled = fill(file, 0, &mut bytes)?;
    Ok(Header::decode(&bytes[..filled]).map(|(header, length)| (header, length as u64)))
}

impl<'f> Frames<'f> {
    /// Starts at an offset where a frame starts.
    pub(crate) fn at(file: &'f dyn SegmentFile, offset: u64) -> Self {
        Self {
            file,
            offset,
            piece: Vec::new(),
            at: 0,
            ended: false,
        }
    }

    /// Where the next frame would start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Takes the next frame. After [`Step::Bad`] and [`Step::End`] the position stays.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let Some((size, kind, behind, sequence)) = self.peek()? else {
            let end = self.only_zeros_left()?;
            return Ok(if end { Step::End } else { Step::Bad });
        };
        let (offset, start) = (self.offset(), self.at);
        self.at += size;
        let payload = &self.piece[start + frame::HEAD..self.at];
        let frame = Frame {
            kind,
            behind,
            sequence,
            payload,
        };
        Ok(Step::Frame(offset, frame))
    }

    fn peek(&mut self) -> io::Result<Option<(usize, frame::Kind, u32, u64)>> {
        if !self.ahead(4)? {
            return Ok(None);
        }
        let Some(size) = self.piece[self.at..]
            .first_chunk::<4>()
            .map(|first| frame::size(*first))
        else {
            return Ok(None);
        };
        let Ok(size) = size else { return Ok(None) };
        if !self.ahead(size)? {
            return Ok(None);
        }
        let frame = frame::parse(&self.piece[self.at..self.at + size]);
        Ok(frame
            .ok()
            .map(|frame| (size, frame.kind, frame.behind, frame.sequence)))
    }

    /// The next frame anywhere behind this position that `wanted` accepts.
    pub(crate) fn search(&mut self, wanted: impl Fn(&Frame<'_>) -> bool) -> io::Result<bool> {
        while self.ahead(1)? {
            self.ahead(frame::HEAD + frame::PAYLOAD_MAX)?;
            let rest = &self.piece[self.at..];
            if rest[0] == 0 && frame::parse(rest).is_ok_and(|frame| wanted(&frame)) {
                return Ok(true);
            }
            self.at += 1;
        }
        Ok(false)
    }

    fn only_zeros_left(&self) -> io::Result<bool> {
        let mut rest = Frames::at(self.file, self.offset());
        while rest.ahead(1)? {
            if rest.piece[rest.at..].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            rest.at = rest.piece.len();
        }
        Ok(true)
    }

    /// Makes `wanted` bytes available if the file has them.
    fn ahead(&mut self, wanted: usize) -> io::Result<bool> {
        if self.piece.len() - self.at < wanted && !self.ended {
            self.piece.drain(..self.at);
            self.offset += self.at as u64;
            self.at = 0;
            let kept = self.piece.len();
            self.piece.resize(kept.max(wanted) + PIECE, 0);
            let filled = fill(
                self.file,
                self.offset + kept as u64,
                &mut self.piece[kept..],
            )?;
            self.ended = kept + filled < self.piece.len();
            self.piece.truncate(kept + filled);
        }
        Ok(self.piece.len() - self.at >= wanted)
    }
}

/// The number and the payload of the entry whose frame begins at an offset; none if there is no such
/// frame.
pub(crate) fn entry(file: &dyn SegmentFile, offset: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    /// Most frames are no longer.
    const USUAL: usize = 1024;
    let mut bytes = vec![0; USUAL];
    let filled = fill(file, offset, &mut bytes)?;
    bytes.truncate(filled);
    let size = bytes.first_chunk::<4>().map(|first| frame::size(*first));
    let Some(Ok(size)) = size else {
        return Ok(None);
    };
    if size > filled {
        bytes.resize(size, 0);
        let rest = fill(file, offset + filled as u64, &mut bytes[filled..])?;
        bytes.truncate(filled + rest);
    }
    let frame = frame::parse(&bytes).ok();
    let frame = frame.filter(|frame| frame.kind == frame::Kind::Entry);
    Ok(frame.map(|frame| (frame.sequence, frame.payload.to_vec())))
}

/// Reads until `into` is full or the file ends, or up to bytes that are damaged: those are an error only
/// where they are asked for first, so that all before them can be read.
pub(crate) fn fill(file: &dyn SegmentFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(offset + filled as u64, &mut into[filled..]) {
            Ok(0) => break,
            Ok(some) => filled += some,
            Err(error) if filled > 0 && error.kind() == io::ErrorKind::InvalidData => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
