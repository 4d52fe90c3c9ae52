//! A request from a caller whose token was checked, and what its path and headers name.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use keyward_core::audit::LeafSlot;
use keyward_core::caller::{Caller, Origin, TenantRef};
use keyward_core::error::OpError;
use keyward_core::names::CorrelationId;
use keyward_core::node::Node;
use keyward_core::ops::authenticate::authenticate;
use keyward_core::port::registry::KeyRef;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::exchange::Exchange;
use crate::precondition;
use crate::problem::Failure;
use crate::{query, reference, transfer};

/// An authenticated request. Extracted before anything else of a request is looked at, so that a
/// stranger learns nothing but that a token is needed.
pub struct Call {
    app: App,
    caller: Caller,
    params: RawPathParams,
    uri: Uri,
    if_match: HeaderMap,
    wants_bytes: bool,
}

/// A request that needs no token.
pub struct Guest {
    /// The state of the server.
    pub app: App,
    /// The TCP peer.
    pub peer: Option<IpAddr>,
    /// The request.
    pub correlation_id: CorrelationId,
}

impl FromRequestParts<App> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let exchange = exchange(parts)?;
        // Taken out, so that nothing behind this line can log it.
        let authorization = parts.headers.remove(header::AUTHORIZATION);
        let token = authorization.as_ref().and_then(bearer);
        app.rates().hear(exchange.peer, token)?;
        let authenticated = authenticate(app.node(), token, origin(&exchange)).await;
        if let Some(why) = app.node().address_withheld() {
            tracing::warn!(why, "the audit log says that addresses are withheld");
        }
        let caller = match authenticated {
            Ok(caller) => caller,
            Err(error) => {
                if matches!(error, OpError::Unauthenticated) {
                    app.rates().refused(exchange.peer, token);
                }
                return Err(error.into());
            }
        };
        if let Some(token) = caller.token() {
            let _ = exchange.token.set(token);
            app.rates().recognised(token);
            app.rates().token(token)?;
        }
        let params = RawPathParams::from_request_parts(parts, app).await;
        Ok(Self {
            app: app.clone(),
            caller,
            params: params.map_err(|rejection: RawPathParamsRejection| {
                Failure::invalid(format!("path: {}", rejection.body_text()))
            })?,
            uri: parts.uri.clone(),
            if_match: only_if_match(&parts.headers),
            wants_bytes: transfer::wants_bytes(&parts.headers),
        })
    }
}

impl FromRequestParts<App> for Guest {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let exchange = exchange(parts)?;
        Ok(Self {
            app: app.clone(),
            peer: exchange.peer,
            correlation_id: exchange.correlation_id.clone(),
        })
    }
}

/// The exchange that the front began, with the route that was found.
pub fn exchange(parts: &Parts) -> Result<Arc<Exchange>, Failure> {
    let exchange = parts
        .extensions
        .get::<Arc<Exchange>>()
        .ok_or_else(|| Failure::internal("a request that did not come through the front"))?;
    if let Some(route) = parts.extensions.get::<MatchedPath>() {
        let _ = exchange.route.set(route.clone());
    }
    Ok(exchange.clone())
}

fn origin(exchange: &Exchange) -> Origin {
    Origin {
        address: exchange.peer.map(|peer| peer.to_string()),
        correlation_id: exchange.correlation_id.clone(),
        leaf: exchange.leaf.clone(),
    }
}

/// The token of `Bearer kw_…`. Borrowed from the header: no copy of it is made.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn only_if_match(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for value in headers.get_all(header::IF_MATCH) {
        kept.append(header::IF_MATCH, value.clone());
    }
    kept
}

impl Call {
    /// The node.
    pub fn node(&self) -> &Node {
        self.app.node()
    }

    /// The state of the server.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Who calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The request.
    pub const fn correlation_id(&self) -> &CorrelationId {
        self.caller.correlation_id()
    }

    /// The request's path.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Whether the answer should be bytes, where there is a choice.
    pub const fn wants_bytes(&self) -> bool {
        self.wants_bytes
    }

    /// A segment of the path as text.
    pub fn segment(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find_map(|(param, value)| (param == name).then_some(value))
    }

    /// A segment of the path as a value.
    pub fn at<T: FromStr>(&self, name: &'static str) -> Result<T, Failure>
    where
        T::Err: std::fmt::Display,
    {
        let text = self
            .segment(name)
            .ok_or_else(|| Failure::internal("a route without its segment"))?;
        reference::parse(name, text)
    }

    /// The tenant of the path.
    pub fn tenant(&self) -> Result<TenantRef, Failure> {
        let text = self
            .segment("tenant")
            .ok_or_else(|| Failure::internal("a route without its tenant"))?;
        TenantRef::parse(text).ok_or_else(|| Failure::invalid("tenant: give a name or an id"))
    }

    /// The key of the path: itself, or the current one of a class.
    pub fn key(&self, tenant: &TenantRef) -> Result<KeyRef, Failure> {
        if self.segment("class").is_some() {
            return Ok(KeyRef::Class(self.at("class")?));
        }
        // `…/keys/batch` and `…/keys/import` take POST; otherwise they are keys of those names.
        let last = self.path().rsplit('/').next().unwrap_or_default();
        let text = self.segment("key").unwrap_or(last);
        reference::key(text, self.deployment(), tenant)
    }

    /// The deployment's id.
    pub fn deployment(&self) -> uuid::Uuid {
        self.node().settings().deployment
    }

    /// The query parameters.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        query::read(&self.uri)
    }

    /// The row version that the caller has read.
    pub fn if_match(&self) -> Result<Option<i64>, Failure> {
        precondition::if_match(&self.if_match)
    }
}

impl Guest {
    /// The caller's address and request.
    pub fn origin(&self) -> Origin {
        Origin {
            address: self.peer.map(|peer| peer.to_string()),
            correlation_id: self.correlation_id.clone(),
            leaf: LeafSlot::default(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_read() {
        let of = |text: &str| bearer(&HeaderValue::from_str(text).unwrap()).map(str::to_owned);
        assert_eq!(of("Bearer kw_a").as_deref(), Some("kw_a"));
        assert_eq!(of("bearer  kw_a ").as_deref(), Some("kw_a"));
        assert_eq!(of("Basic kw_a"), None);
        assert_eq!(of("kw_a"), None);
        assert_eq!(of("Bearer"), None);
    }
}
