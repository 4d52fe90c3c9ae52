//! A bundle: up to 256 entries, each behind its length (C2SP `tlog-tiles`).

use crate::tile::Tile;

/// The largest entry that a bundle can hold.
pub const ENTRY_MAX: usize = u16::MAX as usize;

/// An entry too long for a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry has {size} bytes; a bundle takes at most {ENTRY_MAX}")]
pub struct EntryTooLong {
    /// What it has.
    pub size: usize,
}

/// Bytes that are no bundle of the width expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It ends within an entry, or before the last one.
    #[error("it ends before entry {at} of {width} is whole")]
    Short {
        /// The entry, counted from 0.
        at: u16,
        /// How many there should be.
        width: u16,
    },
    /// There is something behind the last entry.
    #[error("{size} bytes follow its last entry")]
    Trailing {
        /// How many.
        size: usize,
    },
}

/// Adds an entry to the bytes of a bundle.
pub fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let size = entry.len();
    let length = u16::try_from(size).map_err(|_| EntryTooLong { size })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle: exactly as many as its width says.
pub fn entries_of(tile: Tile, bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let width = tile.width();
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for at in 0..width {
        let short = BundleError::Short { at, width };
        let (length, behind) = rest.split_first_chunk::<2>().ok_or(short)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, behind) = behind.split_at_checked(length).ok_or(short)?;
        entries.push(entry);
        rest = behind;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BundleError::Trailing { size: rest.len() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::tile::Content;

    #[test]
    fn entries_read_back_and_every_cut_and_every_byte_too_many_is_refused() {
        let longest = vec![7; ENTRY_MAX];
        let entries: [&[u8]; 4] = [b"one", b"", b"three", &longest];
        let mut bundle = Vec::new();
        for entry in entries {
            put_entry(&mut bundle, entry).unwrap();
        }
        let tile = Tile::new(Content::Entries, 0, 4).unwrap();
        assert_eq!(entries_of(tile, &bundle).unwrap(), entries);
        for cut in 0..bundle.len() {
            let found = entries_of(tile, &bundle[..cut]).unwrap_err();
            assert!(
                matches!(found, BundleError::Short { width: 4, .. }),
                "{cut}"
            );
        }
        bundle.push(0);
        assert_eq!(
            entries_of(tile, &bundle),
            Err(BundleError::Trailing { size: 1 })
        );
        let too_long = put_entry(&mut bundle, &vec![0; ENTRY_MAX + 1]);
        assert_eq!(too_long, Err(EntryTooLong { size: 65_536 }));
    }
}
