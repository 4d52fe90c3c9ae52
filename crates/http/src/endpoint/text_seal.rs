//! `/v1/tenants/{tenant}/text`: whether a tenant's free texts are sealed, and the orders to seal and to
//! open them.

use keyward_api::page::Changed;
use keyward_api::tenant::{Reason, Tenant, TextStatus};
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::view::access as view;

const TAG: &str = "tenants";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/text",
            "read_text_status",
            TAG,
            "Shows whether a tenant's free texts are sealed",
        )
        .answers::<TextStatus>("How they stand, and the last job that sealed or opened them.")
        .to(status),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/seal-text",
            "seal_text",
            TAG,
            "Has a tenant's free texts sealed under its own key",
        )
        .may_take::<Reason>()
        .changes()
        .answers_tagged::<Changed<Tenant>>(
            "The tenant. What is written from now on is sealed; a job seals the rest.",
        )
        .to(seal),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/open-text",
            "open_text",
            TAG,
            "Has a tenant's free texts readable in the registry again",
        )
        .may_take::<Reason>()
        .changes()
        .answers_tagged::<Changed<Tenant>>(
            "The tenant. What is written from now on is readable; a job opens the rest.",
        )
        .to(open),
    ]
}

async fn status(call: Call) -> Answer {
    let found = ops::text_seal::status(call.node(), call.caller(), &call.tenant()?).await?;
    answer::ok(&view::text_status(found))
}

async fn seal(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    switched(&call, true, why).await
}

async fn open(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    switched(&call, false, why).await
}

async fn switched(call: &Call, seal: bool, why: Reason) -> Answer {
    let (node, caller) = (call.node(), call.caller());
    let done = ops::text_seal::switch(node, caller, &call.tenant()?, seal, why.reason).await?;
    let etag = done.value.etag;
    answer::tagged(&answer::changed(done, view::tenant), etag)
}
