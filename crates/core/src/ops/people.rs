//! People's books in registry and vault: an address becomes a pseudonym before it is in any entry.

mod shown;
mod waiting;
mod waiting_key;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, select};
use zeroize::Zeroizing;

use crate::caller::{Caller, Origin, TenantRef};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::secret::SecretState;
use crate::ops::privacy::is_erased;
use crate::ops::secret::{self, DeleteRequest, NewValue};
use crate::people::{Book, NOT_BEFORE, Subject, WITHHELD, Whose, canonical, is_nobodys};
use crate::port::storage::StorageError;

pub(super) use self::shown::subjects;
pub(crate) use self::shown::{Revealing, may_see, searched};
pub(crate) use self::waiting::{Left, moved, moved_in_time};

/// How often it is tried again when somebody else wrote the same book meanwhile.
const TRIES: usize = 8;
/// How long a request waits for its address to be written at most, in seconds.
const PATIENCE_SECONDS: u32 = 1;

/// A book as it is stored.
struct Stored {
    book: Option<Arc<Book>>,
    /// The number of its version; 0 if there is none.
    version: i64,
    /// Whether it is never written again: erased, or somebody else's.
    is_closed: bool,
}

impl Stored {
    const fn nothing(is_closed: bool) -> Self {
        Self {
            book: None,
            version: 0,
            is_closed,
        }
    }

    fn pseudonym(&self, address: &str) -> Option<Arc<str>> {
        self.book.as_ref()?.pseudonym(address).cloned()
    }
}

/// Why an address is not in a book.
enum Fault {
    /// Others are writing it.
    Busy,
    /// It took too long.
    Late,
    /// It was refused.
    Failed(OpError),
}

impl From<OpError> for Fault {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

impl Fault {
    /// For the server's log. It says nothing of anybody.
    fn why(&self) -> &'static str {
        match self {
            Self::Busy => "too many new addresses at once",
            Self::Late => "registry or vault did not answer in time",
            Self::Failed(error) => error.code().as_str(),
        }
    }

    /// Whether other books of the same place have it as well.
    const fn is_general(&self) -> bool {
        matches!(
            self,
            Self::Late
                | Self::Failed(
                    OpError::Storage(_)
                        | OpError::Registry(_)
                        | OpError::Audit(_)
                        | OpError::NotInBackup { .. }
                )
        )
    }
}

const NO_PERSON: OpError = OpError::NotFound { what: "person" };

/// As what the address of a request stands in its entries. What is known costs a look into memory; an
/// address that is new is written into its person's book first, for which no request waits longer than
/// `PATIENCE_SECONDS`. While the server is sealed the address waits beside the journal, and a reference stands
/// for it. Where neither is possible (the vault does not answer) the entry
/// says that the address is withheld: never the address, and never what nobody could ever resolve.
pub(crate) async fn seen_from(
    node: &Node,
    who: Option<(PrincipalId, Option<TenantId>)>,
    origin: &Origin,
) -> Option<String> {
    let address = canonical(origin.address.as_deref()?);
    if is_nobodys(&address) {
        return Some(address);
    }
    let now = node.now();
    let whose = who.map_or_else(
        || Whose::strangers(now.day()),
        |(id, home)| Whose::person(id, home),
    );
    let people = &node.memory.people;
    if let Some(known) = people.pseudonym(&whose, &address) {
        return Some(known.to_string());
    }
    if node.ports.seal.is_sealed() {
        let kept = Box::pin(waiting::kept(node, whose, address)).await;
        let kept = kept.inspect_err(|why| people.withheld(why, node.now()));
        return Some(kept.unwrap_or_else(|_| WITHHELD.to_owned()));
    }
    if people.is_paused(&whose, now) {
        return Some(WITHHELD.to_owned());
    }
    match Box::pin(entered(node, &whose, &address)).await {
        Ok(pseudonym) => Some(pseudonym.to_string()),
        Err(fault) => {
            let now = node.now();
            people.withheld(fault.why(), now);
            if !matches!(fault, Fault::Busy) {
                people.pause(&whose, now);
            }
            if fault.is_general() && matches!(whose.subject, Subject::Person(_)) {
                people.pause_home(whose.home, now);
            }
            Some(WITHHELD.to_owned())
        }
    }
}

