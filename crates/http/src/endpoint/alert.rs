//! `/v1/alerts` and `/v1/tenants/{tenant}/alerts`: what is, or was, not as it should be.

use keyward_api::alert::{Alert, AlertQuery};
use keyward_api::names::{AlertSeverity, AlertState};
use keyward_api::page::Page;
use keyward_core::caller::TenantRef;
use keyward_core::ids::ConditionId;
use keyward_core::ops;
use keyward_core::ops::condition::ConditionFilter;
use utoipa::openapi::HttpMethod::Get;

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::problem::Failure;
use crate::reference::parse_some;
use crate::view::storage as view;

const TAG: &str = "alerts";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/alerts",
            "list_alerts",
            TAG,
            "Lists the deployment's own alerts, newest first",
        )
        .asks::<AlertQuery>()
        .answers::<Page<Alert>>("A page of alerts.")
        .to(of_deployment),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/alerts",
            "list_tenant_alerts",
            TAG,
            "Lists a tenant's alerts, newest first",
        )
        .asks::<AlertQuery>()
        .answers::<Page<Alert>>("A page of alerts.")
        .to(of_tenant),
    ]
}

async fn of_deployment(call: Call) -> Answer {
    list(&call, &TenantRef::System).await
}

async fn of_tenant(call: Call) -> Answer {
    list(&call, &call.tenant()?).await
}

async fn list(call: &Call, scope: &TenantRef) -> Answer {
    let query: AlertQuery = call.query()?;
    let filter = filter(&query)?;
    let bound = (query.state, query.kind, query.severity);
    let listing = Listing::filtered(call, "alerts", &bound, query.cursor.as_deref(), query.limit)?;
    let after = listing.after::<ConditionId>()?;
    let (node, caller) = (call.node(), call.caller());
    let page = ops::condition::list(node, caller, scope, &filter, after, listing.limit).await?;
    let last = page.rows.last().map(|row| row.condition.id.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::alert).collect(), next)
}

fn filter(query: &AlertQuery) -> Result<ConditionFilter, Failure> {
    let open = match query.state.as_ref().map(AlertState::as_str) {
        None => None,
        Some("open") => Some(true),
        Some("cleared") => Some(false),
        Some(_) => return Err(Failure::invalid("state: must be open or cleared")),
    };
    let severity = query.severity.as_ref().map(AlertSeverity::as_str);
    Ok(ConditionFilter {
        open,
        kind: parse_some("kind", query.kind.as_deref())?,
        severity: parse_some("severity", severity)?,
    })
}
