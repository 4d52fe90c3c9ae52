//! People's books in registry and vault: an address becomes a pseudonym before it is in any entry, and an
//! address again for those who may see it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::Journaled;
use crate::caller::{Caller, Origin, TenantRef};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::names::SecretName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::noun::secret::SecretState;
use crate::ops::gate::Attempt;
use crate::ops::secret::{self, NewValue};
use crate::people::{
    ADDRESSES_MAX, Book, NOT_BEFORE, PERSON, PSEUDONYM, STRANGERS, Subject, WITHHELD, canonical,
    is_nobodys,
};

/// How often it is tried again when somebody else wrote the same book meanwhile.
const TRIES: usize = 8;
/// Names of books read at once.
const PAGE: usize = 500;
/// Books that are looked through for an address.
const BOOKS_MAX: usize = 5_000;
/// Pseudonyms of one address that are searched for at once.
const PSEUDONYMS_MAX: usize = 256;

/// The kind of resource that a principal is.
const PRINCIPAL: &str = "principal";

/// A book as it is stored, and the number of its version; 0 if there is none.
struct Stored {
    book: Option<Arc<Book>>,
    version: i64,
}

const NO_PERSON: OpError = OpError::NotFound { what: "person" };

/// As what the address of a request stands in its entries. What is known costs a look into memory; an
/// address that is new is written into its person's book first. Where that is not possible (the server is
/// sealed, the vault does not answer) the entry says that the address is withheld: never the address, and
/// never a pseudonym that nobody could ever resolve.
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
    let subject = who.map_or_else(
        || Subject::Strangers(now.day()),
        |(id, _)| Subject::Person(id),
    );
    let people = &node.memory.people;
    if let Some(known) = people.pseudonym(&subject, &address) {
        return Some(known.to_string());
    }
    let is_hopeless = node.ports.seal.is_sealed() || people.is_paused(&subject, now);
    if is_hopeless {
        return Some(WITHHELD.to_owned());
    }
    let home = who.and_then(|(_, home)| home);
    match Box::pin(enter(node, &subject, home, &address)).await {
        Ok(pseudonym) => Some(pseudonym.to_string()),
        Err(error) => {
            people.pause(subject, now);
            if is_general(&error) {
                people.pause_all(now);
            }
            Some(WITHHELD.to_owned())
        }
    }
}

/// Whether it concerns other books as well.
const fn is_general(error: &OpError) -> bool {
    matches!(
        error,
        OpError::Storage(_)
            | OpError::Registry(_)
            | OpError::Audit(_)
            | OpError::NotInBackup { .. }
    )
}

