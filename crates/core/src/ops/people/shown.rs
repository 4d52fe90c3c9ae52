//! Pseudonyms become addresses again for those who may see them, and are found by them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use super::{book, moved};
use crate::audit::Journaled;
use crate::caller::TenantRef;
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::ops::gate::Attempt;
use crate::people::{
    Book, PERSON, STRANGERS, Subject, canonical, is_nobodys, stands_for_an_address,
};

/// Names of books read at once.
const PAGE: usize = 500;
/// Books that are looked through for an address.
const BOOKS_MAX: usize = 5_000;
/// Pseudonyms of one address that are searched for at once.
const PSEUDONYMS_MAX: usize = 256;

/// The kind of resource that a principal is.
const PRINCIPAL: &str = "principal";

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
            // An entry may name whatever id somebody wrote into a request. Those of the system's own are shown
            // to who reads the system's log alone; in a tenant's its own principals have names, and no others.
            let of = event.tenant;
            let row = self.row(node, PrincipalId::from_uuid(id)).await;
            let is_its = |row: &&Principal| of.is_none() || row.tenant == of;
            event.resource.name = row.filter(is_its).map(|row| row.name.to_string());
            if event.signature.is_some() && event.resource.name.is_some() {
                entry.as_logged.get_or_insert_default().unnamed = true;
            }
        }
        let Some(address) = &mut event.actor.address else {
            return;
        };
        if !stands_for_an_address(address) {
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
                let pseudonym = std::mem::replace(address, clear.to_owned());
                if event.signature.is_some() {
                    entry.as_logged.get_or_insert_default().address = Some(pseudonym);
                }
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
        // What cannot be read now is not shown; no reading of the log fails for it.
        let found = book(node, &subject, home).await.ok().flatten();
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
    // In nobody's book: what stands as it is, and what is no address.
    if is_nobodys(&address) || address.parse::<IpAddr>().is_err() {
        return Ok(found);
    }
    // What waits is in no book yet.
    node.ensure_unsealed()?;
    let left = moved(node).await?;
    let is_of_tenant = scope.is_some_and(|scope| node.tenant_id(scope).is_some());
    let is_wanted = |subject: &Subject| match (subject, principal) {
        (Subject::Person(id), Some(wanted)) => *id == wanted,
        // In the log of a tenant nobody is a stranger.
        (Subject::Strangers(_), None) if is_of_tenant => false,
        (Subject::Strangers(_), Some(_)) => false,
        (_, None) => true,
    };
    let mut looked_at = 0;
    let homes = homes(node, scope).await?;
    left.ensure_none_for(|whose| homes.contains(&whose.home) && is_wanted(&whose.subject))?;
    for home in homes {
        for subject in subjects(node, home, &mut looked_at).await? {
            if !is_wanted(&subject) {
                continue;
            }
            let book = book(node, &subject, home).await?;
            let standing = book.iter().flat_map(|book| book.standing_for(&address));
            found.extend(standing.map(ToOwned::to_owned));
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
pub(in crate::ops) async fn subjects(
    node: &Node,
    home: Option<TenantId>,
    looked_at: &mut usize,
) -> Result<Vec<Subject>, OpError> {
    let mut found = Vec::new();
    // Strangers are at home in the system: what a tenant has under such a name is no book.
    let prefixes = [Some(PERSON), home.is_none().then_some(STRANGERS)];
    for prefix in prefixes.into_iter().flatten() {
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
