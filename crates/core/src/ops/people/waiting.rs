//! Addresses that come while the server is sealed: they wait beside the journal, and after unsealing the vault
//! takes them into the books of those whose they are (docs/privacy.md).

use std::collections::HashMap;
use std::sync::Arc;

use keyward_crypto::algorithm::Algorithm;
use keyward_crypto::hybrid::HybridSecret;

use super::{TRIES, ensure_not_erased, load, new_key, put, scope_of, waiting_key, within};
use crate::error::OpError;
use crate::node::Node;
use crate::noun::condition::{ConditionKind, Severity, Subject as About};
use crate::ops::condition;
use crate::ops::privacy::is_erased;
use crate::people::{Book, Subject, Whose};
use crate::port::storage::StorageError;
use crate::port::waiting_addresses::{WaitingAddresses, WaitingError};
use crate::waiting::{Moving, WAITING_MAX, Waiting, new_name, reference};

/// How long a request waits for its address to be written at most, in seconds.
const PATIENCE_SECONDS: u32 = 1;
/// How long the place is left alone after it failed, in seconds.
const PAUSE_SECONDS: i64 = 10;
/// How long one turn of the clock takes to the vault what waits, in seconds.
const MOVING_SECONDS: u32 = 10;
/// Into how many books a turn of the clock takes what waits, at most.
const BOOKS_AT_ONCE: usize = 20;
/// What is taken to the vault at once, at most. More than wait unless somebody put files there.
const MOVED_AT_ONCE: usize = 4 * WAITING_MAX;

/// Names and addresses of what waits for one book.
type OfBook = Vec<(String, String)>;

/// The reference that stands for an address in the entries of this sealed life, once it is durable that it can
/// be resolved. Where that is not possible, why.
pub(super) async fn kept(
    node: &Node,
    whose: Whose,
    address: String,
) -> Result<String, &'static str> {
    let port = port(node).ok_or("the server is sealed")?;
    let desk = &node.memory.people.waiting;
    let no_randomness = "the system gives no randomness";
    let it = Waiting { whose, address };
    let digest = desk.digest(&*node.ports.random, &it).ok_or(no_randomness)?;
    if let Some(known) = desk.known(&digest) {
        return Ok(reference(&known));
    }
    let _writer = desk.writer().ok_or("too many new addresses at once")?;
    let mut patience = node.ports.clock.after_seconds(PATIENCE_SECONDS);
    let written = within(&mut patience, async {
        let _turn = desk.turn.lock().await;
        if let Some(known) = desk.known(&digest) {
            return Ok(reference(&known));
        }
        let now = node.now();
        if desk.is_paused(now.as_micros()) {
            return Err("the place beside the audit log did not answer");
        }
        let written = write(node, port, &it).await;
        match &written {
            Ok(name) => desk.know(digest, name),
            Err(_) => desk.pause(now.plus_seconds(PAUSE_SECONDS).as_micros()),
        }
        written.map(|name| reference(&name))
    })
    .await;
    written.unwrap_or_else(|| {
        desk.pause(node.now().plus_seconds(PAUSE_SECONDS).as_micros());
        Err("the disk did not answer in time")
    })
}

/// Seals an address and writes it where it waits.
async fn write(
    node: &Node,
    port: &dyn WaitingAddresses,
    it: &Waiting,
) -> Result<String, &'static str> {
    let desk = &node.memory.people.waiting;
    let disk = "the place beside the audit log cannot be read or written";
    let waiting = match desk.waiting() {
        Some(count) => count,
        None => port.names(WAITING_MAX).await.map_err(|_| disk)?.len(),
    };
    desk.set_waiting(waiting);
    if waiting >= WAITING_MAX {
        return Err("too many addresses came while the server is sealed");
    }
    let key = waiting_key::public(node, port).await?;
    let random = &*node.ports.random;
    let name = new_name(random).ok_or("the system gives no randomness")?;
    let sealed = it.sealed(&key, &name, random);
    let sealed = sealed.ok_or("an address cannot be sealed")?;
    // Counted before: of a write that fails, or that nobody waits for any more, something may be there.
    desk.set_waiting(waiting + 1);
    desk.unsettle();
    port.keep(&name, &sealed).await.map_err(|_| disk)?;
    Ok(name)
}

