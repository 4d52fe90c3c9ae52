//! Searching the log, and counting what is in it.

mod address;

use crate::audit::Outcome;
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::ids::{KeyId, PrincipalId, TenantId};
use crate::names::CorrelationId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::ops::gate::{Attempt, detail};
use crate::ops::people::{Revealing, may_see, searched};
use crate::port::audit_search::{
    AuditSearch, CountBy, CountEvery, CountQuery, Counts, SearchFilter, SearchPage, WantedAction,
    WantedVersion, group, words,
};
use crate::port::registry::KeyRef;
use crate::time::Timestamp;

/// The largest page.
const LIMIT_MAX: usize = 500;
/// The page if nothing is said.
const LIMIT: usize = 50;
/// No text that is searched for is longer, in bytes.
const TEXT_MAX: usize = 256;

/// What somebody searches for. What is not said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchWish {
    /// At or after this instant.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// Of this tenant: for those who search the whole log.
    pub tenant: Option<TenantRef>,
    /// About this key, or using it. By name only where the tenant is said.
    pub key: Option<KeyRef>,
    /// About this version of a key: a number, or an id.
    pub version: Option<String>,
    /// By this principal.
    pub principal: Option<PrincipalId>,
    /// An action, or all of a kind: `key.*`.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// From this address.
    pub address: Option<String>,
    /// Of this request.
    pub correlation_id: Option<CorrelationId>,
    /// On this node.
    pub node: Option<String>,
    /// Words in the name of the resource or the reason; all must be there.
    pub text: Option<String>,
}

