//! One request from its header to its answer: correlation id, time limit, panics, problems,
//! headers, access log, metrics. Knows routes only as a service, so that it can be tested alone.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use keyward_api::error::ErrorCode;
use tokio::time::Instant;
use tower::Service;

use crate::config::HttpConfig;
use crate::exchange::{AUDIT_INDEX, CORRELATION_ID, Exchange};
use crate::metrics::{self, RequestMetrics};
use crate::problem::Failure;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// What stands before the routes.
pub struct Front {
    router: Router,
    request_timeout: Duration,
    metrics: RequestMetrics,
}

impl Front {
    /// Puts itself before some routes.
    pub fn new(router: Router, config: &HttpConfig) -> Self {
        metrics::install();
        Self {
            router,
            request_timeout: config.request_timeout,
            metrics: RequestMetrics::default(),
        }
    }

    /// Answers a request, whatever happens.
    pub async fn answer<B>(&self, mut request: Request<B>, peer: Option<IpAddr>) -> Response
    where
        B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let began = Instant::now();
        let exchange = Arc::new(Exchange::begin(request.headers(), peer));
        let method = request.method().clone();
        request.extensions_mut().insert(exchange.clone());
        let mut response = self.route(request, &exchange).await;
        finish(&mut response, &exchange);
        let took = began.elapsed();
        let status = response.status().as_u16();
        let route = exchange
            .route
            .get()
            .map_or("unmatched", |route| route.as_str());
        self.metrics.count(route, &method, status, took);
        log(&exchange, route, &method, status, took);
        response
    }

    async fn route<B>(&self, request: Request<B>, exchange: &Exchange) -> Response
    where
        B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut router = self.router.clone();
        let answering = AssertUnwindSafe(async move { router.call(request).await }).catch_unwind();
        let answered = tokio::select! {
            answered = answering => Some(answered),
            () = exchange.overdue(self.request_timeout) => None,
        };
        match answered {
            Some(Ok(Ok::<Response, Infallible>(response))) => response,
            Some(Err(_)) => {
                // The panic hook has told where; what it carried may be secret.
                tracing::error!("a handler panicked");
                Failure::internal("panic").into_response()
            }
            None => Failure::new(
                ErrorCode::Overloaded,
                "It took too long; it may or may not have been done. Look before trying again.",
            )
            .into_response(),
        }
    }
}

/// Writes the problem, if it is one, and the headers that every answer has.
fn finish(response: &mut Response, exchange: &Exchange) {
    let failure = response.extensions_mut().remove::<Failure>();
    let failure = failure.or_else(|| unspoken(response));
    if let Some(failure) = failure {
        *response.status_mut() = failure.status();
        let problem = failure.problem(&exchange.correlation_id);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        *response.body_mut() = Body::from(body);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, PROBLEM_JSON);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    headers.insert(CORRELATION_ID, exchange.correlation_header());
    if let Some(index) = exchange.audit_index_header() {
        headers.insert(AUDIT_INDEX, index);
    }
    // Unless an endpoint says that its answer may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    headers.insert(CONTENT_TYPE_OPTIONS, NO_SNIFF);
}

/// The problem of an answer that came from the routing itself: unknown path, wrong method.
fn unspoken(response: &Response) -> Option<Failure> {
    if response.headers().contains_key(header::CONTENT_TYPE) {
        return None;
    }
    match response.status() {
        StatusCode::NOT_FOUND => Some(Failure::new(ErrorCode::NotFound, "There is no such path.")),
        StatusCode::METHOD_NOT_ALLOWED => Some(Failure::new(
            ErrorCode::MethodNotAllowed,
            "The header Allow lists the methods of this path.",
        )),
        _ => None,
    }
}

/// The access log: never a query, a body or a token, only the route's own template.
fn log(exchange: &Exchange, route: &str, method: &Method, status: u16, took: Duration) {
    let token = exchange.token.get();
    tracing::info!(
        target: "keyward::access",
        method = method.as_str(),
        route,
        status,
        micros = took.as_micros() as u64,
        correlation_id = exchange.correlation_id.as_str(),
        token = token.map(tracing::field::display),
        "request"
    );
}
