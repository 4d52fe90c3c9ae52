//! Erasing a person. What is destroyed is the key: after it no pseudonym can be told from another, wherever a
//! copy of the log lies, and the log's proofs are what they were. Each step can be repeated.

use super::{ERASED, PrivacySubject, entries, is_erased, tokens_of};
use crate::audit::{AuditEvent, Outcome};
use crate::caller::{Caller, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::{PrincipalId, SecretId, TenantId};
use crate::names::PrincipalName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::noun::secret::{SecretState, SecretVersion};
use crate::ops::gate::{Attempt, Authorized, bounded, detail};
use crate::ops::people::{Left, book, moved, name_of, strike, subjects};
use crate::ops::secret;
use crate::people::Subject;
use crate::port::audit_search::SearchFilter;

/// Something that remains, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// What.
    pub what: &'static str,
    /// How many, where that is known.
    pub count: Option<u64>,
    /// Why.
    pub why: &'static str,
}

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Addresses that nobody can tell any more.
    pub addresses: u64,
    /// Whether the key, and every value before it, is gone from the vault, as far as the registry knows after
    /// it was tried; if not, the server goes on trying, and nobody can read it meanwhile.
    pub destroyed: bool,
    /// What remains.
    pub remains: Vec<Remaining>,
}

/// Erases a person. A principal must be disabled before.
pub async fn erase(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    subject: &PrivacySubject,
    reason: String,
) -> Result<Erasure, OpError> {
    let action = Action::PrivacyErase;
    let of = node.tenant_id(scope);
    let mut attempt = Attempt::new(node, caller, action, of, subject.resource());
    let erased: Result<_, OpError> = async {
        node.ensure_auditable()?;
        let (home, proof) = node.authorize_scope(caller, action, scope)?;
        node.ensure_unsealed()?;
        // What waits of an earlier time goes with what is in the books.
        let left = moved(node).await;
        bounded("reason", &reason, 1024)?;
        if reason.trim().is_empty() {
            return Err(OpError::invalid("reason", "must say why"));
        }
        match subject {
            PrivacySubject::Principal(named) => {
                let row = node.find_principal(home, named).await?;
                attempt.resource.id = Some(row.id.uuid());
                // What could not be taken is removed unread later: who is erased has no book any more.
                principal(&attempt, proof, row, reason).await
            }
            PrivacySubject::Address(address) => {
                strangers(&attempt, home, address, reason, &left?).await
            }
        }
    }
    .await;
    match erased {
        Ok(erased) => Ok(erased),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// One commit takes the key, the name and the labels away; then the vault destroys what is marked, and the
/// clockwork has the feed forget what it kept.
async fn principal(
    attempt: &Attempt<'_>,
    proof: Authorized,
    row: Principal,
    reason: String,
) -> Result<Erasure, OpError> {
    let node = attempt.node;
    if row.disabled_at.is_none() {
        let problem = "the principal is not disabled; disable it first: keyward principal disable";
        return Err(OpError::invalid("subject", problem));
    }
    let subject = Subject::Person(row.id);
    // A book that cannot be read, for damage or because the vault does not answer, goes all the same.
    let known = book(node, &subject, row.tenant).await.unwrap_or_default();
    let addresses = known.map_or(0, |book| book.count());
    let (mut writes, secret) = book_goes(node, &subject, row.tenant).await?;
    let nobody = nobody(node, &row).await?;
    if nobody.name != row.name {
        writes.push(Write::update(Row::Principal(nobody.clone())));
    }
    let tokens = tokens_of(node, &row).await?;
    for mut token in tokens.iter().cloned() {
        if token.label.is_empty() && token.revoked_at.is_some() {
            continue;
        }
        token.label = String::new();
        token.revoked_at.get_or_insert(node.now());
        token.etag += 1;
        writes.push(Write::update(Row::Token(token)));
    }
    let complete = move |event: &mut AuditEvent| {
        event.reason = Some(reason);
        detail(event, "addresses", addresses);
    };
    if writes.is_empty() {
        // Erased before: there is nothing to change, and it is logged who asked.
        let mut event = attempt.event(Outcome::Ok);
        complete(&mut event);
        node.ports.audit.append(event).await?;
    } else {
        attempt.commit(proof, writes, complete).await?;
    }
    // From here on it is done, whatever else fails: an answer says what is left.
    node.forgetting.ask(&nobody);
    let left = values_left(attempt, secret).await;
    Ok(Erasure {
        addresses: addresses as u64,
        destroyed: left.is_some_and(|left| left.is_empty()),
        remains: of_principal(node, &nobody, tokens.len()).await,
    })
}

async fn of_principal(node: &Node, nobody: &Principal, tokens: usize) -> Vec<Remaining> {
    let filter = SearchFilter {
        principal: Some(nobody.id),
        ..SearchFilter::default()
    };
    let mut remains = vec![
        Remaining {
            what: "entries of the audit log by this principal",
            count: entries(node, filter).await.unwrap_or_default(),
            why: "the log proves that nothing in it was altered; they name a random id and pseudonyms whose key \
                  is gone, and are kept for the establishment and defence of legal claims and as the law demands \
                  (GDPR, article 17(3)(b) and (e))",
        },
        Remaining {
            what: "the row of the principal: its id, kind and times",
            count: Some(1),
            why: "entries and other rows name it by its id, which says nothing of anybody",
        },
        Remaining {
            what: "rows of its tokens: ids, digests of random bits and times",
            count: Some(tokens as u64),
            why: "an id that was used is never used again",
        },
        Remaining {
            what: "for a while, its name and labels in earlier rows of the change feed",
            count: None,
            why: "the server takes them out in the background, a thousand changes a second",
        },
    ];
    remains.extend(elsewhere());
    remains
}

/// The principal without what it says of anybody; as it is, if it was erased before.
async fn nobody(node: &Node, row: &Principal) -> Result<Principal, OpError> {
    let mut nobody = row.clone();
    if is_erased(row) {
        return Ok(nobody);
    }
    let called = |text: String| PrincipalName::new(&text).map_err(|_| OpError::Crypto);
    let id = row.id.uuid().simple();
    let mut name = called(format!("{ERASED}{id}"))?;
    let registry = &node.ports.registry;
    let taken = registry.principal_by_name(row.tenant, &name).await?;
    if taken.is_some_and(|it| it.id != row.id) {
        // Somebody has the name on purpose: nobody can guess the next.
        let more = PrincipalId::from_random(node.random_id()?).uuid().simple();
        name = called(format!("{ERASED}{id}-{more}"))?;
    }
    nobody.name = name;
    nobody.updated_at = node.now();
    nobody.etag += 1;
    Ok(nobody)
}

/// The rows with which a book goes, and which secret it is, if there is or was one.
async fn book_goes(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
) -> Result<(Vec<Write>, Option<SecretId>), OpError> {
    let found = node.ports.registry.secret(home, &name_of(subject)?).await?;
    // What somebody put under such a name, before it was the server's, is no book.
    let found = found.filter(|row| row.created_by.is_none());
    let id = found.as_ref().map(|row| row.id);
    let Some(mut row) = found.filter(|it| it.state == SecretState::Stored) else {
        return Ok((Vec::new(), id));
    };
    let versions = secret::going(node, &row, None).await?;
    row.state = SecretState::Deleted;
    row.updated_at = node.now();
    row.etag += 1;
    row.description = String::new();
    row.labels.clear();
    let mut writes = vec![Write::update(Row::Secret(row))];
    let marked = versions.into_iter().map(Row::SecretVersion);
    writes.extend(marked.map(Write::update));
    Ok((writes, id))
}

/// Destroys what is marked of a secret and says what the vault may have still; none if nobody can tell. What
/// cannot be destroyed now, the clockwork destroys.
async fn values_left(
    attempt: &Attempt<'_>,
    secret: Option<SecretId>,
) -> Option<Vec<SecretVersion>> {
    let Some(id) = secret else {
        return Some(Vec::new());
    };
    let registry = &attempt.node.ports.registry;
    let mut marked = registry.secret_versions(id).await.ok()?;
    marked.retain(|it| it.destroying_at.is_some());
    // Whether it went is looked at, not believed.
    let _ = secret::destroy(attempt.node, attempt.caller, marked).await;
    registry.secret_versions(id).await.ok()
}

/// Takes an address out of every book of strangers. That it begins is logged before anything goes.
async fn strangers(
    attempt: &Attempt<'_>,
    home: Option<TenantId>,
    address: &str,
    reason: String,
    left: &Left,
) -> Result<Erasure, OpError> {
    let node = attempt.node;
    let audit = &node.ports.audit;
    let step = |name: &'static str| {
        let mut event = attempt.event(Outcome::Ok);
        event.reason = Some(reason.clone());
        detail(&mut event, "step", name);
        event
    };
    let mut looked_at = 0;
    let subjects = subjects(node, home, &mut looked_at).await?;
    audit.append(step("begun")).await?;
    let (mut struck, mut destroyed) = (0, true);
    for subject in subjects
        .iter()
        .filter(|it| matches!(it, Subject::Strangers(_)))
    {
        struck += u64::from(strike(node, subject, home, address).await?);
        // Also where it was struck before, and the vault did not answer then.
        destroyed &= is_without_former(attempt, subject, home).await;
    }
    let mut event = step("done");
    detail(&mut event, "addresses", struck);
    audit.append(event).await?;
    let mut remains = vec![
        Remaining {
            what: "entries of the audit log from this address",
            count: None,
            why: "they have pseudonyms that nobody can tell any more, and no proof of the log changed",
        },
        Remaining {
            what: "principals of this scope that came from this address",
            count: known_by(node, home, &subjects, address).await.ok(),
            why: "it belongs to each of them, and goes with each of them",
        },
    ];
    if left.may_be_of_strangers() {
        remains.push(Remaining {
            what: "addresses that wait on this node and could not be taken into their books now",
            count: None,
            why: "one of them may be this address: look at the alert audit_addresses_damaged, and ask again",
        });
    }
    remains.extend(elsewhere());
    Ok(Erasure {
        addresses: struck,
        destroyed: destroyed && !left.may_be_of_strangers(),
        remains,
    })
}

/// How many principals came from an address. It is an error if that cannot be told of one of them.
async fn known_by(
    node: &Node,
    home: Option<TenantId>,
    subjects: &[Subject],
    address: &str,
) -> Result<u64, OpError> {
    let mut known_by = 0;
    for subject in subjects
        .iter()
        .filter(|it| matches!(it, Subject::Person(_)))
    {
        let found = book(node, subject, home).await?;
        let has_it = found.is_some_and(|book| book.has(address));
        known_by += u64::from(has_it);
    }
    Ok(known_by)
}

/// Whether the vault has nothing of what a book was before.
async fn is_without_former(
    attempt: &Attempt<'_>,
    subject: &Subject,
    home: Option<TenantId>,
) -> bool {
    let Ok(name) = name_of(subject) else {
        return false;
    };
    let Ok(found) = attempt.node.ports.registry.secret(home, &name).await else {
        return false;
    };
    let left = values_left(attempt, found.map(|row| row.id)).await;
    left.is_some_and(|left| left.iter().all(|it| it.destroying_at.is_none()))
}

/// What is beyond the server.
fn elsewhere() -> [Remaining; 4] {
    [
        Remaining {
            what: "addresses that came while a node was sealed, as long as they wait beside its journal",
            count: None,
            why: "each is sealed to a key in the vault. Those of who is erased are removed unread when that node is \
                  unsealed; erase an address again when every node was",
        },
        Remaining {
            what: "backups that were made before",
            count: None,
            why: "they are sealed to their recipients and expire as retention says; what is restored from them is \
                  erased again by the backups made since",
        },
        Remaining {
            what: "entries made before the log had pseudonyms",
            count: None,
            why: "they hold addresses and names as they were, and cannot be altered",
        },
        Remaining {
            what: "the server's own log on standard error, and what a proxy before it logs",
            count: None,
            why: "whoever runs the server keeps it",
        },
    ]
}
