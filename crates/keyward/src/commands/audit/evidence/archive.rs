//! A bundle as one file: a POSIX `ustar` archive, which every `tar` unpacks.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::working::paths_in;

/// What the name of an archive ends with.
pub const SUFFIX: &str = ".tar";
/// Everything in an archive is a multiple of it.
const BLOCK: usize = 512;
/// The longest name of a directory that goes into a header with what lies in it.
const NAME_MAX: usize = 60;

/// Whether somebody who names it means an archive.
pub fn is_archive(out: &Path) -> bool {
    out.to_string_lossy().ends_with(SUFFIX)
}

/// The directory that an archive unpacks into.
pub fn name_in(out: &Path) -> String {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_end_matches(SUFFIX);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain) && name != ".." {
        name.to_owned()
    } else {
        "evidence".to_owned()
    }
}

/// Writes all files of a directory into an archive, durably. Always the same bytes for the same files.
pub fn write(bundle: &Path, place: &Path, name: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = BufWriter::new(file.open(place)?);
    for path in paths_in(bundle)? {
        let file = File::open(bundle.join(&path))?;
        let size = file.metadata()?.len();
        out.write_all(&header(&format!("{name}/{path}"), size)?)?;
        let copied = io::copy(&mut file.take(size), &mut out)?;
        if copied != size {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file shrank",
            ));
        }
        let rest = (BLOCK - copied as usize % BLOCK) % BLOCK;
        out.write_all(&vec![0; rest])?;
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()?;
    out.get_ref().sync_all()
}

/// POSIX.1-1988, `ustar`: name 100, mode 8, owner 8, group 8, size 12, time 12, sum 8, kind 1, link 100, magic 8, …
fn header(path: &str, size: u64) -> io::Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        let room = block.get_mut(at..at + text.len());
        room.map(|room| room.copy_from_slice(text.as_bytes()))
            .ok_or(io::ErrorKind::InvalidInput)
    };
    let size = format!("{size:011o}");
    // 8 GiB and more do not fit; no page is so large.
    if path.len() > 100 || size.len() > 11 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    put(0, path)?;
    put(100, "0000600")?;
    put(108, "0000000")?;
    put(116, "0000000")?;
    put(124, &size)?;
    put(136, "00000000000")?;
    put(148, "        ")?;
    put(156, "0")?;
    put(257, "ustar\0")?;
    put(263, "00")?;
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    if let Some(room) = block.get_mut(148..156) {
        room.copy_from_slice(sum.as_bytes());
    }
    Ok(block)
}