/// Where addresses wait, if this node has such a place and may seal to a key of this kind.
fn port(node: &Node) -> Option<&dyn WaitingAddresses> {
    let is_available = Algorithm::X25519MlKem768.ensure_available().is_ok();
    node.ports.waiting.as_deref().filter(|_| is_available)
}

/// With each turn of the clock while the server is unsealed: has the key laid where a sealed server finds it, and
/// what waits taken to the vault, a few books at a time. What fails is left alone for a while, and what does not
/// answer keeps the clock from nothing else for long.
pub(crate) async fn moved_in_time(node: &Node) -> Result<(), OpError> {
    let desk = &node.memory.people.waiting;
    let Some(port) = port(node) else {
        return Ok(());
    };
    if node.ports.seal.is_sealed() || desk.is_moving_paused(node.now().as_micros()) {
        return Ok(());
    }
    let mut patience = node.ports.clock.after_seconds(MOVING_SECONDS);
    let work = Box::pin(async {
        // Somebody who asks is at it, and waits for his answer himself.
        let Some(mut moving) = desk.moving.try_lock() else {
            return (Ok(()), Ok(Left::default()));
        };
        let laid = if desk.is_laid() {
            Ok(())
        } else {
            laid(node, port).await
        };
        (laid, taken(node, port, &mut moving, BOOKS_AT_ONCE).await)
    });
    let (laid, done) = if let Some(done) = within(&mut patience, work).await {
        done
    } else {
        let late = Err(WaitingError("it did not answer in time".to_owned()).into());
        tell(node, &late).await;
        (Ok(()), late)
    };
    let is_well = matches!(&done, Ok(left) if !left.is_stuck());
    if laid.is_err() || !is_well {
        desk.pause_moving(node.now().plus_seconds(PAUSE_SECONDS).as_micros());
    }
    done.map(|_| ()).and(laid)
}

async fn laid(node: &Node, port: &dyn WaitingAddresses) -> Result<(), OpError> {
    let key = waiting_key::private(node).await?;
    waiting_key::lay(node, port, &key).await?;
    node.memory.people.waiting.set_laid();
    Ok(())
}

/// What still waits after everything was tried, as far as this node knows.
#[derive(Default)]
pub(crate) struct Left {
    /// For which books, because they cannot be read or written now.
    stuck: Vec<Whose>,
    /// The code of the first error that kept a book from being written.
    why: Option<&'static str>,
    /// Files that cannot be read.
    unread: usize,
    /// Files that do not open.
    unopened: usize,
    /// Whether some are in their books and could not be removed where they waited.
    is_unremoved: bool,
    /// Whether there is more than was looked at.
    is_more: bool,
}

impl Left {
    /// Whether nothing waits.
    fn is_nothing(&self) -> bool {
        !self.is_stuck() && !self.is_more && self.unopened == 0
    }

    /// Whether it makes no sense to try again at once.
    fn is_stuck(&self) -> bool {
        !self.stuck.is_empty() || self.unread > 0 || self.is_unremoved
    }

    /// Whether something may still come into a book of strangers, as far as this node can know.
    pub(crate) fn may_be_of_strangers(&self) -> bool {
        let is_strangers = |whose: &Whose| matches!(whose.subject, Subject::Strangers(_));
        self.unread > 0 || self.is_more || self.stuck.iter().any(is_strangers)
    }

    /// Refuses to say what is in books if something waits for one of them that could not be written.
    pub(crate) fn ensure_none_for(&self, is_asked: impl Fn(&Whose) -> bool) -> Result<(), OpError> {
        if self.stuck.iter().any(is_asked) {
            let why = "a book cannot be written now into which something that waits belongs";
            return Err(WaitingError(why.to_owned()).into());
        }
        Ok(())
    }
}

