//! Addresses that come while the server is sealed: they wait beside the journal, and after unsealing the vault
//! takes them into the books of those whose they are (docs/privacy.md).

use std::collections::{BTreeSet, HashMap};
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
use crate::port::waiting_addresses::WaitingAddresses;
use crate::waiting::{WAITING_MAX, Waiting, new_name, reference};

/// How long a request waits for its address to be written at most, in seconds.
const PATIENCE_SECONDS: u32 = 1;
/// How long the place is left alone after it failed, in seconds.
const PAUSE_SECONDS: i64 = 10;
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
    desk.settle(false);
    port.keep(&name, &sealed).await.map_err(|_| disk)?;
    Ok(name)
}

/// Where addresses wait, if this node has such a place and may seal to a key of this kind.
fn port(node: &Node) -> Option<&dyn WaitingAddresses> {
    let is_available = Algorithm::X25519MlKem768.ensure_available().is_ok();
    node.ports.waiting.as_deref().filter(|_| is_available)
}

/// With each turn of the clock while the server is unsealed: has the key laid where a sealed server finds it, and
/// what waits taken to the vault. What fails is left alone for a while.
pub(crate) async fn moved_in_time(node: &Node) -> Result<(), OpError> {
    let desk = &node.memory.people.waiting;
    let Some(port) = port(node) else {
        return Ok(());
    };
    if node.ports.seal.is_sealed() || desk.is_moving_paused(node.now().as_micros()) {
        return Ok(());
    }
    let laid = if desk.is_laid() {
        Ok(())
    } else {
        Box::pin(async {
            let key = waiting_key::private(node).await?;
            waiting_key::lay(node, port, &key).await?;
            desk.set_laid();
            Ok(())
        })
        .await
    };
    let done = moved(node).await.and(laid);
    if done.is_err() {
        desk.pause_moving(node.now().plus_seconds(PAUSE_SECONDS).as_micros());
    }
    done
}

/// Takes everything that waits into the books of those whose it is, as far as it can be opened; then it is
/// removed where it waited. What was interrupted in between is done again and changes nothing. Nothing happens
/// while the server is sealed.
pub(crate) async fn moved(node: &Node) -> Result<(), OpError> {
    let desk = &node.memory.people.waiting;
    let Some(port) = port(node) else {
        return Ok(());
    };
    if node.ports.seal.is_sealed() || desk.is_settled() {
        return Ok(());
    }
    Box::pin(async {
        let mut unopened = desk.moving.lock().await;
        // Before anything is looked at: who writes from now on unsettles it again.
        desk.settle(true);
        let done = take(node, port, &mut unopened).await;
        // What does not open stays, and is looked for until somebody has removed it.
        if !matches!(done, Ok(true)) {
            desk.settle(false);
        }
        done.map(|_| ())
    })
    .await
}

/// Whether nothing is left.
async fn take(
    node: &Node,
    port: &dyn WaitingAddresses,
    unopened: &mut BTreeSet<String>,
) -> Result<bool, OpError> {
    let names = port.names(MOVED_AT_ONCE).await?;
    unopened.retain(|name| names.binary_search(name).is_ok());
    let is_all = names.len() < MOVED_AT_ONCE;
    let mut is_stuck = false;
    if names.len() > unopened.len() {
        // What cannot be had without the vault keeps nobody from an answer while nothing waits.
        let key = waiting_key::private(node).await?;
        for (whose, all) in opened(port, &key, names, unopened).await? {
            if place(node, &whose, &all).await? {
                let names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
                port.remove(&names).await?;
            } else {
                is_stuck = true;
            }
        }
    }
    tell(node, unopened.len()).await;
    Ok(is_all && !is_stuck && unopened.is_empty())
}

/// What waits for which book.
async fn opened(
    port: &dyn WaitingAddresses,
    key: &HybridSecret,
    names: Vec<String>,
    unopened: &mut BTreeSet<String>,
) -> Result<HashMap<Whose, OfBook>, OpError> {
    let mut books: HashMap<Whose, OfBook> = HashMap::new();
    for name in names {
        if unopened.contains(&name) {
            continue;
        }
        let Some(bytes) = port.read(&name).await? else {
            continue;
        };
        match Waiting::open(key, &name, &bytes) {
            Some(it) => books.entry(it.whose).or_default().push((name, it.address)),
            None => {
                unopened.insert(name);
            }
        }
    }
    Ok(books)
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
        let book = book.referring(named.iter().map(|(name, it)| (&**name, it.as_str())));
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
async fn tell(node: &Node, unopened: usize) {
    let kind = ConditionKind::AUDIT_ADDRESSES_DAMAGED;
    let about = About::system(&format!("{}/addresses", node.settings.name));
    if unopened == 0 {
        return condition::clear(node, kind, &about).await;
    }
    let detail = format!(
        "{unopened} of the addresses that came while the server was sealed cannot be opened: they are damaged, or \
         sealed to another key. Find out who changed the files in addresses/waiting beside the audit log, and \
         remove them: nobody can read them"
    );
    condition::raise(node, kind, &about, Severity::Warning, &detail).await;
}
