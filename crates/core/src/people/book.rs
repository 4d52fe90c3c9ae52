//! A book: a person's key, the addresses that were made pseudonyms under it, and what references stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_crypto::digest::hmac_sha256;
use keyward_crypto::secret::SecretBytes;
use zeroize::Zeroizing;

use super::{ADDRESSES_MAX, PSEUDONYM};
use crate::waiting::REFERENCE;

/// Bytes of a book: what a secret holds.
const BOOK_BYTES_MAX: usize = 64 * 1024;
/// What begins a book in the vault.
const MARK: &[u8] = b"KWP1";
/// What begins one that has references. Versions that know none refuse it whole: they would take references for
/// pseudonyms, and lose them with the next address.
const MARK_WITH_REFERENCES: &[u8] = b"KWP2";
/// Bytes of pseudonyms in a book: 1,000 IPv4 addresses, 630 of the longest IPv6.
const PSEUDONYMS_BYTES: usize = 41_000;
/// Bytes of references in a book. Neither kind takes the room of the other, and both are in one secret.
const REFERENCES_BYTES: usize = BOOK_BYTES_MAX - PSEUDONYMS_BYTES - MARK.len() - KEY_BYTES;
/// What stands for the address of a reference whose address was erased.
const STRUCK: &str = "-";
/// Length of a person's key, in bytes.
const KEY_BYTES: usize = 32;
/// Bytes of the HMAC in a pseudonym.
const PSEUDONYM_BYTES: usize = 16;
/// Letters of a pseudonym, with what it begins with.
const PSEUDONYM_LETTERS: usize = 24;
/// What is made a pseudonym, for which purpose.
const ADDRESS: &[u8] = b"keyward/pseudonym/1\0address\0";

/// How long the line of an address and what stands for it is.
const fn line_bytes(address: &str, stands: &str) -> usize {
    address.len() + stands.len() + 2
}

/// A person's key, and the addresses that were made pseudonyms under it; and what references stand for that
/// were given while the server was sealed.
pub(crate) struct Book {
    key: SecretBytes,
    pseudonyms: BTreeMap<String, Arc<str>>,
    /// By what stands in the log, pseudonyms and references.
    addresses: BTreeMap<Arc<str>, String>,
    /// References whose addresses were erased: what still waits somewhere does not bring one back.
    struck: BTreeSet<Arc<str>>,
}

