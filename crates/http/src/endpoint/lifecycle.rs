//! The lifecycle verbs of a key: POST `…/keys/{key}/{verb}`. Each answers with the key as it is.

use keyward_api::key::Key;
use keyward_api::lifecycle::{Destroy, Lifecycle, Renew, Revoke, Rotate};
use keyward_api::page::Changed;
use keyward_core::lifecycle::Which;
use keyward_core::ops::key::{self, LifecycleRequest, RotateRequest};
use utoipa::ToSchema;
use utoipa::openapi::HttpMethod::Post;

use super::Route;
use super::key::changed;
use crate::answer::Answer;
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::problem::Failure;
use crate::reference::{parse, parse_some};

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/activate",
            "activate_key",
            "Puts pending versions into use",
        )
        .to(activate),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/suspend",
            "suspend_key",
            "Puts active versions on hold",
        )
        .to(suspend),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/resume",
            "resume_key",
            "Takes versions off hold",
        )
        .to(resume),
        verb::<Rotate>(
            "/v1/tenants/{tenant}/keys/{key}/rotate",
            "rotate_key",
            "Makes a new version and lets it protect",
        )
        .to(rotate),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/rollback",
            "roll_back_key",
            "Undoes the last rotation inside its window",
        )
        .to(roll_back),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/expire",
            "expire_key",
            "Ends a version's cryptoperiod now",
        )
        .to(expire),
        verb::<Renew>(
            "/v1/tenants/{tenant}/keys/{key}/renew",
            "renew_key",
            "Extends a version's cryptoperiod",
        )
        .to(renew),
        required::<Revoke>(
            "/v1/tenants/{tenant}/keys/{key}/revoke",
            "revoke_key",
            "Revokes a key for a reason",
        )
        .to(revoke),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/compromise",
            "compromise_key",
            "Marks versions compromised",
        )
        .to(compromise),
        verb::<Destroy>(
            "/v1/tenants/{tenant}/keys/{key}/destroy",
            "destroy_key",
            "Schedules the destruction of versions",
        )
        .to(destroy),
        verb::<Lifecycle>(
            "/v1/tenants/{tenant}/keys/{key}/cancel-destruction",
            "cancel_destruction",
            "Calls scheduled destructions off",
        )
        .to(cancel_destruction),
    ]
}

/// A verb whose body may be left out.
fn verb<T: ToSchema>(path: &'static str, id: &str, summary: &str) -> Endpoint {
    document(Endpoint::new(Post, path, id, "lifecycle", summary).may_take::<T>())
}

/// A verb whose body must be there.
fn required<T: ToSchema>(path: &'static str, id: &str, summary: &str) -> Endpoint {
    document(Endpoint::new(Post, path, id, "lifecycle", summary).takes::<T>())
}

fn document(endpoint: Endpoint) -> Endpoint {
    endpoint
        .if_match()
        .changes()
        .answers_tagged::<Changed<Key>>("The key as it is now.")
}

fn request(
    call: &Call,
    version: Option<u32>,
    reason: Option<String>,
) -> Result<LifecycleRequest, Failure> {
    Ok(LifecycleRequest {
        which: version.map_or(Which::Default, |version| Which::Version(version.into())),
        reason,
        if_match: call.if_match()?,
    })
}

macro_rules! plain_verbs {
    ($($verb:ident),+ $(,)?) => {$(
        async fn $verb(call: Call, OptionalInput(body): OptionalInput<Lifecycle>) -> Answer {
            let tenant = call.tenant()?;
            let key = call.key(&tenant)?;
            let request = request(&call, body.version, body.reason)?;
            let done = key::$verb(call.node(), call.caller(), &tenant, &key, request).await?;
            changed(&call, done)
        }
    )+};
}

plain_verbs!(
    activate,
    suspend,
    resume,
    roll_back,
    expire,
    compromise,
    cancel_destruction
);

async fn rotate(call: Call, OptionalInput(body): OptionalInput<Rotate>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let request = RotateRequest {
        reason: body.reason,
        emergency: body.emergency,
        expires_at: parse_some("expires_at", body.expires_at.as_ref().map(|time| &*time.0))?,
        if_match: call.if_match()?,
    };
    let done = key::rotate(call.node(), call.caller(), &tenant, &key, request).await?;
    changed(&call, done)
}

async fn renew(call: Call, OptionalInput(body): OptionalInput<Renew>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let request = request(&call, body.version, body.reason)?;
    let until = parse_some("expires_at", body.expires_at.as_ref().map(|time| &*time.0))?;
    let done = key::renew(call.node(), call.caller(), &tenant, &key, request, until).await?;
    changed(&call, done)
}

async fn revoke(call: Call, input: Input<Revoke>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let body = input.value;
    let reason = parse("revocation_reason", body.revocation_reason.as_str())?;
    let request = request(&call, body.version, body.reason)?;
    let done = key::revoke(call.node(), call.caller(), &tenant, &key, request, reason).await?;
    changed(&call, done)
}

async fn destroy(call: Call, OptionalInput(body): OptionalInput<Destroy>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let request = request(&call, body.version, body.reason)?;
    let (days, force) = (body.wait_days, body.force);
    let done = key::schedule_destruction(
        call.node(),
        call.caller(),
        &tenant,
        &key,
        request,
        days,
        force,
    )
    .await?;
    changed(&call, done)
}
