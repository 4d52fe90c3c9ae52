//! What is held about a person: given out to whoever may have it, and erased for ever (docs/privacy.md).

mod erase;
mod feed;

use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::{PrincipalId, TenantId};
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::principal::Principal;
use crate::noun::token::Token;
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::people::{book, moved, subjects};
use crate::ops::token::PrincipalRef;
use crate::people::{Subject, Whose, canonical};
use crate::port::audit_search::{CountBy, CountEvery, CountQuery, SearchFilter};

pub use self::erase::{Erasure, Remaining, erase};
pub(crate) use self::feed::{Forgetting, slice};

/// What the name of an erased principal begins with; its id follows.
const ERASED: &str = "erased-";

/// What stands before an address that somebody asks about.
const ADDRESS: &str = "address:";
/// Tokens read at once.
const PAGE: usize = 500;

/// About whom somebody asks.
#[derive(Clone, Debug)]
pub enum PrivacySubject {
    /// A principal.
    Principal(PrincipalRef),
    /// Whoever came from this address.
    Address(String),
}

impl PrivacySubject {
    /// Reads `address:` and an address, or a principal's name or id.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix(ADDRESS) {
            let parsed = address.parse::<std::net::IpAddr>();
            return parsed.ok().map(|_| Self::Address(canonical(address)));
        }
        PrincipalRef::parse(text).map(Self::Principal)
    }

    /// How entries name it: by what says nothing.
    fn resource(&self) -> crate::audit::Resource {
        match self {
            Self::Principal(PrincipalRef::Id(id)) => resource("principal", Some(id.uuid()), None),
            Self::Principal(PrincipalRef::Name(_)) => resource("principal", None, None),
            Self::Address(_) => resource("address", None, None),
        }
    }
}

/// An address that is known, and as what it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    /// The address.
    pub address: String,
    /// The pseudonym.
    pub pseudonym: String,
    /// Whose; none if nobody we know came from it.
    pub principal: Option<PrincipalId>,
    /// The day on which somebody whom we do not know came from it.
    pub day: Option<String>,
}

/// Everything that is held about a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Dossier {
    /// The principal, if it is one.
    pub principal: Option<Principal>,
    /// The names of its roles.
    pub roles: Vec<String>,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Addresses.
    pub addresses: Vec<KnownAddress>,
    /// How many entries of this node's log are by the principal, or from the address; none if that cannot be
    /// searched here.
    pub entries: Option<u64>,
}

/// Whether a principal was erased. Nobody is given such a name: its id is not known before it is made.
pub(crate) fn is_erased(row: &Principal) -> bool {
    let rest = row.name.as_str().strip_prefix(ERASED);
    let is_called_so = rest.is_some_and(|it| it.starts_with(&row.id.uuid().simple().to_string()));
    is_called_so && row.disabled_at.is_some()
}

/// Gives out everything that is held about a person in a scope.
pub async fn export(
    node: &Node,
    caller: &Caller,
    scope: &TenantRef,
    subject: &PrivacySubject,
) -> Result<Dossier, OpError> {
    let action = Action::PrivacyExport;
    let of = node.tenant_id(scope);
    let mut attempt = Attempt::new(node, caller, action, of, subject.resource());
    node.ensure_auditable()?;
    let gathered: Result<_, OpError> = async {
        let (home, _) = node.authorize_scope(caller, action, scope)?;
        node.ensure_unsealed()?;
        let left = moved(node).await?;
        match subject {
            PrivacySubject::Principal(principal) => {
                let row = node.find_principal(home, principal).await?;
                attempt.resource.id = Some(row.id.uuid());
                left.ensure_none_for(|it| *it == Whose::person(row.id, row.tenant))?;
                of_principal(node, row).await
            }
            PrivacySubject::Address(address) => {
                left.ensure_none_for(|it| it.home == home)?;
                of_address(node, home, address).await
            }
        }
    }
    .await;
    match gathered {
        Ok(dossier) => {
            let mut event = attempt.event(Outcome::Ok);
            detail(&mut event, "addresses", dossier.addresses.len());
            node.ports.audit.append(event).await?;
            Ok(dossier)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

async fn of_principal(node: &Node, row: Principal) -> Result<Dossier, OpError> {
    let registry = &node.ports.registry;
    let mut roles = Vec::new();
    for assignment in registry.assignments_of(row.id).await? {
        if let Some(role) = registry.role(assignment.role).await? {
            roles.push(role.name.to_string());
        }
    }
    let found = book(node, &Subject::Person(row.id), row.tenant).await?;
    let known = found.iter().flat_map(|book| book.all());
    let addresses = known.map(|(address, pseudonym)| KnownAddress {
        address: address.to_owned(),
        pseudonym: pseudonym.to_owned(),
        principal: Some(row.id),
        day: None,
    });
    let filter = SearchFilter {
        principal: Some(row.id),
        ..SearchFilter::default()
    };
    Ok(Dossier {
        roles,
        tokens: tokens_of(node, &row).await?,
        addresses: addresses.collect(),
        entries: entries(node, filter).await?,
        principal: Some(row),
    })
}

async fn of_address(
    node: &Node,
    home: Option<TenantId>,
    address: &str,
) -> Result<Dossier, OpError> {
    let (mut addresses, mut looked_at, mut count) = (Vec::new(), 0, None);
    for subject in subjects(node, home, &mut looked_at).await? {
        let found = book(node, &subject, home).await?;
        let (principal, day) = match subject {
            Subject::Person(id) => (Some(id), None),
            Subject::Strangers(day) => (None, Some(day)),
        };
        for pseudonym in found.iter().flat_map(|book| book.standing_for(address)) {
            let filter = SearchFilter {
                address: Some(pseudonym.to_owned()),
                ..SearchFilter::default()
            };
            if let Some(more) = entries(node, filter).await? {
                count = Some(count.unwrap_or(0) + more);
            }
            addresses.push(KnownAddress {
                address: address.to_owned(),
                pseudonym: pseudonym.to_owned(),
                principal,
                day: day.clone(),
            });
        }
    }
    Ok(Dossier {
        principal: None,
        roles: Vec::new(),
        tokens: Vec::new(),
        addresses,
        entries: count,
    })
}

/// All tokens of a principal.
async fn tokens_of(node: &Node, row: &Principal) -> Result<Vec<Token>, OpError> {
    let (mut tokens, mut after) = (Vec::new(), None);
    loop {
        let registry = &node.ports.registry;
        let page = registry.tokens(row.tenant, after, PAGE).await?;
        after = page.rows.last().map(|last| last.id);
        let of_it = page.rows.into_iter().filter(|it| it.principal == row.id);
        tokens.extend(of_it);
        if !page.more {
            return Ok(tokens);
        }
    }
}

/// How many entries of this node's log a filter wants.
async fn entries(node: &Node, filter: SearchFilter) -> Result<Option<u64>, OpError> {
    let Some(port) = node.ports.search.as_deref() else {
        return Ok(None);
    };
    let mut query = CountQuery {
        filter,
        by: CountBy::All,
        every: CountEvery::All,
        before: None,
    };
    let mut sum = 0;
    loop {
        let found = port.counts(query.clone()).await?;
        sum += found.counts.iter().map(|count| count.entries).sum::<u64>();
        if found.next_before.is_none() {
            return Ok(Some(sum));
        }
        query.before = found.next_before;
    }
}
