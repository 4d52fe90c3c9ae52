//! Whose address stands in the log under which pseudonym: a *book* for each person, and what a node keeps
//! of them in memory while it is unsealed. Knows no registry and no vault: `ops::people` reads and writes
//! them there (docs/privacy.md).

mod book;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex as Lock, PoisonError};

use futures_util::lock::{Mutex, MutexGuard};
use papaya::HashMap;

pub(crate) use self::book::Book;
use crate::change::{Change, Row};
use crate::ids::{PrincipalId, TenantId};
use crate::noun::tenant::TenantState;
use crate::time::Timestamp;
use crate::waiting::{REFERENCE, WaitingDesk};

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

/// Books in memory; past that one goes for each that comes.
const CAPACITY: usize = 20_000;
/// Which label of a book tells below which version none is ever restored: something was erased from it.
pub(crate) const NOT_BEFORE: &str = "not_before";
/// How long a subject whose book could not be written is not tried again, in seconds.
const PAUSE_SECONDS: i64 = 10;
/// How many wait at most for their turn to write one book; who comes then does not wait.
const WAITING_MAX: usize = 16;

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

/// A book: whose, and where he is at home. A name that is used in two places names two books.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whose {
    /// In which tenant it is; none: in the system.
    pub(crate) home: Option<TenantId>,
    /// Whose it is.
    pub(crate) subject: Subject,
}

impl Whose {
    /// A principal's.
    pub(crate) const fn person(id: PrincipalId, home: Option<TenantId>) -> Self {
        Self {
            home,
            subject: Subject::Person(id),
        }
    }

    /// Strangers'; they are at home in no tenant.
    pub(crate) const fn strangers(day: String) -> Self {
        Self {
            home: None,
            subject: Subject::Strangers(day),
        }
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

/// Whether a text stands in the log for an address that a book may have.
pub(crate) fn stands_for_an_address(text: &str) -> bool {
    text.starts_with(PSEUDONYM) || text.starts_with(REFERENCE)
}

/// The books in memory. What is in them is found without asking anybody.
#[derive(Default)]
pub(crate) struct People {
    books: HashMap<Whose, Arc<Book>>,
    paused: HashMap<Whose, i64>,
    /// Until when no person's book is written in a place.
    homes_paused: HashMap<Option<TenantId>, i64>,
    /// Who writes a book, and who waits to: a line for each book, so that nobody waits for somebody else.
    lines: HashMap<Whose, Arc<Mutex<()>>>,
    /// Counts the times something was forgotten: a book whose reading began before is not kept.
    forgotten: AtomicU64,
    /// Until when nothing more is said of addresses that are withheld.
    said_until: AtomicI64,
    /// Why an address was withheld, to be said.
    unsaid: Lock<Option<&'static str>>,
    /// Addresses that came while the server was sealed.
    pub(crate) waiting: WaitingDesk,
}

/// A place in the line of those who want to write a book.
pub(crate) struct Line<'a> {
    people: &'a People,
    whose: &'a Whose,
    lock: Arc<Mutex<()>>,
}

impl Line<'_> {
    /// Waits for the turn, which ends when what is answered is dropped.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().await
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        // The last one takes the line away. Should somebody join it just now he may write at the same time as
        // who begins the next: the registry's transaction lets one of them go on, and the other tries again.
        if Arc::strong_count(&self.lock) <= 2 {
            self.people.lines.pin().remove(self.whose);
        }
    }
}

impl People {
    /// As what an address of this subject stands in the log, if that is in memory.
    pub(crate) fn pseudonym(&self, whose: &Whose, address: &str) -> Option<Arc<str>> {
        self.books.pin().get(whose)?.pseudonym(address).cloned()
    }

    /// A book in memory.
    pub(crate) fn book(&self, whose: &Whose) -> Option<Arc<Book>> {
        self.books.pin().get(whose).cloned()
    }

