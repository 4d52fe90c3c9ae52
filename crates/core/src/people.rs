//! Whose address stands in the log under which pseudonym: a *book* for each person, and what a node keeps
//! of them in memory while it is unsealed. Knows no registry and no vault: `ops::people` reads and writes
//! them there (docs/privacy.md).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::lock::Mutex;
use keyward_crypto::digest::hmac_sha256;
use keyward_crypto::secret::SecretBytes;
use papaya::HashMap;
use zeroize::Zeroizing;

use crate::change::{Change, Row};
use crate::ids::PrincipalId;
use crate::noun::tenant::TenantState;
use crate::time::Timestamp;

/// What the names of people's books begin with.
pub(crate) const PERSON: &str = "keyward.person.";
/// What the names of the books of those who are nobody we know begin with; a day follows.
pub(crate) const STRANGERS: &str = "keyward.strangers.";
/// What a pseudonym begins with. No network address has such a letter before a colon.
pub(crate) const PSEUDONYM: &str = "p:";
/// What stands where an address could not be kept for those who may see it: nobody learns it.
pub(crate) const WITHHELD: &str = "withheld";
/// Addresses in a book. It bounds what strangers can have written: so many values a day.
pub(crate) const ADDRESSES_MAX: usize = 1000;

/// What begins a book in the vault.
const MARK: &[u8] = b"KWP1";
/// Length of a person's key, in bytes.
const KEY_BYTES: usize = 32;
/// Bytes of the HMAC in a pseudonym.
const PSEUDONYM_BYTES: usize = 16;
/// What is made a pseudonym, for which purpose.
const ADDRESS: &[u8] = b"keyward/pseudonym/1\0address\0";
/// Books in memory; past that it is emptied and fills again.
const CAPACITY: usize = 20_000;
/// Which label of a book tells below which version none is ever restored: something was erased from it.
pub(crate) const NOT_BEFORE: &str = "not_before";
/// How long a subject whose book could not be written is not tried again, in seconds.
const PAUSE_SECONDS: i64 = 10;

/// Whose book.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A principal's.
    Person(PrincipalId),
    /// That of everybody who brought no valid token on this day (UTC).
    Strangers(String),
}

impl Subject {
    /// The name of the secret that the book is.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Person(id) => format!("{PERSON}{id}"),
            Self::Strangers(day) => format!("{STRANGERS}{day}"),
        }
    }

    /// Whose book a secret of this name is, if it is one.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        if let Some(id) = name.strip_prefix(PERSON) {
            return id.parse().ok().map(Self::Person);
        }
        let day = name.strip_prefix(STRANGERS)?;
        Some(Self::Strangers(day.to_owned()))
    }
}

/// A network address in the one form in which it is kept and looked for.
pub(crate) fn canonical(address: &str) -> String {
    address.parse::<IpAddr>().map_or_else(
        |_| address.to_owned(),
        |address| address.to_canonical().to_string(),
    )
}

/// Whether an address says nothing about anybody: the machine's own.
pub(crate) fn is_nobodys(address: &str) -> bool {
    matches!(address, "127.0.0.1" | "::1")
}

/// A person's key, and the addresses that were made pseudonyms under it.
pub(crate) struct Book {
    key: SecretBytes,
    pseudonyms: BTreeMap<String, Arc<str>>,
    addresses: BTreeMap<Arc<str>, String>,
}

impl Book {
    /// One without addresses.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self {
            key: SecretBytes::copy_from(key),
            pseudonyms: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    /// One under another key that has what this one has, but for an address. What the others stand as stays;
    /// the key under which it was made does not, so that nobody can make the missing one again.
    pub(crate) fn without(&self, address: &str, key: &[u8]) -> Self {
        let mut book = Self::new(key);
        for (kept, pseudonym) in &self.pseudonyms {
            if kept != address {
                book.know(kept, pseudonym.clone());
            }
        }
        book
    }

    /// The same with an address more.
    pub(crate) fn with(&self, address: &str) -> Self {
        let mut book = Self::new(self.key.expose());
        book.pseudonyms.clone_from(&self.pseudonyms);
        book.addresses.clone_from(&self.addresses);
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

    fn know(&mut self, address: &str, pseudonym: Arc<str>) {
        self.pseudonyms
            .insert(address.to_owned(), pseudonym.clone());
        self.addresses.insert(pseudonym, address.to_owned());
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
        let all = self.pseudonyms.iter();
        all.map(|(address, pseudonym)| (address.as_str(), &**pseudonym))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.pseudonyms.len()
    }

    /// As it lies in the vault: four letters, the key, and a line for each address and its pseudonym.
    pub(crate) fn written(&self) -> SecretBytes {
        let lines = self.pseudonyms.iter();
        let lines = lines
            .map(|(it, known)| it.len() + known.len() + 2)
            .sum::<usize>();
        // Room enough from the start, so that growing leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MARK.len() + KEY_BYTES + lines));
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(self.key.expose());
        for (address, pseudonym) in &self.pseudonyms {
            bytes.extend_from_slice(address.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(pseudonym.as_bytes());
            bytes.push(b'\n');
        }
        SecretBytes::copy_from(&bytes)
    }

    /// What was written; none if it is no book.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MARK)?;
        let (key, lines) = rest.split_at_checked(KEY_BYTES)?;
        let mut book = Self::new(key);
        for line in std::str::from_utf8(lines).ok()?.lines() {
            let (address, pseudonym) = line.split_once(' ')?;
            book.know(address, pseudonym.into());
        }
        Some(book)
    }
}

/// The books in memory. What is in them is found without asking anybody.
#[derive(Default)]
pub(crate) struct People {
    books: HashMap<Subject, Arc<Book>>,
    paused: HashMap<Subject, i64>,
    /// Until when none is written.
    all_paused: AtomicI64,
    /// Counts the times something was forgotten: a book whose reading began before is not kept.
    forgotten: AtomicU64,
    /// One writer at a time.
    pub(crate) writing: Mutex<()>,
}

impl People {
    /// As what an address of this subject stands in the log, if that is in memory.
    pub(crate) fn pseudonym(&self, subject: &Subject, address: &str) -> Option<Arc<str>> {
        self.books.pin().get(subject)?.pseudonym(address).cloned()
    }