/// Writes an address into a book; what counts is what is read back.
async fn enter(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
    address: &str,
) -> Result<Arc<str>, OpError> {
    let people = &node.memory.people;
    let _one = people.writing.lock().await;
    // Whoever was before may have found that nothing answers.
    if people.is_paused(subject, node.now()) {
        return Err(NO_PERSON);
    }
    for _ in 0..TRIES {
        let stored = load(node, subject, home).await?;
        let found = stored.book.as_ref();
        if let Some(known) = found.and_then(|book| book.pseudonym(address)) {
            return Ok(known.clone());
        }
        let book = match found {
            Some(book) if book.len() >= ADDRESSES_MAX => return Err(OpError::Conflict),
            Some(book) => book.with(address),
            None => Book::new(&new_key(node)?[..]).with(address),
        };
        match put(node, subject, home, &book, stored.version, None).await {
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
    subject: &Subject,
    home: Option<TenantId>,
    book: &Book,
    before: i64,
    labels: Option<BTreeMap<String, String>>,
) -> Result<(), OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let new = NewValue {
        name: name_of(subject)?,
        value: book.written(),
        description: (before == 0).then(|| "Whose pseudonyms are whose. The server's own.".into()),
        labels,
        // What was the book before is destroyed in the vault.
        keep: Some(1),
        expected_version: Some(before),
        if_match: None,
    };
    secret::put(node, &caller, &scope_of(home), new, None).await?;
    Ok(())
}

/// Reads a book where it is stored, and keeps it in memory.
async fn load(node: &Node, subject: &Subject, home: Option<TenantId>) -> Result<Stored, OpError> {
    node.ensure_unsealed()?;
    let began_at = node.memory.people.forgotten();
    let name = name_of(subject)?;
    let row = node.ports.registry.secret(home, &name).await?;
    let nothing = Stored {
        book: None,
        version: 0,
    };
    let Some(row) = row else {
        return Ok(nothing);
    };
    match (row.state, subject) {
        // Somebody had put one under this name, before it was the server's.
        (SecretState::Stored, _) if row.created_by.is_some() => return Err(NO_PERSON),
        (SecretState::Stored, _) => {}
        // Erased for ever.
        (_, Subject::Person(_)) => return Err(NO_PERSON),
        (_, Subject::Strangers(_)) => return Ok(nothing),
    }
    let found = secret::open_own(node, home, &name).await?;
    let book = Book::read(found.value.expose()).ok_or(OpError::Crypto)?;
    let book = Arc::new(book);
    let people = &node.memory.people;
    people.keep(subject.clone(), book.clone(), began_at);
    Ok(Stored {
        book: Some(book),
        version: found.version.version,
    })
}

/// Takes an address out of a book for ever, whoever writes into it meanwhile. Whether it was in it.
pub(super) async fn strike(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
    address: &str,
) -> Result<bool, OpError> {
    let _one = node.memory.people.writing.lock().await;
    for _ in 0..TRIES {
        let stored = load(node, subject, home).await?;
        let has_it = |book: &Arc<Book>| book.pseudonym(address).is_some();
        let Some(book) = stored.book.filter(has_it) else {
            return Ok(false);
        };
        let book = book.without(address, &new_key(node)?[..]);
        let not_before = (stored.version + 1).to_string();
        let labels = BTreeMap::from([(NOT_BEFORE.to_owned(), not_before)]);
        match put(node, subject, home, &book, stored.version, Some(labels)).await {
            Ok(()) => return Ok(true),
            Err(OpError::Conflict | OpError::VersionMoved { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(OpError::Conflict)
}

/// A book from memory, or from where it is stored; none if there is none, or none to be had now.
pub(crate) async fn book(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
) -> Option<Arc<Book>> {
    if let Some(book) = node.memory.people.book(subject) {
        return Some(book);
    }
    let stored = Box::pin(load(node, subject, home)).await;
    stored.ok().and_then(|stored| stored.book)
}

/// Whether who reads the log is shown who people are.
pub(crate) fn may_see(attempt: &Attempt<'_>, scope: Option<&TenantRef>) -> bool {
    let (node, caller, action) = (attempt.node, attempt.caller, Action::AuditSeePeople);
    match scope {
        None => node.authorize_system(caller, action).is_ok(),
        Some(scope) => node.authorize_scope(caller, action, scope).is_ok(),
    }
}

/// Entries as they are shown, to those who may see it with the addresses for which pseudonyms stand. What is
/// erased, or cannot be opened now, stays a pseudonym.
#[derive(Default)]
pub(crate) struct Revealing {
    books: BTreeMap<Subject, Option<Arc<Book>>>,
    rows: BTreeMap<PrincipalId, Option<Principal>>,
}

impl Revealing {
    /// Shows an entry.
    pub(crate) async fn entry(&mut self, node: &Node, entry: &mut Journaled) {
        let event = &mut entry.event;
        // Entries name principals by their ids.
        if let (PRINCIPAL, Some(id), None) = (
            &*event.resource.kind,
            event.resource.id,
            &event.resource.name,
        ) {
            let row = self.row(node, PrincipalId::from_uuid(id)).await;
            event.resource.name = row.map(|row| row.name.to_string());
        }
        let Some(address) = &mut event.actor.address else {
            return;
        };
        if !address.starts_with(PSEUDONYM) {
            return;
        }
        // The address was made a pseudonym a moment before its entry was made: around midnight it is in the
        // book of the day before.
        let subjects = event.actor.principal.map_or_else(
            || {
                let before = event.time.plus_seconds(-60).day();
                let mut days = vec![event.time.day(), before];
                days.dedup();
                days.into_iter().map(Subject::Strangers).collect()
            },
            |id| vec![Subject::Person(id)],
        );
        for subject in subjects {
            let book = self.book(node, subject).await;
            if let Some(clear) = book.as_deref().and_then(|book| book.address(address)) {
                clear.clone_into(address);
                return;
            }
        }
    }

    /// Shows entries.
    pub(crate) async fn entries(&mut self, node: &Node, entries: &mut [Journaled]) {
        for entry in entries {
            self.entry(node, entry).await;
        }
    }

    async fn book(&mut self, node: &Node, subject: Subject) -> Option<Arc<Book>> {
        if let Some(looked) = self.books.get(&subject) {
            return looked.clone();
        }
        let home = match &subject {
            Subject::Person(id) => self.row(node, *id).await.and_then(|row| row.tenant),
            Subject::Strangers(_) => None,
        };
        let found = book(node, &subject, home).await;
        self.books.insert(subject, found.clone());
        found
    }

    async fn row(&mut self, node: &Node, id: PrincipalId) -> Option<&Principal> {
        let row = match self.rows.entry(id) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => {
                let row = node.ports.registry.principal(id).await;
                place.insert(row.ok().flatten())
            }
        };
        row.as_ref()
    }
}

/// As what an address stands in the log of a scope: clear, in entries of before there were pseudonyms, and as
/// the pseudonyms of everybody who has it in his book.
pub(crate) async fn searched(
    node: &Node,
    scope: Option<&TenantRef>,
    address: &str,
    principal: Option<PrincipalId>,
) -> Result<Vec<String>, OpError> {
    let address = canonical(address);
    let mut found = vec![address.clone()];
    let mut looked_at = 0;
    for home in homes(node, scope).await? {
        for subject in subjects(node, home, &mut looked_at).await? {
            let is_wanted = match (&subject, principal) {
                (Subject::Person(id), Some(wanted)) => *id == wanted,
                (Subject::Strangers(_), Some(_)) => false,
                (_, None) => true,
            };
            if !is_wanted {
                continue;
            }
            let book = book(node, &subject, home).await;
            let pseudonym = book.as_deref().and_then(|book| book.pseudonym(&address));
            found.extend(pseudonym.map(ToString::to_string));
        }
    }
    if found.len() > PSEUDONYMS_MAX {
        return Err(OpError::invalid(
            "address",
            "stands for more than 255 people; say the principal too",
        ));
    }
    Ok(found)
}

/// Where those are at home whose entries are in the log of a scope.
async fn homes(node: &Node, scope: Option<&TenantRef>) -> Result<Vec<Option<TenantId>>, OpError> {
    let mut homes = vec![None];
    if let Some(scope) = scope {
        homes.extend(node.tenant_id(scope).map(Some));
        return Ok(homes);
    }
    let mut after = None;
    loop {
        let page = node.ports.registry.tenants(after.as_ref(), PAGE).await?;
        after = page.rows.last().map(|last| last.name.clone());
        homes.extend(page.rows.into_iter().map(|tenant| Some(tenant.id)));
        if !page.more {
            return Ok(homes);
        }
    }
}

/// Whose books there are in a place.
pub(super) async fn subjects(
    node: &Node,
    home: Option<TenantId>,
    looked_at: &mut usize,
) -> Result<Vec<Subject>, OpError> {
    let mut found = Vec::new();
    for prefix in [PERSON, STRANGERS] {
        let mut after = None;
        loop {
            let registry = &node.ports.registry;
            let page = registry.secrets(home, prefix, after.as_ref(), PAGE).await?;
            after = page.rows.last().map(|last| last.name.clone());
            let names = page.rows.iter().map(|it| it.name.as_str());
            found.extend(names.filter_map(Subject::of_name));
            *looked_at += page.rows.len();
            if *looked_at > BOOKS_MAX {
                return Err(OpError::invalid(
                    "address",
                    "there are too many people to look for one by address; say a tenant",
                ));
            }
            if !page.more {
                break;
            }
        }
    }
    Ok(found)
}