/// Finds an address in a book, or writes it there, unless that takes too long. Whoever is only late for his turn
/// has not found that nothing answers.
async fn entered(node: &Node, whose: &Whose, address: &str) -> Result<Arc<str>, Fault> {
    let people = &node.memory.people;
    let mut patience = node.ports.clock.after_seconds(PATIENCE_SECONDS);
    let mut stored = None;
    // What a person's book has already is found without waiting for those who write it. Strangers are as many
    // as like: they do not each read theirs.
    if matches!(whose.subject, Subject::Person(_)) {
        let found = within(&mut patience, load(node, whose)).await;
        let found = found.ok_or(Fault::Late)??;
        if let Some(known) = found.pseudonym(address) {
            return Ok(known);
        }
        stored = Some(found);
    }
    let line = people.line(whose).ok_or(Fault::Busy)?;
    let turn = within(&mut patience, line.turn()).await;
    let _turn = turn.ok_or(Fault::Busy)?;
    // Whoever was before may have written it, or found that nothing answers.
    if let Some(known) = people.pseudonym(whose, address) {
        return Ok(known);
    }
    if people.is_paused(whose, node.now()) {
        return Err(Fault::Busy);
    }
    let written = within(&mut patience, enter(node, whose, address, stored)).await;
    Ok(written.ok_or(Fault::Late)??)
}

/// What comes of it while there is patience.
async fn within<T>(
    patience: &mut BoxFuture<'_, ()>,
    work: impl Future<Output = T> + Send,
) -> Option<T> {
    match select(pin!(work), patience).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Writes an address into a book; what counts is what is read back.
async fn enter(
    node: &Node,
    whose: &Whose,
    address: &str,
    mut found: Option<Stored>,
) -> Result<Arc<str>, OpError> {
    let people = &node.memory.people;
    let is_full = |book: &Arc<Book>| !book.has_room(address);
    if people.book(whose).as_ref().is_some_and(is_full) {
        return Err(OpError::Conflict);
    }
    for _ in 0..TRIES {
        let stored = match found.take() {
            Some(stored) => stored,
            None => load(node, whose).await?,
        };
        if stored.is_closed {
            return Err(NO_PERSON);
        }
        if let Some(known) = stored.pseudonym(address) {
            return Ok(known);
        }
        ensure_there(node, whose).await?;
        let book = match &stored.book {
            Some(book) if is_full(book) => return Err(OpError::Conflict),
            Some(book) => book.with(address),
            None => Book::new(&new_key(node)?[..]).with(address),
        };
        match put(node, whose, &book, stored.version, None).await {
            Ok(()) if stored.version == 0 => ensure_not_erased(node, whose).await?,
            // Another node may have been faster: its book counts.
            Ok(())
            | Err(
                OpError::Conflict | OpError::AlreadyExists { .. } | OpError::VersionMoved { .. },
            ) => {}
            Err(error) => return Err(error),
        }
    }
    Err(OpError::Conflict)
}

/// Refuses to write about who is disabled, as who is erased is: a request may have been recognised before.
async fn ensure_there(node: &Node, whose: &Whose) -> Result<(), OpError> {
    let Subject::Person(id) = whose.subject else {
        return Ok(());
    };
    let row = node.ports.registry.principal(id).await?;
    let is_there = row.is_some_and(|row| row.disabled_at.is_none() && row.tenant == whose.home);
    if is_there { Ok(()) } else { Err(NO_PERSON) }
}

/// Takes a person's first book back if the person was erased while it was written: there was none that the
/// erasure could have closed. A book that was there it closed, and nothing is written into a closed one.
async fn ensure_not_erased(node: &Node, whose: &Whose) -> Result<(), OpError> {
    let Subject::Person(id) = whose.subject else {
        return Ok(());
    };
    let row = node.ports.registry.principal(id).await?;
    if row.is_some_and(|row| !is_erased(&row)) {
        return Ok(());
    }
    let caller = Caller::system(node.own_correlation_id()?);
    let (scope, name) = (scope_of(whose.home), name_of(&whose.subject)?);
    secret::delete(node, &caller, &scope, &name, DeleteRequest::default()).await?;
    Err(NO_PERSON)
}

fn new_key(node: &Node) -> Result<Zeroizing<[u8; 32]>, OpError> {
    let mut key = Zeroizing::new([0; 32]);
    let filled = node.ports.random.fill(&mut *key);
    filled.map_err(|_| OpError::Crypto)?;
    Ok(key)
}

pub(super) fn name_of(subject: &Subject) -> Result<SecretName, OpError> {
    SecretName::new(&subject.name()).map_err(|_| OpError::Crypto)
}

fn scope_of(home: Option<TenantId>) -> TenantRef {
    home.map_or(TenantRef::System, TenantRef::Id)
}

async fn put(
    node: &Node,
    whose: &Whose,
    book: &Book,
    before: i64,
    labels: Option<BTreeMap<String, String>>,
) -> Result<(), OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let new = NewValue {
        name: name_of(&whose.subject)?,
        value: book.written(),
        description: (before == 0).then(|| "Whose pseudonyms are whose. The server's own.".into()),
        labels,
        // What was the book before is destroyed in the vault.
        keep: Some(1),
        expected_version: Some(before),
        if_match: None,
    };
    secret::put(node, &caller, &scope_of(whose.home), new, None).await?;
    Ok(())
}

