//! `/health`, `/metrics`, `/openapi.json`: for machines that watch and generate.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use keyward_api::error::ErrorCode;
use keyward_api::health::{Live, OpenConditions, Ready};
use keyward_core::node::{Node, Readiness};
use keyward_core::noun::condition::Severity;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::Get;
use utoipa::openapi::schema::Type;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::{Call, Guest};
use crate::document::Endpoint;
use crate::metrics;
use crate::problem::Failure;

const TAG: &str = "status";
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Its routes.
pub fn routes(metrics_open: bool) -> Vec<Route> {
    let page = |endpoint: Endpoint| {
        endpoint.answers_as("text/plain", Type::String, "Prometheus' text form.")
    };
    let summary = "Counters and histograms";
    let metrics = if metrics_open {
        page(Endpoint::open(
            Get,
            "/metrics",
            "read_metrics",
            TAG,
            summary,
        ))
        .to(open_metrics)
    } else {
        page(Endpoint::new(Get, "/metrics", "read_metrics", TAG, summary)).to(closed_metrics)
    };
    vec![
        Endpoint::open(
            Get,
            "/health/live",
            "read_liveness",
            TAG,
            "Whether the node lives",
        )
        .answers::<Live>("It lives.")
        .to(live),
        Endpoint::open(
            Get,
            "/health/ready",
            "read_readiness",
            TAG,
            "Whether the node serves",
        )
        .answers::<Ready>("It serves.")
        .to(ready),
        metrics,
        Endpoint::open(Get, "/openapi.json", "read_openapi", TAG, "This document")
            .answers_as(
                "application/json",
                Type::Object,
                "The document, OpenAPI 3.1.",
            )
            .to(openapi),
    ]
}

async fn live(guest: Guest) -> Answer {
    answer::ok(&Live {
        status: "live".to_owned(),
        conditions: conditions(guest.app.node()),
    })
}

/// Numbers only: whoever asks need not be known.
fn conditions(node: &Node) -> OpenConditions {
    let counts = ops::condition::counts(node);
    let of = |wanted: Severity| {
        let matching = counts.open.iter().filter(|(_, it, _)| *it == wanted);
        matching.map(|(_, _, count)| count).sum()
    };
    OpenConditions {
        info: of(Severity::Info),
        warning: of(Severity::Warning),
        critical: of(Severity::Critical),
        unrecorded: counts.unrecorded,
    }
}

async fn ready(guest: Guest) -> Answer {
    let refusal = |code, detail: &'static str| Err(Failure::new(code, detail));
    match guest.app.node().readiness() {
        Readiness::Ready => answer::ok(&Ready {
            status: "ready".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            conditions: conditions(guest.app.node()),
        }),
        Readiness::Starting => refusal(ErrorCode::NotReady, "It is starting."),
        Readiness::RegistryWentBack => refusal(
            ErrorCode::NotReady,
            "The registry was put back to an older state than this server has seen.",
        ),
        Readiness::RegistryLeft => refusal(
            ErrorCode::NotReady,
            "A migration left the registry's database for another; start the server with that one.",
        ),
        Readiness::Stopping => refusal(ErrorCode::NotReady, "It is stopping."),
        Readiness::Sealed => refusal(ErrorCode::Sealed, "It is sealed; unseal it first."),
        Readiness::AuditUnavailable => refusal(
            ErrorCode::AuditUnavailable,
            "The audit log cannot be written, or lacks committed changes.",
        ),
    }
}

async fn open_metrics(guest: Guest) -> Answer {
    Ok(text(metrics::render(guest.app.node())))
}

/// Any good token will do: the page tells nothing of tenants or keys.
async fn closed_metrics(call: Call) -> Answer {
    Ok(text(metrics::render(call.node())))
}

fn text(page: String) -> axum::response::Response {
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    (StatusCode::OK, [media_type], page).into_response()
}

async fn openapi(guest: Guest) -> Answer {
    let media_type = (header::CONTENT_TYPE, answer::JSON);
    Ok((
        StatusCode::OK,
        [media_type],
        Body::from(guest.app.document()),
    )
        .into_response())
}
