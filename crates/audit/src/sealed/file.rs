//! A sealed segment, open: reads as the segment does that it was made from.

use std::io;

use keyward_ledger::Hash;
use parking_lot::Mutex;

use crate::frames::fill;
use crate::io::SegmentFile;
use crate::sealed::directory::{Directory, FIXED, Fault, PREFIX_MOST, Prefix, Row, TAIL};
use crate::sealed::{block, damaged};

/// The file.
pub(crate) struct SealedFile {
    file: Box<dyn SegmentFile>,
    prefix: Prefix,
    last: u64,
    blocks: Vec<Block>,
    /// Where the frames end.
    end: u64,
    /// The block that was read last.
    at_hand: Mutex<Option<(usize, Vec<u8>)>>,
}

struct Block {
    row: Row,
    /// Where its frames begin in the segment that was.
    start: u64,
    /// Where its bytes begin in the file.
    stored_at: u64,
}

impl SealedFile {
    /// Reads all but the blocks. What is not as it was written is `InvalidData`; a later format is
    /// `Unsupported`.
    pub(crate) fn open(file: Box<dyn SegmentFile>) -> io::Result<Self> {
        let length = file.len()?;
        let mut bytes = vec![0; PREFIX_MOST.min(usize::try_from(length).unwrap_or(PREFIX_MOST))];
        let filled = fill(&*file, 0, &mut bytes)?;
        bytes.truncate(filled);
        let (prefix, prefix_length) = Prefix::decode(&bytes).map_err(|fault| match fault {
            Fault::Broken => damaged(),
            Fault::Version(version) => io::Error::new(
                io::ErrorKind::Unsupported,
                format!("a sealed segment has format {version}"),
            ),
        })?;
        let (directory, directory_length) = directory(&*file, length)?;
        let covered = bytes.get(..prefix_length).ok_or_else(damaged)?;
        if Hash::of_leaf(covered) != directory.prefix {
            return Err(damaged());
        }
        let (mut start, mut stored_at) = (prefix.header.len() as u64, prefix_length as u64);
        let mut blocks = Vec::with_capacity(directory.rows.len());
        for row in directory.rows {
            let (frames, stored) = (u64::from(row.length), u64::from(row.stored));
            blocks.push(Block {
                row,
                start,
                stored_at,
            });
            start += frames;
            stored_at += stored;
        }
        // The blocks fill the file exactly: nothing is between them and the directory.
        if stored_at + (directory_length + TAIL) as u64 != length {
            return Err(damaged());
        }
        Ok(Self {
            file,
            prefix,
            last: directory.last,
            blocks,
            end: start,
            at_hand: Mutex::default(),
        })
    }

    /// Where each block begins: the number of the first entry from there on, and the offset.
    pub(crate) fn places(&self) -> Vec<(u64, u64)> {
        let with_entries = self
            .blocks
            .iter()
            .filter(|block| block.row.next <= self.last);
        with_entries
            .map(|block| (block.row.next, block.start))
            .collect()
    }

    /// The frames of a block.
    fn load(&self, block: &Block) -> io::Result<Vec<u8>> {
        let mut stored = vec![0; block.row.stored as usize];
        let filled = fill(&*self.file, block.stored_at, &mut stored)?;
        if filled < stored.len() || Hash::of_leaf(&stored) != block.row.digest {
            return Err(damaged());
        }
        // What was compressed is never larger than the frames by more than its columns' own bounds.
        let mut decompressor = zstd::bulk::Decompressor::with_dictionary(&self.prefix.dictionary)?;
        let packed = decompressor.decompress(&stored, block::PACKED_MOST);
        let packed = packed.map_err(|_| damaged())?;
        let frames = block::unpack(&packed, block.row.next, block.row.length as usize);
        frames.ok_or_else(damaged)
    }
}

fn directory(file: &dyn SegmentFile, length: u64) -> io::Result<(Directory, usize)> {
    let mut tail = [0; TAIL];
    let tail_at = length.checked_sub(TAIL as u64).ok_or_else(damaged)?;
    fill(file, tail_at, &mut tail)?;
    let size = Directory::length(&tail).ok_or_else(damaged)?;
    let at = tail_at.checked_sub(size as u64);
    let at = at.filter(|at| *at >= FIXED as u64).ok_or_else(damaged)?;
    let mut bytes = vec![0; size];
    fill(file, at, &mut bytes)?;
    let directory = Directory::decode(&bytes, &tail).ok_or_else(damaged)?;
    Ok((directory, size))
}

impl SegmentFile for SealedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.end)
    }

    /// Reads to the end of a block at most.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let header = &self.prefix.header;
        let part = usize::try_from(offset).ok().and_then(|at| header.get(at..));
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            return Ok(copy(part, into));
        }
        let after = self.blocks.partition_point(|block| block.start <= offset);
        let found = after
            .checked_sub(1)
            .and_then(|index| Some((index, self.blocks.get(index)?)));
        let Some((index, block)) = found.filter(|_| offset < self.end) else {
            return Ok(0);
        };
        let mut at_hand = self.at_hand.lock();
        if at_hand.as_ref().is_none_or(|(at, _)| *at != index) {
            *at_hand = Some((index, self.load(block)?));
        }
        let frames = at_hand.as_ref().map(|(_, frames)| frames.as_slice());
        let part = frames.and_then(|frames| frames.get((offset - block.start) as usize..));
        Ok(copy(part.unwrap_or_default(), into))
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(part: &[u8], into: &mut [u8]) -> usize {
    let size = part.len().min(into.len());
    into[..size].copy_from_slice(&part[..size]);
    size
}