impl Book {
    /// One without addresses.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self {
            key: SecretBytes::copy_from(key),
            pseudonyms: BTreeMap::new(),
            addresses: BTreeMap::new(),
            struck: BTreeSet::new(),
        }
    }

    /// One under another key that has what this one has, but for an address. What the others stand as stays;
    /// the key under which it was made does not, so that nobody can make the missing one again.
    pub(crate) fn without(&self, address: &str, key: &[u8]) -> Self {
        let mut book = Self::new(key);
        book.struck.clone_from(&self.struck);
        for (stands, kept) in &self.addresses {
            if kept != address {
                book.know(kept, stands.clone());
            } else if stands.starts_with(REFERENCE) {
                book.struck.insert(stands.clone());
            }
        }
        book
    }

    /// The same with what references stand for, and how many of them there is no room for. Of those it has
    /// already, and of those whose address was erased, nothing changes.
    pub(crate) fn referring<'a>(
        &self,
        new: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> (Self, usize) {
        let mut book = self.duplicate();
        let (pseudonyms, mut references) = book.bytes();
        let mut left_out = 0;
        for (reference, address) in new {
            if book.addresses.contains_key(reference) || book.struck.contains(reference) {
                continue;
            }
            let line = line_bytes(address, reference);
            let total = MARK.len() + KEY_BYTES + pseudonyms + references + line;
            // An earlier version may have left more pseudonyms than their share.
            if references + line > REFERENCES_BYTES || total > BOOK_BYTES_MAX {
                left_out += 1;
                continue;
            }
            book.know(address, reference.into());
            references += line;
        }
        (book, left_out)
    }

    /// How long the lines of its pseudonyms are, and those of its references.
    fn bytes(&self) -> (usize, usize) {
        self.lines()
            .fold((0, 0), |(one, other), (address, stands)| {
                let line = line_bytes(address, stands);
                if stands.starts_with(REFERENCE) {
                    (one, other + line)
                } else {
                    (one + line, other)
                }
            })
    }

    /// Whether there is room for the pseudonym of one address more.
    pub(crate) fn has_room(&self, address: &str) -> bool {
        let (pseudonyms, references) = self.bytes();
        let line = address.len() + PSEUDONYM_LETTERS + 2;
        let total = MARK.len() + KEY_BYTES + pseudonyms + references + line;
        self.len() < ADDRESSES_MAX
            && pseudonyms + line <= PSEUDONYMS_BYTES
            && total <= BOOK_BYTES_MAX
    }

    /// What is written, a line each.
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let struck = self.struck.iter().map(|stands| (STRUCK, &**stands));
        self.all().chain(struck)
    }

    fn duplicate(&self) -> Self {
        let mut book = Self::new(self.key.expose());
        book.pseudonyms.clone_from(&self.pseudonyms);
        book.addresses.clone_from(&self.addresses);
        book.struck.clone_from(&self.struck);
        book
    }

    /// The same with an address more.
    pub(crate) fn with(&self, address: &str) -> Self {
        let mut book = self.duplicate();
        book.enter(address);
        book
    }

    fn enter(&mut self, address: &str) {
        let input = Zeroizing::new([ADDRESS, address.as_bytes()].concat());
        let digest = hmac_sha256(self.key.expose(), &input);
        let kept = digest.get(..PSEUDONYM_BYTES).unwrap_or_default();
        let text = format!("{PSEUDONYM}{}", URL_SAFE_NO_PAD.encode(kept));
        self.know(address, text.into());
    }

    fn know(&mut self, address: &str, stands: Arc<str>) {
        if !stands.starts_with(REFERENCE) {
            self.pseudonyms.insert(address.to_owned(), stands.clone());
        }
        self.addresses.insert(stands, address.to_owned());
    }

    /// As what an address stands in the log, if it is in the book.
    pub(crate) fn pseudonym(&self, address: &str) -> Option<&Arc<str>> {
        self.pseudonyms.get(address)
    }

    /// What stands in the log as this.
    pub(crate) fn address(&self, pseudonym: &str) -> Option<&str> {
        self.addresses.get(pseudonym).map(String::as_str)
    }

    /// All addresses and as what each stands.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.addresses.iter();
        all.map(|(stands, address)| (address.as_str(), &**stands))
    }

    /// Everything that stands for an address: its pseudonym, and a reference for each time that the server was
    /// sealed when it came.
    pub(crate) fn standing_for(&self, address: &str) -> impl Iterator<Item = &str> {
        let all = self.all().filter(move |(known, _)| *known == address);
        all.map(|(_, stands)| stands)
    }

    /// Whether anything stands for an address.
    pub(crate) fn has(&self, address: &str) -> bool {
        self.standing_for(address).next().is_some()
    }

    /// How many addresses.
    pub(crate) fn count(&self) -> usize {
        let all: BTreeSet<&str> = self.all().map(|(address, _)| address).collect();
        all.len()
    }

    /// How many pseudonyms.
    pub(crate) fn len(&self) -> usize {
        self.pseudonyms.len()
    }

    /// As it lies in the vault: four letters, the key, and a line for each address and its pseudonym, or a
    /// reference that stands for it or stood.
    pub(crate) fn written(&self) -> SecretBytes {
        let (pseudonyms, references) = self.bytes();
        let lines = pseudonyms + references;
        let mark = if references > 0 {
            MARK_WITH_REFERENCES
        } else {
            MARK
        };
        // Room enough from the start, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MARK.len() + KEY_BYTES + lines));
        bytes.extend_from_slice(mark);
        bytes.extend_from_slice(self.key.expose());
        for (address, stands) in self.lines() {
            bytes.extend_from_slice(address.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(stands.as_bytes());
            bytes.push(b'\n');
        }
        SecretBytes::copy_from(&bytes)
    }

    /// What was written; none if it is no book.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MARK_WITH_REFERENCES);
        let rest = rest.or_else(|| bytes.strip_prefix(MARK))?;
        let (key, lines) = rest.split_at_checked(KEY_BYTES)?;
        let mut book = Self::new(key);
        for line in std::str::from_utf8(lines).ok()?.lines() {
            let (address, stands) = line.split_once(' ')?;
            if address == STRUCK {
                book.struck.insert(stands.into());
            } else {
                book.know(address, stands.into());
            }
        }
        Some(book)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_book_may_be_as_long_as_a_secret() {
        assert_eq!(BOOK_BYTES_MAX, crate::ops::secret::VALUE_BYTES_MAX);
    }

    #[test]
    fn a_book_that_was_written_is_read_and_gives_the_same_pseudonyms() {
        let book = Book::new(&[7; KEY_BYTES])
            .with("192.0.2.7")
            .with("2001:db8::7");
        let read = Book::read(book.written().expose()).unwrap();
        assert_eq!(read.len(), 2);
        let pseudonym = book.pseudonym("192.0.2.7").unwrap();
        assert_eq!(read.pseudonym("192.0.2.7"), Some(pseudonym));
        assert_eq!(read.address(pseudonym), Some("192.0.2.7"));
        assert_eq!(pseudonym.len(), 24);
        assert!(pseudonym.parse::<IpAddr>().is_err());
        let another = Book::new(&[8; KEY_BYTES]).with("192.0.2.7");
        assert_ne!(another.pseudonym("192.0.2.7"), Some(pseudonym));
        // Without one of them, the other stays; and nobody can make the missing one again.
        let less = book.without("192.0.2.7", &[9; KEY_BYTES]);
        let less = Book::read(less.written().expose()).unwrap();
        assert_eq!(less.address(pseudonym), None);
        assert_eq!(less.pseudonym("2001:db8::7"), book.pseudonym("2001:db8::7"));
        assert_ne!(
            less.with("192.0.2.7").pseudonym("192.0.2.7"),
            Some(pseudonym)
        );
        assert!(Book::read(b"KWP1short").is_none());
        assert!(Book::read(b"").is_none());
    }

    #[test]
    fn what_references_stand_for_is_in_the_book_until_the_address_goes() {
        let book = Book::new(&[7; KEY_BYTES]).with("192.0.2.7");
        let pseudonym = book.pseudonym("192.0.2.7").unwrap().clone();
        let new = [
            ("s:one", "192.0.2.7"),
            ("s:two", "192.0.2.8"),
            ("s:three", "192.0.2.7"),
        ];
        let (book, left_out) = book.referring(new.into_iter());
        assert_eq!(left_out, 0);
        let read = Book::read(book.written().expose()).unwrap();
        assert_eq!((read.len(), read.count()), (1, 2));
        assert_eq!(read.pseudonym("192.0.2.7"), Some(&pseudonym));
        // A reference is nobody's pseudonym: what comes after unsealing gets one.
        assert_eq!(read.pseudonym("192.0.2.8"), None);
        assert_eq!(read.address("s:two"), Some("192.0.2.8"));
        let standing: Vec<_> = read.standing_for("192.0.2.7").collect();
        assert_eq!(standing, [&*pseudonym, "s:one", "s:three"]);
        // Again it is what it was; nobody makes another address of it.
        let (again, _) = read.referring([("s:two", "192.0.2.99")].into_iter());
        assert_eq!(again.address("s:two"), Some("192.0.2.8"));
        let less = read.without("192.0.2.7", &[9; KEY_BYTES]);
        assert!(!less.has("192.0.2.7") && less.has("192.0.2.8"));
        // Nor does what still waits somewhere bring back what was erased.
        let less = Book::read(less.written().expose()).unwrap();
        let (less, left_out) = less.referring([("s:one", "192.0.2.7")].into_iter());
        assert!(!less.has("192.0.2.7") && left_out == 0);
        assert_eq!(less.all().collect::<Vec<_>>(), [("192.0.2.8", "s:two")]);
    }

    #[test]
    fn a_book_that_is_full_of_the_longest_addresses_is_a_secret_whichever_came_first() {
        let address = |it: usize| format!("2001:cdb8:1111:2222:3333:4444:5555:{it:04x}");
        let named: Vec<_> = (0x1000..0x1000 + 1000)
            .map(|it| (format!("s:{it:022}"), address(it)))
            .collect();
        let refer = |book: &Book| {
            let (full, left_out) = book.referring(named.iter().map(|(it, of)| (&**it, &**of)));
            assert_eq!(full.all().count() - book.all().count() + left_out, 1000);
            assert!(left_out < 700, "{left_out}");
            full
        };
        let enter = |mut book: Book| {
            let mut entered = 0;
            for (_, address) in &named {
                if book.has_room(address) {
                    book.enter(address);
                    entered += 1;
                }
            }
            assert_eq!(entered, 630);
            book
        };
        let empty = || Book::new(&[7; KEY_BYTES]);
        for book in [refer(&enter(empty())), enter(refer(&empty()))] {
            let written = book.written();
            assert!(written.expose().len() <= BOOK_BYTES_MAX);
            let read = Book::read(written.expose()).unwrap();
            assert!(read.all().eq(book.all()));
            // What was erased takes no more room than what was there.
            let less = book.without(&address(0x1000), &[8; KEY_BYTES]).written();
            assert!(less.expose().len() < written.expose().len());
        }
        // What an earlier version filled keeps what it has, and is still a secret.
        let mut old = empty();
        for (_, address) in &named {
            old.enter(address);
        }
        let (old, _) = old.referring(named.iter().map(|(it, of)| (&**it, &**of)));
        assert!(old.len() == 1000 && old.written().expose().len() <= BOOK_BYTES_MAX);
    }

    #[test]
    fn a_book_with_references_is_none_for_a_version_that_knows_no_references() {
        let book = Book::new(&[7; KEY_BYTES]).with("192.0.2.7");
        assert!(book.written().expose().starts_with(b"KWP1"));
        let (book, _) = book.referring([("s:one", "192.0.2.8")].into_iter());
        assert!(book.written().expose().starts_with(b"KWP2"));
        // What is only struck is one as well.
        let book = book.without("192.0.2.8", &[8; KEY_BYTES]);
        assert!(book.written().expose().starts_with(b"KWP2"));
    }

    /// HMAC-SHA-256 by Python's `hmac`, over what docs/privacy.md says.
    #[test]
    fn the_pseudonym_is_the_one_that_is_documented() {
        let book = Book::new(&[7; KEY_BYTES]).with("192.0.2.7");
        assert_eq!(
            &**book.pseudonym("192.0.2.7").unwrap(),
            "p:wyXd9tRZ_E8Ii1KmrNcA6Q"
        );
    }
}
