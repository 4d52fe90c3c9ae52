//! `/v1/tenants/{tenant}/tokens`: made, listed, revoked. A token's text is answered once.

use axum::http::{HeaderValue, StatusCode, header};
use keyward_api::page::{Changed, Page, Paging};
use keyward_api::tenant::Reason;
use keyward_api::token::{IssuedToken, NewToken, Token, TokenText};
use keyward_core::ids::TokenId;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::{Input, OptionalInput};
use crate::reference::parse_some;
use crate::view::access as view;

const TAG: &str = "tokens";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/tokens",
            "create_token",
            TAG,
            "Makes a token for a principal and shows it once",
        )
        .takes::<NewToken>()
        .idempotent()
        .creates::<IssuedToken>("The token with its text, which is not shown again.")
        .to(create),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/tokens",
            "list_tokens",
            TAG,
            "Lists tokens, without their secrets",
        )
        .asks::<Paging>()
        .answers::<Page<Token>>("A page of tokens.")
        .to(list),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/tokens/{token}/revoke",
            "revoke_token",
            TAG,
            "Ends a token",
        )
        .may_take::<Reason>()
        .changes()
        .answers::<Changed<Token>>("The token, revoked.")
        .to(revoke),
    ]
}

async fn create(call: Call, input: Input<NewToken>) -> Answer {
    let scope = call.tenant()?;
    let NewToken {
        principal,
        label,
        expires_at,
    } = input.value;
    let new = ops::token::NewToken {
        principal: super::principal::reference("principal", &principal)?,
        label,
        expires_at: parse_some("expires_at", expires_at.as_ref().map(|time| &*time.0))?,
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::token::create(call.node(), call.caller(), &scope, new, idempotency).await?;
    let issued = IssuedToken {
        token: view::token(done.value.token),
        text: TokenText::new(done.value.text),
        revision: done.revision,
        audit: answer::audit(done.audit_pending),
    };
    let mut response = answer::secret(StatusCode::CREATED, &issued, 1024)?;
    let location = format!("{}/{}", call.path(), issued.token.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn list(call: Call) -> Answer {
    let scope = call.tenant()?;
    let listing = Listing::plain(&call, "tokens")?;
    let after = listing.after::<TokenId>()?;
    let page = ops::token::list(call.node(), call.caller(), &scope, after, listing.limit).await?;
    let next = listing.next(
        page.more,
        page.rows.last().map(|token| token.id.to_string()),
    );
    answer::page(page.rows.into_iter().map(view::token).collect(), next)
}

async fn revoke(call: Call, OptionalInput(why): OptionalInput<Reason>) -> Answer {
    let (scope, token) = (call.tenant()?, call.at("token")?);
    let done = ops::token::revoke(call.node(), call.caller(), &scope, token, why.reason).await?;
    answer::ok(&answer::changed(done, view::token))
}
