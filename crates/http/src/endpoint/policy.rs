//! `/v1/tenants/{tenant}/policies` and `…/jobs`: when keys rotate, and work that outlives requests.

use keyward_api::job::Job;
use keyward_api::names::PolicyStatus;
use keyward_api::page::{Changed, Page, Paging};
use keyward_api::policy::{
    NewPolicy, Policy, PolicyChange, PolicyPreview, PolicyTemplate, PolicyTemplates, PreviewQuery,
};
use keyward_core::names::PolicyName;
use keyward_core::noun::policy_template::POLICY_TEMPLATES;
use keyward_core::ops;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::HttpMethod::{Delete, Get, Patch, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::query::Because;
use crate::reference::{parse, parse_some};
use crate::view::{rest as view, rotation, schedule};

const TAG: &str = "policies";
const POLICIES: &str = "/v1/tenants/{tenant}/policies";
const POLICY: &str = "/v1/tenants/{tenant}/policies/{policy}";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            POLICIES,
            "create_policy",
            TAG,
            "Makes a rotation policy",
        )
        .takes::<NewPolicy>()
        .idempotent()
        .creates::<Changed<Policy>>("The policy.")
        .to(create),
        templates_route(),
        Endpoint::new(
            Get,
            POLICIES,
            "list_policies",
            TAG,
            "Lists policies by name",
        )
        .asks::<Paging>()
        .answers::<Page<Policy>>("A page of policies.")
        .to(list),
        Endpoint::new(Get, POLICY, "read_policy", TAG, "Shows a policy")
            .answers_tagged::<Policy>("The policy.")
            .to(read),
        Endpoint::new(Patch, POLICY, "update_policy", TAG, "Changes a policy")
            .takes::<PolicyChange>()
            .if_match()
            .changes()
            .answers_tagged::<Changed<Policy>>("The policy.")
            .to(update),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/policies/{policy}/preview",
            "preview_policy",
            TAG,
            "Foretells a policy's next dates, and the keys of each",
        )
        .asks::<PreviewQuery>()
        .answers::<PolicyPreview>("The dates.")
        .to(preview),
        Endpoint::new(
            Delete,
            POLICY,
            "delete_policy",
            TAG,
            "Deletes a policy; keys that had it have none",
        )
        .asks::<Because>()
        .changes()
        .answers::<Changed<Policy>>("The policy that was.")
        .to(delete),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/jobs",
            "list_jobs",
            "jobs",
            "Lists background jobs, newest first",
        )
        .asks::<JobQuery>()
        .answers::<Page<Job>>("The newest jobs.")
        .to(jobs),
    ]
}

fn templates_route() -> Route {
    Endpoint::new(
        Get,
        "/v1/policy-templates",
        "list_policy_templates",
        TAG,
        "Lists ready-made policies, with the standards they are from",
    )
    .answers::<PolicyTemplates>("The templates.")
    .to(templates)
}

/// How many jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobQuery {
    /// At most so many; 100 if not said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

async fn create(call: Call, input: Input<NewPolicy>) -> Answer {
    let tenant = call.tenant()?;
    let given = input.value;
    let new = ops::policy::NewPolicy {
        name: parse("name", &given.name)?,
        description: given.description,
        rotation_interval_days: given.rotation_interval_days,
        schedule: given.schedule.as_ref().map(schedule::read).transpose()?,
        rollback_window_seconds: given.rollback_window_seconds,
        overlap_seconds: given.overlap_seconds,
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::policy::create(call.node(), call.caller(), &tenant, new, idempotency).await?;
    let location = format!("{}/{}", call.path(), done.value.name);
    let etag = done.value.etag;
    answer::created(&answer::changed(done, view::policy), Some(etag), &location)
}

/// Any good token will do: they tell nothing of tenants or keys.
async fn templates(_: Call) -> Answer {
    let templates = POLICY_TEMPLATES.iter().map(|it| PolicyTemplate {
        name: it.name.to_owned(),
        description: it.description.to_owned(),
        suits: it.suits.to_owned(),
        rotation_interval_days: it.rotation_interval_days,
        rollback_window_seconds: it.rollback_window_seconds,
        overlap_seconds: it.overlap_seconds,
        source: it.source.to_owned(),
    });
    let templates = templates.collect();
    answer::ok(&PolicyTemplates { templates })
}

async fn list(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let listing = Listing::plain(&call, "policies")?;
    let after = listing.after::<PolicyName>()?;
    let page = ops::policy::list(
        call.node(),
        call.caller(),
        &tenant,
        after.as_ref(),
        listing.limit,
    )
    .await?;
    let last = page.rows.last().map(|policy| policy.name.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::policy).collect(), next)
}

async fn read(call: Call) -> Answer {
    let (tenant, name) = (call.tenant()?, call.at("policy")?);
    let policy = ops::policy::read(call.node(), call.caller(), &tenant, &name).await?;
    let etag = policy.etag;
    answer::tagged(&view::policy(policy), etag)
}

async fn update(call: Call, input: Input<PolicyChange>) -> Answer {
    let (tenant, name, if_match) = (call.tenant()?, call.at("policy")?, call.if_match()?);
    let given = input.value;
    let status = given.status.as_ref().map(PolicyStatus::as_str);
    let change = ops::policy::PolicyChange {
        description: given.description,
        status: parse_some("status", status)?,
        rotation_interval_days: given.rotation_interval_days,
        schedule: match &given.schedule {
            Some(Some(given)) => Some(Some(schedule::read(given)?)),
            Some(None) => Some(None),
            None => None,
        },
        rollback_window_seconds: given.rollback_window_seconds,
        overlap_seconds: given.overlap_seconds,
        reason: given.reason,
    };
    let (node, caller) = (call.node(), call.caller());
    let done = ops::policy::update(node, caller, &tenant, &name, change, if_match).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::policy), etag)
}

async fn preview(call: Call) -> Answer {
    let (tenant, name) = (call.tenant()?, call.at("policy")?);
    let PreviewQuery { count } = call.query()?;
    let (node, caller) = (call.node(), call.caller());
    let told = ops::rotation::preview(node, caller, &tenant, &name, count).await?;
    answer::ok(&rotation::preview(told))
}

async fn delete(call: Call) -> Answer {
    let (tenant, name) = (call.tenant()?, call.at("policy")?);
    let Because { reason } = call.query()?;
    let done = ops::policy::delete(call.node(), call.caller(), &tenant, &name, reason).await?;
    answer::ok(&answer::changed(done, view::policy))
}

async fn jobs(call: Call) -> Answer {
    let scope = call.tenant()?;
    let JobQuery { limit } = call.query()?;
    let jobs = ops::job::list(call.node(), call.caller(), &scope, limit).await?;
    answer::page(jobs.into_iter().map(view::job).collect(), None)
}
