//! Erasing a person. What is destroyed is the key: after it no pseudonym can be told from another, wherever a
//! copy of the log lies, and the log's proofs are what they were. Each step can be repeated.

use super::{PrivacySubject, entries, tokens_of};
use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::names::PrincipalName;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::noun::secret::{SecretState, SecretVersion};
use crate::ops::gate::{Attempt, Authorized, bounded, detail};
use crate::ops::people::{book, name_of, strike, subjects};
use crate::ops::secret;
use crate::people::Subject;
use crate::port::audit_search::SearchFilter;

/// What the name of an erased principal begins with; its id follows.
const ERASED: &str = "erased-";
/// Changes of the feed looked at in one piece.
const CHANGES: usize = 500;

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
    /// Whether the key is gone from the vault already; if not, the server goes on trying, and nobody can read
    /// it meanwhile.
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
        bounded("reason", &reason, 1024)?;
        if reason.trim().is_empty() {
            return Err(OpError::invalid("reason", "must say why"));
        }
        match subject {
            PrivacySubject::Principal(named) => {
                let row = node.find_principal(home, named).await?;
                attempt.resource.id = Some(row.id.uuid());
                principal(&attempt, proof, row, reason).await
            }
            PrivacySubject::Address(address) => strangers(&attempt, home, address, reason).await,
        }
    }
    .await;
    match erased {
        Ok(erased) => Ok(erased),
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// One commit takes the key, the name and the labels away; then the vault destroys what is marked, and the feed
/// forgets what it kept.
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
    let known = book(node, &subject, row.tenant).await;
    let addresses = known.map_or(0, |book| book.len());
    let (mut writes, versions) = book_goes(node, &subject, row.tenant).await?;
    let named = format!("{ERASED}{}", row.id.uuid().simple());
    let mut nobody = row.clone();
    nobody.name = PrincipalName::new(&named).map_err(|_| OpError::Crypto)?;
    nobody.updated_at = node.now();
    nobody.etag += 1;
    writes.push(Write::update(Row::Principal(nobody.clone())));
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
    let commit = attempt.commit(proof, writes, |event| {
        event.reason = Some(reason);
        detail(event, "addresses", addresses);
    });
    commit.await?;
    // What cannot be destroyed now, the clockwork destroys.
    let destroyed = secret::destroy(node, attempt.caller, versions)
        .await
        .is_ok();
    feed_forgets(node, &nobody).await?;
    let filter = SearchFilter {
        principal: Some(row.id),
        ..SearchFilter::default()
    };
    let mut remains = vec![Remaining {
        what: "entries of the audit log by this principal",
        count: entries(node, filter).await?,
        why: "the log proves that nothing in it was altered; they name a random id and pseudonyms whose key is \
              gone, and are kept for the establishment and defence of legal claims and as the law demands \
              (GDPR, article 17(3)(b) and (e))",
    }];
    remains.push(Remaining {
        what: "the row of the principal: its id, kind and times",
        count: Some(1),
        why: "entries and other rows name it by its id, which says nothing of anybody",
    });
    remains.push(Remaining {
        what: "rows of its tokens: ids, digests of random bits and times",
        count: Some(tokens.len() as u64),
        why: "an id that was used is never used again",
    });
    remains.extend(elsewhere());
    Ok(Erasure {
        addresses: addresses as u64,
        destroyed,
        remains,
    })
}

/// The rows with which a book goes, and its versions, to be destroyed.
async fn book_goes(
    node: &Node,
    subject: &Subject,
    home: Option<TenantId>,
) -> Result<(Vec<Write>, Vec<SecretVersion>), OpError> {
    let found = node.ports.registry.secret(home, &name_of(subject)?).await?;
    let Some(mut row) = found.filter(|it| it.state == SecretState::Stored) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let versions = secret::going(node, &row, None).await?;
    row.state = SecretState::Deleted;
    row.updated_at = node.now();
    row.etag += 1;
    row.description = String::new();
    row.labels.clear();
    let mut writes = vec![Write::update(Row::Secret(row))];
    let marked = versions.iter().cloned().map(Row::SecretVersion);
    writes.extend(marked.map(Write::update));
    Ok((writes, versions))
}

/// The feed keeps rows as they were after each change: those of this principal lose what they said of it.
async fn feed_forgets(node: &Node, nobody: &Principal) -> Result<(), OpError> {
    let stored = node.texts.stored();
    let mut after = 0;
    loop {
        let changes = stored.changes_after(after, CHANGES).await?;
        let Some(last) = changes.last().map(|change| change.revision) else {
            return Ok(stored.compact().await?);
        };
        after = last;
        for mut change in changes {
            let mut is_touched = false;
            for write in &mut change.writes {
                match &mut write.row {
                    Row::Principal(row) if row.id == nobody.id && row.name != nobody.name => {
                        row.name = nobody.name.clone();
                        is_touched = true;
                    }
                    Row::Token(row) if row.principal == nobody.id && !row.label.is_empty() => {
                        row.label.clear();
                        is_touched = true;
                    }
                    _ => {}
                }
            }
            if is_touched {
                let writes = &change.writes;
                stored.rewrite_change(change.revision, writes).await?;
            }
        }
    }
}

/// Takes an address out of every book of strangers.
async fn strangers(
    attempt: &Attempt<'_>,
    home: Option<TenantId>,
    address: &str,
    reason: String,
) -> Result<Erasure, OpError> {
    let node = attempt.node;
    let (mut struck, mut known_by, mut looked_at) = (0, 0, 0);
    for subject in subjects(node, home, &mut looked_at).await? {
        match &subject {
            Subject::Strangers(_) => {
                struck += u64::from(strike(node, &subject, home, address).await?);
            }
            Subject::Person(_) => {
                let found = book(node, &subject, home).await;
                let has_it = found.is_some_and(|book| book.pseudonym(address).is_some());
                known_by += u64::from(has_it);
            }
        }
    }
    let mut event = attempt.event(Outcome::Ok);
    event.reason = Some(reason);
    detail(&mut event, "addresses", struck);
    node.ports.audit.append(event).await?;
    let mut remains = vec![Remaining {
        what: "entries of the audit log from this address",
        count: None,
        why: "they have pseudonyms that nobody can tell any more, and no proof of the log changed",
    }];
    remains.push(Remaining {
        what: "principals of this scope that came from this address",
        count: Some(known_by),
        why: "it belongs to each of them, and goes with each of them",
    });
    remains.extend(elsewhere());
    Ok(Erasure {
        addresses: struck,
        destroyed: true,
        remains,
    })
}

/// What is beyond the server.
fn elsewhere() -> [Remaining; 3] {
    [
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
