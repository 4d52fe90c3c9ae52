//! `…/audit/search` and `…/audit/counts`: what of the log somebody looks for, and how much of it there is.

use keyward_api::audit_search::{
    AuditCount, AuditCountQuery, AuditCounts, AuditSearchPage, AuditSearchQuery, AuditWish,
};
use keyward_api::names::{AuditCountBy, AuditCountEvery};
use keyward_api::time::Time;
use keyward_core::caller::TenantRef;
use keyward_core::ops::log::{self, SearchWish};
use keyward_core::port::audit_search::{CountBy, CountEvery};
use utoipa::openapi::HttpMethod::Get;

use super::Route;
use super::audit_detail::notes;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::problem::Failure;
use crate::reference::{self, parse, parse_some};
use crate::view::rest as view;

const TAG: &str = "audit";
/// The largest whole number that every JSON reader keeps exactly.
const SEQUENCE_MAX: u64 = (1 << 53) - 1;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/audit/search",
            "search_audit",
            TAG,
            "Searches the whole node's log, the newest entries first, by pages",
        )
        .asks::<AuditSearchQuery>()
        .answers::<AuditSearchPage>("Entries, the newest first.")
        .to(search_whole),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/audit/search",
            "search_tenant_audit",
            TAG,
            "Searches a tenant's log, the newest entries first, by pages",
        )
        .asks::<AuditSearchQuery>()
        .answers::<AuditSearchPage>("Entries, the newest first.")
        .to(search_of_tenant),
        Endpoint::new(
            Get,
            "/v1/audit/counts",
            "count_audit",
            TAG,
            "Counts entries of the whole node's log by a field and over time",
        )
        .asks::<AuditCountQuery>()
        .answers::<AuditCounts>("Counts, by time and then by value.")
        .to(count_whole),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/audit/counts",
            "count_tenant_audit",
            TAG,
            "Counts entries of a tenant's log by a field and over time",
        )
        .asks::<AuditCountQuery>()
        .answers::<AuditCounts>("Counts, by time and then by value.")
        .to(count_of_tenant),
    ]
}

async fn search_whole(call: Call) -> Answer {
    search(&call, None).await
}

async fn search_of_tenant(call: Call) -> Answer {
    let tenant = call.tenant()?;
    search(&call, Some(&tenant)).await
}

async fn count_whole(call: Call) -> Answer {
    count(&call, None).await
}

async fn count_of_tenant(call: Call) -> Answer {
    let tenant = call.tenant()?;
    count(&call, Some(&tenant)).await
}

async fn search(call: &Call, scope: Option<&TenantRef>) -> Answer {
    let query: AuditSearchQuery = call.query()?;
    let wish = wish(call, scope, &query.wish())?;
    let (node, caller, before) = (call.node(), call.caller(), sequence(query.before)?);
    let page = log::search(node, caller, scope, &wish, before, query.limit).await?;
    answer::ok(&AuditSearchPage {
        items: page.entries.into_iter().map(view::entry).collect(),
        next_before: page.next_before,
        detail: notes(call, scope)?,
    })
}

async fn count(call: &Call, scope: Option<&TenantRef>) -> Answer {
    let query: AuditCountQuery = call.query()?;
    let wish = wish(call, scope, &query.wish())?;
    let by = parse_some("by", query.by.as_ref().map(AuditCountBy::as_str))?;
    let every = parse_some("every", query.every.as_ref().map(AuditCountEvery::as_str))?;
    let how = (by.unwrap_or(CountBy::All), every.unwrap_or(CountEvery::All));
    let (node, caller, before) = (call.node(), call.caller(), sequence(query.before)?);
    let found = log::counts(node, caller, scope, &wish, how, before).await?;
    let items = found.counts.into_iter().map(|count| AuditCount {
        from: count.from.map(|from| Time(from.to_string())),
        value: count.value,
        entries: count.entries,
    });
    answer::ok(&AuditCounts {
        items: items.collect(),
        next_before: found.next_before,
        detail: notes(call, scope)?,
    })
}

fn sequence(before: Option<u64>) -> Result<Option<u64>, Failure> {
    if before.is_some_and(|before| before > SEQUENCE_MAX) {
        return Err(Failure::invalid("before: must be a sequence number"));
    }
    Ok(before)
}

fn wish(call: &Call, scope: Option<&TenantRef>, asked: &AuditWish) -> Result<SearchWish, Failure> {
    let time = |time: &Option<Time>| time.as_ref().map(|time| time.0.clone());
    let tenant = asked.tenant.as_deref().map(|text| {
        let found = TenantRef::parse(text);
        found.ok_or_else(|| Failure::invalid("tenant: give a name or an id"))
    });
    let tenant = tenant.transpose()?;
    // An ARN says its tenant itself.
    let of = scope.or(tenant.as_ref()).unwrap_or(&TenantRef::System);
    let key = asked.key.as_deref();
    let key = key.map(|key| reference::key(key, call.deployment(), of));
    Ok(SearchWish {
        since: parse_some("since", time(&asked.since).as_deref())?,
        until: parse_some("until", time(&asked.until).as_deref())?,
        key: key.transpose()?,
        tenant,
        version: asked.version.clone(),
        principal: parse_some("principal", asked.principal.as_deref())?,
        action: asked.action.clone(),
        outcome: asked
            .outcome
            .as_ref()
            .map(|it| parse("outcome", it.as_str()))
            .transpose()?,
        address: asked.address.clone(),
        correlation_id: asked
            .correlation_id
            .as_deref()
            .map(correlation_id)
            .transpose()?,
        node: asked.node.clone(),
        text: asked.text.clone(),
    })
}

fn correlation_id(text: &str) -> Result<keyward_core::names::CorrelationId, Failure> {
    let id = keyward_core::names::CorrelationId::new(text);
    id.map_err(|error| Failure::invalid(format!("correlation_id: {error}")))
}
