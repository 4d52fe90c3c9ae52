//! What parts open to. Rows of the registry: one JSON object a line. Sealed objects of the vault: one
//! after the other, each `length of name (2) ‖ name ‖ length (4) ‖ bytes`, numbers big endian.

use keyward_core::port::storage::ObjectName;

/// One sealed object of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VaultEntry {
    /// Where it lay, and is to lie.
    pub(crate) name: ObjectName,
    /// What is there.
    pub(crate) bytes: Vec<u8>,
}

/// Puts an object behind others. None if its name or size do not fit, which no backend allows.
pub(crate) fn push(name: &ObjectName, bytes: &[u8], part: &mut Vec<u8>) -> Option<()> {
    let text = name.as_str().as_bytes();
    part.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    part.extend_from_slice(text);
    part.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    part.extend_from_slice(bytes);
    Some(())
}

/// The objects of an opened part, in order; an item of none says that the rest is not one.
pub(crate) fn objects(part: &[u8]) -> impl Iterator<Item = Option<VaultEntry>> {
    let mut rest = part;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = take(&mut rest);
        if entry.is_none() {
            rest = &[];
        }
        Some(entry)
    })
}

fn take(rest: &mut &[u8]) -> Option<VaultEntry> {
    let length = usize::from(u16::from_be_bytes(split(rest, 2)?.try_into().ok()?));
    let name = ObjectName::new(std::str::from_utf8(split(rest, length)?).ok()?)?;
    let length = u32::from_be_bytes(split(rest, 4)?.try_into().ok()?);
    let bytes = split(rest, usize::try_from(length).ok()?)?.to_vec();
    Some(VaultEntry { name, bytes })
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_back_in_order_and_a_cut_is_seen() {
        let names = ["root/current", "rec/ab/1"].map(|name| ObjectName::new(name).unwrap());
        let mut part = Vec::new();
        for name in &names {
            push(name, name.as_str().as_bytes(), &mut part).unwrap();
        }
        let read: Vec<_> = objects(&part).map(Option::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].name, names[1]);
        assert_eq!(read[1].bytes, b"rec/ab/1");
        for cut in 1..part.len() {
            let read: Vec<_> = objects(&part[..cut]).collect();
            let whole = cut == 2 + 12 + 4 + 12;
            assert_eq!(read.iter().any(Option::is_none), !whole, "cut at {cut}");
        }
    }
}