/// Reads a book where it is stored, and keeps it in memory.
async fn load(node: &Node, whose: &Whose) -> Result<Stored, OpError> {
    node.ensure_unsealed()?;
    let began_at = node.memory.people.forgotten();
    let name = name_of(&whose.subject)?;
    let row = node.ports.registry.secret(whose.home, &name).await?;
    let Some(row) = row else {
        return Ok(Stored::nothing(false));
    };
    // Somebody may have put one under this name, before it was the server's.
    let is_ours = row.created_by.is_none();
    match (row.state, &whose.subject) {
        (SecretState::Stored, _) if is_ours => {}
        (SecretState::Stored, _) => return Ok(Stored::nothing(true)),
        // Erased for ever.
        (_, Subject::Person(_)) if is_ours => return Ok(Stored::nothing(true)),
        _ => return Ok(Stored::nothing(false)),
    }
    let found = secret::open_own(node, whose.home, &name).await?;
    let book = Book::read(found.value.expose()).ok_or(OpError::Crypto)?;
    let book = Arc::new(book);
    let people = &node.memory.people;
    people.keep(whose.clone(), book.clone(), began_at);
    Ok(Stored {
        book: Some(book),
        version: found.version.version,
        is_closed: false,
    })
}

/// Takes an address out of a book for ever, whoever writes into it meanwhile. Whether it was in it.
pub(super) async fn strike(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
    address: &str,
) -> Result<bool, OpError> {
    let whose = Whose {
        home,
        subject: subject.clone(),
    };
    // Where too many wait already it is tried without a turn: what counts is the registry's transaction.
    let line = node.memory.people.line(&whose);
    let _turn = match &line {
        Some(line) => Some(line.turn().await),
        None => None,
    };
    for _ in 0..TRIES {
        let stored = load(node, &whose).await?;
        let has_it = |book: &Arc<Book>| book.has(address);
        let Some(book) = stored.book.filter(has_it) else {
            return Ok(false);
        };
        let book = book.without(address, &new_key(node)?[..]);
        let not_before = (stored.version + 1).to_string();
        let labels = BTreeMap::from([(NOT_BEFORE.to_owned(), not_before)]);
        match put(node, &whose, &book, stored.version, Some(labels)).await {
            Ok(()) => return Ok(true),
            Err(OpError::Conflict | OpError::VersionMoved { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(OpError::Conflict)
}

/// A book from memory, or from where it is stored; none if there is none, or no more. That it cannot be read now
/// is an error: it does not mean that nothing is in it.
pub(crate) async fn book(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
) -> Result<Option<Arc<Book>>, OpError> {
    let whose = Whose {
        home,
        subject: subject.clone(),
    };
    if let Some(book) = node.memory.people.book(&whose) {
        return Ok(Some(book));
    }
    match Box::pin(load(node, &whose)).await {
        Ok(stored) => Ok(stored.book),
        // Its record went with a restore or an erasure, or its tenant's key was shredded.
        Err(OpError::NotFound { .. } | OpError::Record(StorageError::NoTenantKek)) => Ok(None),
        Err(error) => Err(error),
    }
}