/// Takes everything that waits into the books of those whose it is, as far as it can be opened; then it is
/// removed where it waited. What was interrupted in between is done again and changes nothing. Nothing happens
/// while the server is sealed. What is left it says: one book's trouble is not everybody's.
pub(crate) async fn moved(node: &Node) -> Result<Left, OpError> {
    let Some(port) = port(node) else {
        return Ok(Left::default());
    };
    Box::pin(async {
        // Whoever is at it already may not be through: what he has not taken yet is in no book.
        let mut moving = node.memory.people.waiting.moving.lock().await;
        taken(node, port, &mut moving, usize::MAX).await
    })
    .await
}

async fn taken(
    node: &Node,
    port: &dyn WaitingAddresses,
    moving: &mut Moving,
    books_at_once: usize,
) -> Result<Left, OpError> {
    let desk = &node.memory.people.waiting;
    if node.ports.seal.is_sealed() || desk.is_settled() {
        return Ok(Left::default());
    }
    let (unsettled, is_writing) = {
        // With the writers' turn nobody has said that something comes, and not begun to write it. Of one that
        // nobody waits for any more the place itself knows.
        let _turn = desk.turn.lock().await;
        (desk.unsettled(), port.is_writing())
    };
    let mut done = take(node, port, moving, books_at_once).await;
    if let Ok(left) = &mut done {
        left.is_more |= is_writing;
        if left.is_nothing() {
            desk.settle(unsettled);
        }
    }
    tell(node, &done).await;
    done
}

async fn take(
    node: &Node,
    port: &dyn WaitingAddresses,
    moving: &mut Moving,
    books_at_once: usize,
) -> Result<Left, OpError> {
    let mut names = port.names(MOVED_AT_ONCE).await?;
    let unopened = &mut moving.unopened;
    unopened.retain(|name| names.binary_search(name).is_ok());
    let mut left = Left {
        is_more: names.len() >= MOVED_AT_ONCE,
        ..Left::default()
    };
    if names.len() > unopened.len() {
        // What cannot be had without the vault keeps nobody from an answer while nothing waits.
        let key = waiting_key::private(node).await?;
        if let Some(after) = &moving.after {
            let before = names.partition_point(|name| name <= after);
            names.rotate_left(before);
        }
        let books = opened(port, &key, names, moving, books_at_once, &mut left).await;
        for (whose, all) in books {
            match place(node, &whose, &all).await {
                Ok(true) => {
                    let names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
                    left.is_unremoved |= port.remove(&names).await.is_err();
                }
                Ok(false) => left.stuck.push(whose),
                Err(error) => {
                    left.why.get_or_insert(error.code().as_str());
                    left.stuck.push(whose);
                }
            }
        }
    }
    left.unopened = moving.unopened.len();
    Ok(left)
}

/// What waits for which book, for so many books at most.
async fn opened(
    port: &dyn WaitingAddresses,
    key: &HybridSecret,
    names: Vec<String>,
    moving: &mut Moving,
    books_at_once: usize,
    left: &mut Left,
) -> HashMap<Whose, OfBook> {
    let mut books: HashMap<Whose, OfBook> = HashMap::new();
    for name in names {
        if moving.unopened.contains(&name) {
            continue;
        }
        let bytes = match port.read(&name).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            // The others are no worse for it. It is tried again: a disk may give it later.
            Err(_) => {
                left.unread += 1;
                continue;
            }
        };
        let Some(it) = Waiting::open(key, &name, &bytes) else {
            moving.unopened.insert(name);
            continue;
        };
        if books.len() >= books_at_once && !books.contains_key(&it.whose) {
            left.is_more = true;
            return books;
        }
        moving.after = Some(name.clone());
        books.entry(it.whose).or_default().push((name, it.address));
    }
    moving.after = None;
    books
}

