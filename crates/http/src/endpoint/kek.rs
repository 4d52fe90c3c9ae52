//! `/v1/tenants/{tenant}/keks`: a tenant's key-encryption keys, shown and rotated.

use keyward_api::page::Changed;
use keyward_api::tenant::{Kek, Keks, Reason};
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
            "/v1/tenants/{tenant}/keks",
            "list_keks",
            TAG,
            "Shows the versions of a tenant's key-encryption key",
        )
        .answers::<Keks>("The versions that are not destroyed, newest first.")
        .to(list),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/rotate-kek",
            "rotate_kek",
            TAG,
            "Makes a tenant's next key-encryption key, and has its records wrapped under it",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Changed<Kek>>("The new version. The tenant's jobs show how far its records are.")
        .to(rotate),
    ]
}

async fn list(call: Call) -> Answer {
    let keks = ops::kek::list(call.node(), call.caller(), &call.tenant()?).await?;
    let items = keks.into_iter().map(view::kek).collect();
    answer::ok(&Keks { items })
}

async fn rotate(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let tenant = call.tenant()?;
    let done = ops::kek::rotate(call.node(), call.caller(), &tenant, why.reason).await?;
    answer::ok(&answer::changed(done, view::kek))
}
