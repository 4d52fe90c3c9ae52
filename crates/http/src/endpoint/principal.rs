//! `/v1/tenants/{tenant}/principals`: made, listed, disabled.

use keyward_api::page::{Changed, Page, Paging};
use keyward_api::principal::{NewPrincipal, Principal};
use keyward_api::tenant::Reason;
use keyward_core::names::PrincipalName;
use keyward_core::ops;
use keyward_core::ops::token::PrincipalRef;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::problem::Failure;
use crate::reference::parse;
use crate::view::access as view;

const TAG: &str = "principals";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/principals",
            "create_principal",
            TAG,
            "Makes a principal, which may do nothing until it is given a role",
        )
        .takes::<NewPrincipal>()
        .idempotent()
        .creates::<Changed<Principal>>("The principal.")
        .to(create),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/principals",
            "list_principals",
            TAG,
            "Lists principals by name",
        )
        .asks::<Paging>()
        .answers::<Page<Principal>>("A page of principals.")
        .to(list),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/principals/{principal}/disable",
            "disable_principal",
            TAG,
            "Disables a principal: its tokens are refused from here",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Changed<Principal>>("The principal, disabled.")
        .to(disable),
    ]
}

async fn create(call: Call, input: Input<NewPrincipal>) -> Answer {
    let scope = call.tenant()?;
    let new = ops::principal::NewPrincipal {
        name: parse("name", &input.value.name)?,
        kind: parse("kind", input.value.kind.as_str())?,
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::principal::create(call.node(), call.caller(), &scope, new, idempotency).await?;
    let location = format!("{}/{}", call.path(), done.value.id);
    answer::created(&answer::changed(done, view::principal), None, &location)
}

async fn list(call: Call) -> Answer {
    let scope = call.tenant()?;
    let listing = Listing::plain(&call, "principals")?;
    let after = listing.after::<PrincipalName>()?;
    let page = ops::principal::list(
        call.node(),
        call.caller(),
        &scope,
        after.as_ref(),
        listing.limit,
    )
    .await?;
    let last = page.rows.last().map(|principal| principal.name.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::principal).collect(), next)
}

async fn disable(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let scope = call.tenant()?;
    let principal = reference("principal", call.segment("principal").unwrap_or_default())?;
    let done =
        ops::principal::disable(call.node(), call.caller(), &scope, &principal, why.reason).await?;
    answer::ok(&answer::changed(done, view::principal))
}

/// A principal as a path or a field names it.
pub fn reference(field: &'static str, text: &str) -> Result<PrincipalRef, Failure> {
    PrincipalRef::parse(text)
        .ok_or_else(|| Failure::invalid(format!("{field}: give a name or an id")))
}