    /// A book in memory.
    pub(crate) fn book(&self, subject: &Subject) -> Option<Arc<Book>> {
        self.books.pin().get(subject).cloned()
    }

    /// To be asked before a book is read.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Keeps a book, unless something was forgotten since its reading began.
    pub(crate) fn keep(&self, subject: Subject, book: Arc<Book>, began_at: u64) {
        let books = self.books.pin();
        if books.len() >= CAPACITY {
            books.clear();
        }
        books.insert(subject.clone(), book);
        // Whoever forgets counts first and removes then: of the two at least one sees the other.
        if self.forgotten() != began_at {
            books.remove(&subject);
        }
    }

    /// Whether a subject's book, or any, could not be written just now.
    pub(crate) fn is_paused(&self, subject: &Subject, now: Timestamp) -> bool {
        if now.as_micros() < self.all_paused.load(Ordering::Acquire) {
            return true;
        }
        let paused = self.paused.pin();
        let until = paused.get(subject).copied();
        until.is_some_and(|until| now.as_micros() < until)
    }

    /// Has a subject's book not be written for a while.
    pub(crate) fn pause(&self, subject: Subject, now: Timestamp) {
        let paused = self.paused.pin();
        if paused.len() >= CAPACITY {
            paused.clear();
        }
        paused.insert(subject, now.plus_seconds(PAUSE_SECONDS).as_micros());
    }

    /// Has no book be written for a while: those who wait for their turn do not each wait for what does not
    /// answer.
    pub(crate) fn pause_all(&self, now: Timestamp) {
        let until = now.plus_seconds(PAUSE_SECONDS).as_micros();
        self.all_paused.store(until, Ordering::Release);
    }

    /// Follows a change that is durable.
    pub(crate) fn follow(&self, change: &Change) {
        for write in &change.writes {
            match &write.row {
                Row::Secret(secret) => {
                    if let Some(subject) = Subject::of_name(secret.name.as_str()) {
                        self.forgotten.fetch_add(1, Ordering::AcqRel);
                        self.books.pin().remove(&subject);
                    }
                }
                Row::Tenant(tenant) if tenant.state == TenantState::Shredded => self.forget_all(),
                _ => {}
            }
        }
    }

    /// Drops every book: the server is sealed.
    pub(crate) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.books.pin().clear();
        self.paused.pin().clear();
        self.all_paused.store(0, Ordering::Release);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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

    /// HMAC-SHA-256 by Python's `hmac`, over what docs/privacy.md says.
    #[test]
    fn the_pseudonym_is_the_one_that_is_documented() {
        let book = Book::new(&[7; KEY_BYTES]).with("192.0.2.7");
        assert_eq!(
            &**book.pseudonym("192.0.2.7").unwrap(),
            "p:wyXd9tRZ_E8Ii1KmrNcA6Q"
        );
    }

    #[test]
    fn an_address_has_one_form_and_a_subject_one_name() {
        assert_eq!(canonical("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(canonical("2001:DB8:0::7"), "2001:db8::7");
        assert!(is_nobodys("127.0.0.1"));
        assert!(!is_nobodys("127.0.0.2"));
        for subject in [
            Subject::Person(PrincipalId::from_uuid(uuid::Uuid::from_u128(7))),
            Subject::Strangers("2026-11-23".to_owned()),
        ] {
            assert_eq!(Subject::of_name(&subject.name()), Some(subject));
        }
        assert_eq!(Subject::of_name("keyward.text-key"), None);
    }

    #[test]
    fn a_book_that_was_forgotten_while_it_was_read_is_not_kept() {
        let people = People::default();
        let subject = Subject::Strangers("2026-11-23".to_owned());
        let book = Arc::new(Book::new(&[1; KEY_BYTES]).with("192.0.2.7"));
        let began_at = people.forgotten();
        people.forget_all();
        people.keep(subject.clone(), book.clone(), began_at);
        assert!(people.book(&subject).is_none());
        people.keep(subject.clone(), book, people.forgotten());
        assert!(people.pseudonym(&subject, "192.0.2.7").is_some());
        assert!(people.pseudonym(&subject, "192.0.2.8").is_none());
    }
}