/// A page of the entries of a tenant, of the system, or (with no scope) of all, the newest first. Each
/// page is an entry of the log itself.
pub async fn search(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
    wish: &SearchWish,
    before: Option<u64>,
    limit: Option<usize>,
) -> Result<SearchPage, OpError> {
    let attempt = super::attempt(node, caller, scope);
    let found: Result<_, OpError> = async {
        let filter = filter(&attempt, scope, wish)?;
        let limit = match limit {
            None => LIMIT,
            Some(limit @ 1..=LIMIT_MAX) => limit,
            Some(_) => return Err(OpError::invalid("limit", "must be 1 to 500")),
        };
        let people = may_see(&attempt, scope);
        let filters = by_address(&attempt, scope, wish, filter, people).await?;
        let mut page = address::search(port(node)?, filters, before, limit).await?;
        if people {
            Revealing::default().entries(node, &mut page.entries).await;
        }
        Ok(page)
    }
    .await;
    match found {
        Ok(page) => {
            log(&attempt, "search", wish, page.entries.len()).await?;
            Ok(page)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// How many entries of a tenant, of the system, or (with no scope) of all there are, by a field and over
/// time.
pub async fn counts(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
    wish: &SearchWish,
    (by, every): (CountBy, CountEvery),
    before: Option<u64>,
) -> Result<Counts, OpError> {
    let attempt = super::attempt(node, caller, scope);
    let counted: Result<_, OpError> = async {
        let filter = filter(&attempt, scope, wish)?;
        let people = may_see(&attempt, scope);
        let filters = by_address(&attempt, scope, wish, filter, people).await?;
        let query = |filter| CountQuery {
            filter,
            by,
            every,
            before,
        };
        address::counts(port(node)?, filters, query).await
    }
    .await;
    match counted {
        Ok(counts) => {
            log(&attempt, "counts", wish, counts.counts.len()).await?;
            Ok(counts)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

/// What was looked for is in the log, as what was given out of it.
async fn log(
    attempt: &Attempt<'_>,
    what: &str,
    wish: &SearchWish,
    found: usize,
) -> Result<(), OpError> {
    let mut event = attempt.event(Outcome::Ok);
    detail(&mut event, what, found);
    let looked_for = [
        ("since", wish.since.is_some()),
        ("until", wish.until.is_some()),
        ("tenant", wish.tenant.is_some()),
        ("key", wish.key.is_some()),
        ("version", wish.version.is_some()),
        ("principal", wish.principal.is_some()),
        ("action", wish.action.is_some()),
        ("outcome", wish.outcome.is_some()),
        ("address", wish.address.is_some()),
        ("correlation_id", wish.correlation_id.is_some()),
        ("node", wish.node.is_some()),
        ("text", wish.text.is_some()),
    ];
    let names = looked_for.iter().filter(|(_, is_said)| *is_said);
    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
    detail(&mut event, "by", names.join(","));
    attempt.node.ports.audit.append(event).await?;
    Ok(())
}

/// The filter, once for each text as which an address that is looked for stands in the log. Who may not see
/// whose a pseudonym is finds what is written as he wrote it.
async fn by_address(
    attempt: &Attempt<'_>,
    scope: Option<&TenantRef>,
    wish: &SearchWish,
    filter: SearchFilter,
    people: bool,
) -> Result<Vec<SearchFilter>, OpError> {
    let Some(address) = wish.address.as_deref().filter(|_| people) else {
        return Ok(vec![filter]);
    };
    let texts = searched(attempt.node, scope, address, wish.principal).await?;
    let each = texts.into_iter().map(|text| SearchFilter {
        address: Some(text),
        ..filter.clone()
    });
    Ok(each.collect())
}

fn port(node: &Node) -> Result<&dyn AuditSearch, OpError> {
    let port = node.ports.search.as_deref();
    port.ok_or_else(|| OpError::Unsupported {
        problem: "this is no server: its log has no search".to_owned(),
    })
}

/// What the caller may see of what he wishes. Whose entries these are is decided here and nowhere else: in
/// a tenant's scope they are that tenant's, whatever is wished.
fn filter(
    attempt: &Attempt<'_>,
    scope: Option<&TenantRef>,
    wish: &SearchWish,
) -> Result<SearchFilter, OpError> {
    let node = attempt.node;
    let allowed = super::query(attempt, scope, None, None)?.tenant;
    let tenant = match (allowed, &wish.tenant) {
        (Some(allowed), None) => Some(allowed),
        (Some(_), Some(_)) => {
            return Err(OpError::invalid("tenant", "is in the address already"));
        }
        (None, None) => None,
        (None, Some(TenantRef::System)) => Some(None),
        // Of a tenant that is gone the entries are still there.
        (None, Some(TenantRef::Id(id))) => Some(Some(*id)),
        (None, Some(named)) => {
            let found = node.tenant_id(named);
            Some(Some(found.ok_or(OpError::NotFound { what: "tenant" })?))
        }
    };
    if let (Some(since), Some(until)) = (wish.since, wish.until)
        && since >= until
    {
        return Err(OpError::invalid("until", "must be after since"));
    }
    let key = wish.key.as_ref();
    let key = key.map(|key| key_id(node, tenant.flatten(), key));
    Ok(SearchFilter {
        tenant,
        since: wish.since,
        until: wish.until,
        key: key.transpose()?,
        version: wish.version.as_deref().map(version).transpose()?,
        principal: wish.principal,
        action: wish.action.as_deref().map(action).transpose()?,
        outcome: wish.outcome,
        address: wish.address.clone(),
        correlation_id: wish.correlation_id.clone(),
        node: wish.node.clone(),
        words: wish.text.as_deref().map_or(Ok(Vec::new()), text)?,
    })
}

fn key_id(node: &Node, tenant: Option<TenantId>, key: &KeyRef) -> Result<KeyId, OpError> {
    if let KeyRef::Id(id) = key {
        return Ok(*id);
    }
    let Some(tenant) = tenant else {
        return Err(OpError::invalid(
            "key",
            "give its id, or say the tenant in which the name is",
        ));
    };
    let found = node.memory.hot.key(tenant, key);
    found
        .map(|found| found.id)
        .ok_or(OpError::NotFound { what: "key" })
}

fn version(text: &str) -> Result<WantedVersion, OpError> {
    let number = text.parse().map(WantedVersion::Number);
    number
        .or_else(|_| text.parse().map(WantedVersion::Id))
        .map_err(|_| OpError::invalid("version", "give a version's number or its id"))
}

fn action(text: &str) -> Result<WantedAction, OpError> {
    if let Some(name) = text.strip_suffix(".*")
        && Action::ALL.iter().any(|action| group(*action) == name)
    {
        return Ok(WantedAction::Group(name.to_owned()));
    }
    let found = text.parse().map(WantedAction::One);
    found.map_err(|_| OpError::invalid("action", "is no action, nor all of a kind such as key.*"))
}

fn text(text: &str) -> Result<Vec<String>, OpError> {
    if text.len() > TEXT_MAX {
        return Err(OpError::invalid("text", "has more than 256 bytes"));
    }
    let mut found: Vec<String> = words(text).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(OpError::invalid("text", "has no letter and no digit"));
    }
    Ok(found)
}