    /// To be asked before a book is read.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Keeps a book, unless something was forgotten since its reading began.
    pub(crate) fn keep(&self, whose: Whose, book: Arc<Book>, began_at: u64) {
        make_room(&self.books);
        let books = self.books.pin();
        books.insert(whose.clone(), book);
        // Whoever forgets counts first and removes then: of the two at least one sees the other.
        if self.forgotten() != began_at {
            books.remove(&whose);
        }
    }

    /// A place in the line of those who want to write a book; none if it is too long to wait.
    pub(crate) fn line<'a>(&'a self, whose: &'a Whose) -> Option<Line<'a>> {
        let lines = self.lines.pin();
        let lock = lines.get_or_insert_with(whose.clone(), Arc::default);
        let line = Line {
            people: self,
            whose,
            lock: lock.clone(),
        };
        // Besides those who wait one writes, and the map has one.
        (Arc::strong_count(&line.lock) <= WAITING_MAX + 2).then_some(line)
    }

    /// Whether a book, or any where it is, could not be written just now.
    pub(crate) fn is_paused(&self, whose: &Whose, now: Timestamp) -> bool {
        let is_later = |until: i64| now.as_micros() < until;
        let at_home = matches!(whose.subject, Subject::Person(_))
            .then(|| self.homes_paused.pin().get(&whose.home).copied());
        at_home.flatten().is_some_and(is_later)
            || self.paused.pin().get(whose).copied().is_some_and(is_later)
    }

    /// Has a book not be written for a while.
    pub(crate) fn pause(&self, whose: &Whose, now: Timestamp) {
        make_room(&self.paused);
        let until = now.plus_seconds(PAUSE_SECONDS).as_micros();
        self.paused.pin().insert(whose.clone(), until);
    }

    /// Has no person's book of a place be written for a while: they do not each wait for what does not answer.
    /// In other places it is tried: what one tenant's keys stand on is not what another's stand on.
    pub(crate) fn pause_home(&self, home: Option<TenantId>, now: Timestamp) {
        let until = now.plus_seconds(PAUSE_SECONDS).as_micros();
        self.homes_paused.pin().insert(home, until);
    }

    /// Has it be said why an address was withheld, once in a while.
    pub(crate) fn withheld(&self, why: &'static str, now: Timestamp) {
        let (now, until) = (now.as_micros(), now.plus_seconds(PAUSE_SECONDS).as_micros());
        let said_until = self.said_until.load(Ordering::Acquire);
        let order = Ordering::AcqRel;
        let is_mine = now >= said_until
            && self
                .said_until
                .compare_exchange(said_until, until, order, Ordering::Relaxed)
                .is_ok();
        if is_mine {
            *self.unsaid.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
    }

    /// Why an address was withheld, if that was not said yet.
    pub(crate) fn take_unsaid(&self) -> Option<&'static str> {
        // Whoever finds it taken leaves it to the next request.
        self.unsaid.try_lock().ok()?.take()
    }

    /// Follows a change that is durable.
    pub(crate) fn follow(&self, change: &Change) {
        for write in &change.writes {
            match &write.row {
                Row::Secret(secret) => {
                    if let Some(subject) = Subject::of_name(secret.name.as_str()) {
                        let home = secret.tenant;
                        self.forgotten.fetch_add(1, Ordering::AcqRel);
                        self.books.pin().remove(&Whose { home, subject });
                    }
                }
                Row::Tenant(tenant) if tenant.state == TenantState::Shredded => {
                    self.forget_home(tenant.id);
                }
                _ => {}
            }
        }
    }

    /// Drops the books of a tenant that is no more.
    fn forget_home(&self, tenant: TenantId) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        let is_elsewhere = |whose: &Whose| whose.home != Some(tenant);
        self.books.pin().retain(|whose, _| is_elsewhere(whose));
        self.paused.pin().retain(|whose, _| is_elsewhere(whose));
        self.homes_paused.pin().remove(&Some(tenant));
    }

    /// Drops every book: the server is sealed.
    pub(crate) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.books.pin().clear();
        self.paused.pin().clear();
        self.homes_paused.pin().clear();
        self.waiting.forget_life();
    }
}

