//! A file in pages, each with a checksum that also says which page of which file it is: a reader of a few
//! bytes of a large file notices what was altered, cut, moved, or never written.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Bytes of a page.
const PAGE: usize = 4096;
/// Bytes in it before the checksum.
const CONTENT: usize = PAGE - 4;

/// The content in pages; the last one is filled up with zeros.
pub(super) fn paged(file: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().div_ceil(CONTENT) * PAGE);
    for (number, chunk) in (0u64..).zip(content.chunks(CONTENT)) {
        let start = out.len();
        out.extend_from_slice(chunk);
        out.resize(start + CONTENT, 0);
        let sum = checksum(file, number, &out[start..]);
        out.extend_from_slice(&sum.to_be_bytes());
    }
    out
}

fn checksum(file: u64, number: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file.to_be_bytes());
    hasher.update(&number.to_be_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Reads such a file.
pub(super) struct Pages {
    file: File,
    /// Which file it should be.
    name: u64,
    /// How many bytes of content there can be.
    length: u64,
}

impl Pages {
    pub(super) fn new(file: File, name: u64) -> io::Result<Self> {
        let pages = file.metadata()?.len() / PAGE as u64;
        Ok(Self {
            file,
            name,
            length: pages * CONTENT as u64,
        })
    }

    /// Refuses a file that has not exactly the pages for so much content.
    pub(super) fn ensure(&self, content: u64) -> io::Result<()> {
        let pages = content.div_ceil(CONTENT as u64);
        if self.length == pages * CONTENT as u64 {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    /// Bytes of the content.
    pub(super) fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let end = at.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        let content = CONTENT as u64;
        let first = at / content;
        let count = (at + length as u64 - 1) / content - first + 1;
        // Both are below the file's length.
        let mut pages = vec![0; count as usize * PAGE];
        self.file.read_exact_at(&mut pages, first * PAGE as u64)?;
        let skip = (at % content) as usize;
        let mut out = Vec::with_capacity(count as usize * CONTENT);
        for (number, page) in (first..).zip(pages.chunks_exact(PAGE)) {
            let (content, sum) = page.split_at(CONTENT);
            if checksum(self.name, number, content).to_be_bytes() != *sum {
                return Err(ErrorKind::InvalidData.into());
            }
            out.extend_from_slice(content);
        }
        out.drain(..skip);
        out.truncate(length);
        Ok(out)
    }
}