/// Writes what waits for a book into it. Whether it need not wait any longer: it is in the book, or whose it is
/// has none any more. A book that cannot be read keeps what is to come into it waiting, and nothing else.
async fn place(node: &Node, whose: &Whose, all: &OfBook) -> Result<bool, OpError> {
    let line = node.memory.people.line(whose);
    let _turn = match &line {
        Some(line) => Some(line.turn().await),
        None => None,
    };
    for _ in 0..TRIES {
        if !is_there(node, whose).await? {
            return Ok(true);
        }
        let stored = match load(node, whose).await {
            Err(OpError::NotFound { .. } | OpError::Record(StorageError::NoTenantKek)) => {
                return Ok(true);
            }
            Err(OpError::Record(_)) => return Ok(false),
            stored => stored?,
        };
        if stored.is_closed {
            return Ok(true);
        }
        let before = stored.book.as_ref().map_or(0, |book| book.all().count());
        let book = match stored.book {
            Some(book) => book,
            None => Arc::new(Book::new(&new_key(node)?[..])),
        };
        let named: Vec<_> = all.iter().map(|(name, it)| (reference(name), it)).collect();
        let new = named.iter().map(|(name, it)| (&**name, it.as_str()));
        let (book, left_out) = book.referring(new);
        if left_out > 0 {
            let why = "a book has no room for all that came while the server was sealed";
            node.memory.people.withheld(why, node.now());
        }
        if book.all().count() == before {
            return Ok(true);
        }
        match put(node, whose, &book, stored.version, None).await {
            Ok(()) => {
                if stored.version == 0 {
                    match ensure_not_erased(node, whose).await {
                        Err(OpError::NotFound { .. }) | Ok(()) => {}
                        Err(error) => return Err(error),
                    }
                }
                return Ok(true);
            }
            Err(
                OpError::Conflict | OpError::AlreadyExists { .. } | OpError::VersionMoved { .. },
            ) => {}
            // As for those who come while their tenant is suspended: nobody learns it.
            Err(OpError::TenantNotActive { .. }) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Err(OpError::Conflict)
}

/// Whether a book can have anything: a person's only while the person is somebody.
async fn is_there(node: &Node, whose: &Whose) -> Result<bool, OpError> {
    let Subject::Person(id) = whose.subject else {
        return Ok(true);
    };
    if whose.home.is_some() && node.find_tenant(&scope_of(whose.home)).is_none() {
        return Ok(false);
    }
    let row = node.ports.registry.principal(id).await?;
    Ok(row.is_some_and(|row| row.tenant == whose.home && !is_erased(&row)))
}

/// Raises what is wrong with what waits, or clears it.
async fn tell(node: &Node, done: &Result<Left, OpError>) {
    let kind = ConditionKind::AUDIT_ADDRESSES_DAMAGED;
    let about = About::system(&format!("{}/addresses", node.settings.name));
    // Who seals the server has this stopped in between: nothing is wrong with it.
    if node.ports.seal.is_sealed() {
        return;
    }
    let wrong = match done {
        Err(error) => vec![format!(
            "what came while the server was sealed cannot be looked at or taken to the vault now ({}): it is tried \
             again",
            error.code().as_str()
        )],
        Ok(left) => wrong(left),
    };
    if matches!(done, Ok(left) if left.is_more) && wrong.is_empty() {
        // What is wrong may be among what was not looked at.
        return;
    }
    if wrong.is_empty() {
        return condition::clear(node, kind, &about).await;
    }
    condition::raise(node, kind, &about, Severity::Warning, &wrong.join("; ")).await;
}

fn wrong(left: &Left) -> Vec<String> {
    let mut wrong = Vec::new();
    if left.unopened > 0 {
        wrong.push(format!(
            "{} of the addresses that came while the server was sealed cannot be opened: they are damaged, or sealed \
             to another key. Find out who changed the files in addresses/waiting beside the audit log, and remove \
             them: nobody can read them",
            left.unopened
        ));
    }
    if left.unread > 0 {
        wrong.push(format!(
            "{} of the files in addresses/waiting beside the audit log cannot be read. Look at the disk, at their \
             owner and mode, and whether they are files; they are tried again",
            left.unread
        ));
    }
    if !left.stuck.is_empty() {
        wrong.push(format!(
            "what came while the server was sealed cannot be taken into {} books now ({}): it waits, and is tried \
             again. Look whether registry and vault answer, and whether records are damaged",
            left.stuck.len(),
            left.why.unwrap_or("the record of a book cannot be read")
        ));
    }
    if left.is_unremoved {
        wrong.push(
            "what was taken to the vault cannot be removed in addresses/waiting beside the audit log: it is tried \
             again"
                .to_owned(),
        );
    }
    wrong
}
