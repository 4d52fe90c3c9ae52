//! `/v1/tenants`: made, listed, shown, suspended, resumed, shredded.

use keyward_api::page::{Changed, Page, Paging};
use keyward_api::tenant::{NewTenant, Reason, Shred, Tenant};
use keyward_core::names::TenantName;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::reference::parse;
use crate::view::access as view;

const TAG: &str = "tenants";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(Post, "/v1/tenants", "create_tenant", TAG, "Makes a tenant")
            .takes::<NewTenant>()
            .idempotent()
            .creates::<Changed<Tenant>>("The tenant.")
            .to(create),
        Endpoint::new(
            Get,
            "/v1/tenants",
            "list_tenants",
            TAG,
            "Lists tenants by name",
        )
        .asks::<Paging>()
        .answers::<Page<Tenant>>("A page of tenants.")
        .to(list),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}",
            "read_tenant",
            TAG,
            "Shows a tenant",
        )
        .answers_tagged::<Tenant>("The tenant.")
        .to(read),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/suspend",
            "suspend_tenant",
            TAG,
            "Stops every use of a tenant's keys",
        )
        .may_take::<Reason>()
        .changes()
        .answers_tagged::<Changed<Tenant>>("The tenant, suspended.")
        .to(suspend),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/resume",
            "resume_tenant",
            TAG,
            "Allows the use of a suspended tenant's keys again",
        )
        .may_take::<Reason>()
        .changes()
        .answers_tagged::<Changed<Tenant>>("The tenant, active.")
        .to(resume),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/shred",
            "shred_tenant",
            TAG,
            "Destroys a suspended tenant's key-encryption keys, and with them all it held",
        )
        .takes::<Shred>()
        .changes()
        .answers_tagged::<Changed<Tenant>>("The tenant, shredded.")
        .to(shred),
    ]
}

async fn create(call: Call, input: Input<NewTenant>) -> Answer {
    let new = ops::tenant::NewTenant {
        name: parse("name", &input.value.name)?,
        description: input.value.description,
        seal_text: input.value.seal_text,
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::tenant::create(call.node(), call.caller(), new, idempotency).await?;
    let location = format!("/v1/tenants/{}", done.value.id);
    let etag = done.value.etag;
    answer::created(&answer::changed(done, view::tenant), Some(etag), &location)
}

async fn list(call: Call) -> Answer {
    let listing = Listing::plain(&call, "tenants")?;
    let after = listing.after::<TenantName>()?;
    let page = ops::tenant::list(call.node(), call.caller(), after.as_ref(), listing.limit).await?;
    let last = page.rows.last().map(|tenant| tenant.name.to_string());
    let next = listing.next(page.more, last);
    answer::page(page.rows.into_iter().map(view::tenant).collect(), next)
}

async fn read(call: Call) -> Answer {
    let tenant = ops::tenant::read(call.node(), call.caller(), &call.tenant()?).await?;
    let etag = tenant.etag;
    answer::tagged(&view::tenant(tenant), etag)
}

async fn suspend(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let tenant = call.tenant()?;
    shown(ops::tenant::suspend(call.node(), call.caller(), &tenant, why.reason).await?)
}

async fn resume(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let tenant = call.tenant()?;
    shown(ops::tenant::resume(call.node(), call.caller(), &tenant, why.reason).await?)
}

async fn shred(call: Call, input: Input<Shred>) -> Answer {
    let tenant = call.tenant()?;
    shown(ops::tenant::shred(call.node(), call.caller(), &tenant, input.value.reason).await?)
}

fn shown(done: keyward_core::caller::Changed<keyward_core::noun::tenant::Tenant>) -> Answer {
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::tenant), etag)
}
