//! `/v1/tenants/{tenant}/rotation` and `/v1/rotation`: rotation by policy.

use keyward_api::page::Page;
use keyward_api::rotation::{
    Rotation, RotationExplainQuery, RotationExplanation, RotationOrder, RotationQuery, RotationRun,
    RotationStatus,
};
use keyward_core::ids::RotationId;
use keyward_core::names::PolicyName;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::problem::Failure;
use crate::reference::{self, parse_some};
use crate::view::rotation as view;

const TAG: &str = "rotation";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/rotation/run",
            "run_rotation",
            TAG,
            "Rotates what is due by its policy, at once, or says what would be rotated",
        )
        .may_take::<RotationOrder>()
        .changes()
        .answers::<RotationRun>("What became of each key, policy by policy.")
        .to(run),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/rotation/history",
            "list_rotations",
            TAG,
            "Lists rotations by policy, newest first",
        )
        .asks::<RotationQuery>()
        .answers::<Page<Rotation>>("A page of rotations.")
        .to(history),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/rotation/explain",
            "explain_rotation",
            TAG,
            "Says why a key is due by its policy, or is not",
        )
        .asks::<RotationExplainQuery>()
        .answers::<RotationExplanation>("Its policy, its next date, and what keeps it.")
        .to(explain),
        Endpoint::new(
            Get,
            "/v1/rotation/status",
            "rotation_status",
            TAG,
            "Shows which node rotates by policy, and how far it is",
        )
        .answers::<RotationStatus>("Which node rotates, and how the one that answers stands.")
        .to(status),
    ]
}

async fn run(call: Call, OptionalInput(order): OptionalInput<RotationOrder>) -> Answer {
    let tenant = call.tenant()?;
    let policy: Option<PolicyName> = parse_some("policy", order.policy.as_deref())?;
    let (node, caller) = (call.node(), call.caller());
    let done = ops::rotation::run(node, caller, &tenant, policy.as_ref(), order.dry_run).await?;
    answer::ok(&view::run(done))
}

async fn history(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let query: RotationQuery = call.query()?;
    let key = query.key.as_deref();
    let key = key.map(|text| reference::key(text, call.deployment(), &tenant));
    let key = key.transpose()?;
    let policy: Option<PolicyName> = parse_some("policy", query.policy.as_deref())?;
    let bound = (query.key, query.policy);
    let cursor = query.cursor.as_deref();
    let listing = Listing::filtered(&call, "rotations", &bound, cursor, query.limit)?;
    let before = listing.after::<RotationId>()?;
    let of = (key.as_ref(), policy.as_ref());
    let (node, caller) = (call.node(), call.caller());
    let page = ops::rotation::history(node, caller, &tenant, of, before, listing.limit).await?;
    let last = page.rows.last().map(|row| row.id.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::rotation).collect(), next)
}

async fn explain(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let query: RotationExplainQuery = call.query()?;
    let text = query.key.as_deref();
    let text = text.ok_or_else(|| Failure::invalid("key: say which"))?;
    let key = reference::key(text, call.deployment(), &tenant)?;
    let explained = ops::rotation::explain(call.node(), call.caller(), &tenant, &key).await?;
    answer::ok(&view::explanation(explained))
}

async fn status(call: Call) -> Answer {
    let shown = ops::rotation::status(call.node(), call.caller()).await?;
    answer::ok(&view::status(shown))
}
