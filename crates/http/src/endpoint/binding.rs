//! `…/keys/{key}/bindings`: which data a key protects.

use keyward_api::binding::{DataBinding, NewBinding};
use keyward_api::page::{Changed, Page, Paging};
use keyward_api::tenant::Reason;
use keyward_core::ids::BindingId;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::view::rest as view;

const TAG: &str = "bindings";
const BINDINGS: &str = "/v1/tenants/{tenant}/keys/{key}/bindings";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            BINDINGS,
            "create_binding",
            TAG,
            "Records that a key protects some data",
        )
        .takes::<NewBinding>()
        .idempotent()
        .creates::<Changed<DataBinding>>("The binding.")
        .to(create),
        Endpoint::new(
            Get,
            BINDINGS,
            "list_bindings",
            TAG,
            "Lists the data that a key protects",
        )
        .asks::<Paging>()
        .answers::<Page<DataBinding>>("A page of bindings.")
        .to(list),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/keys/{key}/bindings/{binding}/release",
            "release_binding",
            TAG,
            "Records that a key protects some data no more",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Changed<DataBinding>>("The binding, released.")
        .to(release),
    ]
}

async fn create(call: Call, input: Input<NewBinding>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let NewBinding { uri, label, owner } = input.value;
    let new = ops::binding::NewBinding { uri, label, owner };
    let idempotency = input.idempotency.as_ref();
    let done =
        ops::binding::create(call.node(), call.caller(), &tenant, &key, new, idempotency).await?;
    let location = format!("{}/{}", call.path(), done.value.id);
    answer::created(&answer::changed(done, view::binding), None, &location)
}

async fn list(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let listing = Listing::plain(&call, "bindings")?;
    let after = listing.after::<BindingId>()?;
    let page = ops::binding::list(
        call.node(),
        call.caller(),
        &tenant,
        &key,
        after,
        listing.limit,
    )
    .await?;
    let next = listing.next(
        page.more,
        page.rows.last().map(|binding| binding.id.to_string()),
    );
    answer::page(page.rows.into_iter().map(view::binding).collect(), next)
}

async fn release(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let tenant = call.tenant()?;
    let (key, id) = (call.key(&tenant)?, call.at("binding")?);
    let done =
        ops::binding::release(call.node(), call.caller(), &tenant, &key, id, why.reason).await?;
    answer::ok(&answer::changed(done, view::binding))
}