/// Takes one out of what is full. Who fills it does not have all others read theirs again.
fn make_room<V>(map: &HashMap<Whose, V>) {
    let map = map.pin();
    if map.len() >= CAPACITY {
        let one = map.iter().next().map(|(whose, _)| whose.clone());
        if let Some(one) = one {
            map.remove(&one);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Bytes of a book's key.
    const KEY_BYTES: usize = 32;

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

    fn today() -> Whose {
        Whose::strangers("2026-11-23".to_owned())
    }

    fn person(number: u128, home: Option<u128>) -> Whose {
        let id = PrincipalId::from_uuid(uuid::Uuid::from_u128(number));
        let home = home.map(|home| TenantId::from_uuid(uuid::Uuid::from_u128(home)));
        Whose::person(id, home)
    }

    #[test]
    fn a_book_that_was_forgotten_while_it_was_read_is_not_kept() {
        let people = People::default();
        let book = Arc::new(Book::new(&[1; KEY_BYTES]).with("192.0.2.7"));
        let began_at = people.forgotten();
        people.forget_all();
        people.keep(today(), book.clone(), began_at);
        assert!(people.book(&today()).is_none());
        people.keep(today(), book, people.forgotten());
        assert!(people.pseudonym(&today(), "192.0.2.7").is_some());
        assert!(people.pseudonym(&today(), "192.0.2.8").is_none());
    }

    #[test]
    fn books_of_one_name_in_two_places_are_two_and_a_tenant_that_goes_takes_its_own_alone() {
        let people = People::default();
        let book = Arc::new(Book::new(&[1; KEY_BYTES]).with("192.0.2.7"));
        let elsewhere = Whose {
            home: person(1, Some(5)).home,
            ..today()
        };
        for whose in [today(), person(1, Some(5)), person(2, Some(6))] {
            people.keep(whose, book.clone(), people.forgotten());
        }
        assert!(people.book(&elsewhere).is_none());
        assert!(people.book(&person(1, None)).is_none());
        people.forget_home(person(1, Some(5)).home.unwrap());
        assert!(people.book(&person(1, Some(5))).is_none());
        assert!(people.book(&person(2, Some(6))).is_some() && people.book(&today()).is_some());
    }

    #[test]
    fn one_goes_for_each_that_comes_when_it_is_full() {
        let people = People::default();
        let book = Arc::new(Book::new(&[1; KEY_BYTES]));
        for number in 0..CAPACITY as u128 + 100 {
            people.keep(person(number, None), book.clone(), people.forgotten());
        }
        assert_eq!(people.books.len(), CAPACITY);
    }

    #[test]
    fn a_line_is_so_long_and_no_other_book_waits_in_it() {
        let people = People::default();
        let (one, other) = (person(1, None), person(2, None));
        let line: Vec<_> = (0..WAITING_MAX + 5)
            .map_while(|_| people.line(&one))
            .collect();
        assert_eq!(line.len(), WAITING_MAX + 1);
        assert!(people.line(&one).is_none());
        assert!(people.line(&other).is_some());
        drop(line);
        assert!(people.line(&one).is_some());
        assert_eq!(people.lines.len(), 0);
    }

    #[test]
    fn a_pause_is_one_books_or_one_places_and_is_said_once_in_a_while() {
        let people = People::default();
        let now = Timestamp::from_micros(1_795_000_000_000_000);
        people.pause(&person(1, Some(5)), now);
        assert!(people.is_paused(&person(1, Some(5)), now));
        assert!(!people.is_paused(&person(2, Some(5)), now));
        people.pause_home(None, now);
        assert!(people.is_paused(&person(3, None), now));
        assert!(!people.is_paused(&today(), now) && !people.is_paused(&person(2, Some(5)), now));
        assert!(!people.is_paused(&person(3, None), now.plus_seconds(PAUSE_SECONDS)));

        people.withheld("one", now);
        people.withheld("another", now.plus_seconds(1));
        assert_eq!(people.take_unsaid(), Some("one"));
        assert_eq!(people.take_unsaid(), None);
        people.withheld("later", now.plus_seconds(PAUSE_SECONDS));
        assert_eq!(people.take_unsaid(), Some("later"));
    }
}
