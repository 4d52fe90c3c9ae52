//! `…/audit/retention`, `…/audit/holds` and `/v1/audit/prune`: for how long the audit log is kept, what holds it,
//! and letting go of its beginning.

use keyward_api::audit_keeping::{
    AuditOutlook, AuditPruned, AuditRetention, LegalHold, NewLegalHold, PruneAudit,
    ReleaseLegalHold, SetAuditRetention,
};
use keyward_api::page::{Changed, Page, Paging};
use keyward_core::audit::class::EntryClass;
use keyward_core::ids::AuditRuleId;
use keyward_core::ops::{audit_prune, audit_rules};
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::begun::to_its_end;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::view::audit_keeping as view;

const TAG: &str = "audit";
const RETENTION: &str = "/v1/tenants/{tenant}/audit/retention";
const HOLDS: &str = "/v1/tenants/{tenant}/audit/holds";
const PRUNE: &str = "/v1/audit/prune";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = of_tenant();
    routes.extend([
        Endpoint::new(
            Get,
            PRUNE,
            "plan_audit_prune",
            TAG,
            "Shows what of the log's beginning may go, and what keeps the rest",
        )
        .answers::<AuditOutlook>("What may go now.")
        .to(plan),
        Endpoint::new(
            Post,
            PRUNE,
            "prune_audit",
            TAG,
            "Lets go of the log's beginning; this version lets nothing go yet, and refuses it",
        )
        .takes::<PruneAudit>()
        .changes()
        .answers::<AuditPruned>("What went. Ordered again it changes nothing.")
        .to(prune),
    ]);
    routes
}

fn of_tenant() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            RETENTION,
            "read_audit_retention",
            TAG,
            "Shows for how long the tenant's entries are kept; of `system`, everybody's at least",
        )
        .answers::<AuditRetention>("What holds.")
        .to(show),
        Endpoint::new(
            Post,
            RETENTION,
            "set_audit_retention",
            TAG,
            "Has the tenant's entries kept for longer; of `system`, everybody's",
        )
        .takes::<SetAuditRetention>()
        .changes()
        .answers::<Changed<AuditRetention>>("What holds.")
        .to(set),
        Endpoint::new(
            Get,
            HOLDS,
            "list_legal_holds",
            TAG,
            "Lists legal holds on the tenant, the oldest first; of `system`, those on the whole deployment",
        )
        .asks::<Paging>()
        .answers::<Page<LegalHold>>("A page of holds, those that were released among them.")
        .to(holds),
        Endpoint::new(
            Post,
            HOLDS,
            "place_legal_hold",
            TAG,
            "Places a legal hold on the tenant; of `system`, on the whole deployment",
        )
        .takes::<NewLegalHold>()
        .changes()
        .answers::<Changed<LegalHold>>("The hold. One that stands under this name is the answer.")
        .to(place),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/audit/holds/{hold}/release",
            "release_legal_hold",
            TAG,
            "Releases a legal hold",
        )
        .takes::<ReleaseLegalHold>()
        .changes()
        .answers::<Changed<LegalHold>>("The hold.")
        .to(release),
    ]
}

async fn show(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let found = audit_rules::show(call.node(), call.caller(), &tenant).await?;
    answer::ok(&view::retention(found))
}

async fn set(call: Call, input: Input<SetAuditRetention>) -> Answer {
    let (tenant, given) = (call.tenant()?, input.value);
    let longer = [
        (EntryClass::Changes, given.changes),
        (EntryClass::Uses, given.uses),
        (EntryClass::Reads, given.reads),
        (EntryClass::Authentication, given.authentication),
    ];
    let longer = longer.into_iter();
    let longer = longer.filter_map(|(class, days)| Some((class, days?)));
    let (node, caller) = (call.node(), call.caller());
    let done = audit_rules::set(node, caller, &tenant, longer.collect(), given.reason).await?;
    answer::ok(&answer::changed(done, view::retention))
}

async fn holds(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let listing = Listing::plain(&call, "holds")?;
    let after = listing.after::<AuditRuleId>()?;
    let (node, caller) = (call.node(), call.caller());
    let page = audit_rules::holds(node, caller, &tenant, after, listing.limit).await?;
    let last = page.rows.last().map(|hold| hold.id.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::hold).collect(), next)
}

async fn place(call: Call, input: Input<NewLegalHold>) -> Answer {
    let (tenant, given) = (call.tenant()?, input.value);
    let (node, caller) = (call.node(), call.caller());
    let done = audit_rules::place(node, caller, &tenant, given.name, given.reason).await?;
    answer::ok(&answer::changed(done, view::hold))
}

async fn release(call: Call, input: Input<ReleaseLegalHold>) -> Answer {
    let (tenant, hold) = (call.tenant()?, call.at("hold")?);
    let (node, caller) = (call.node(), call.caller());
    let done = audit_rules::release(node, caller, &tenant, hold, input.value.reason).await?;
    answer::ok(&answer::changed(done, view::hold))
}

async fn plan(call: Call) -> Answer {
    let found = audit_prune::plan(call.node(), call.caller()).await?;
    answer::ok(&view::outlook(found))
}

async fn prune(call: Call, input: Input<PruneAudit>) -> Answer {
    let given = input.value;
    let order = audit_prune::PruneOrder {
        through: given.through,
        reason: given.reason,
        clock_is_right: given.clock_is_right,
    };
    // What was ordered is done, also when whoever asked hangs up.
    to_its_end(async move {
        let gone = audit_prune::prune(call.node(), call.caller(), order).await?;
        answer::ok(&view::pruned(gone))
    })
    .await
}
