//! `/v1/witness`: the server as a witness of other deployments' logs, as C2SP's `tlog-witness` has it.
//! Nobody shows a token here: what counts is the log's signature on its checkpoint. Bodies are small, and
//! few are looked at at a time.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyward_api::audit::AuditWitnessKey;
use keyward_api::error::ErrorCode;
use keyward_core::ops;
use keyward_core::port::witness_desk::WitnessRefusal;
use utoipa::openapi::HttpMethod::{Get, Post};
use utoipa::openapi::schema::Type;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::{Call, Guest};
use crate::document::Endpoint;
use crate::input::Small;
use crate::problem::Failure;

const TAG: &str = "witness";
const TEXT: &str = "text/plain; charset=utf-8";
/// A 409 holds a number.
const SIZE: &str = "text/x.tlog.size";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::open(
            Post,
            "/v1/witness/add-checkpoint",
            "add_witness_checkpoint",
            TAG,
            "Cosigns a checkpoint of a log of which this server is a witness",
        )
        .takes_small_text()
        .answers_as(
            TEXT,
            Type::String,
            "Signature lines (C2SP tlog-cosignature).",
        )
        .refuses_as("400", TEXT, "What was sent cannot be understood.")
        .refuses_as("403", TEXT, "The log has not signed it.")
        .refuses_as("404", TEXT, "This server is no witness of that log.")
        .refuses_as(
            "409",
            SIZE,
            "How many entries the last cosigned checkpoint has.",
        )
        .refuses_as(
            "422",
            TEXT,
            "It was not proved that the log has only grown.",
        )
        .to(add),
        Endpoint::open(
            Get,
            "/v1/witness/{witnessed}/checkpoint",
            "read_witness_checkpoint",
            TAG,
            "Gives the last checkpoint of a log that this server has cosigned",
        )
        .answers_as(TEXT, Type::String, "A signed note (C2SP tlog-checkpoint).")
        .refuses_as("404", TEXT, "Nothing of that log was cosigned.")
        .to(checkpoint),
        Endpoint::new(
            Get,
            "/v1/audit/witness-key",
            "read_audit_witness_key",
            "audit",
            "Shows by which key this server cosigns other deployments' logs",
        )
        .answers::<AuditWitnessKey>("The name, and the key under it.")
        .to(key),
    ]
}

async fn add(guest: Guest, body: Small) -> Answer {
    match ops::log::add_checkpoint(guest.app.node(), body.0).await {
        Ok(lines) => Ok(text(StatusCode::OK, TEXT, lines)),
        Err(refusal) => refused(&refusal),
    }
}

async fn checkpoint(guest: Guest, path: axum::extract::RawPathParams) -> Answer {
    let named = path.iter().find(|(name, _)| *name == "witnessed");
    let log = named.map_or("", |(_, value)| value);
    match ops::log::witnessed(guest.app.node(), log).await {
        Ok(note) => Ok(text(StatusCode::OK, TEXT, note)),
        Err(refusal) => refused(&refusal),
    }
}

async fn key(call: Call) -> Answer {
    let found = ops::log::witness_name(call.node(), call.caller()).await?;
    answer::ok(&AuditWitnessKey {
        name: found.name,
        key: found.key,
    })
}

fn refused(refusal: &WitnessRefusal) -> Answer {
    let status = match refusal {
        WitnessRefusal::Malformed(_) => StatusCode::BAD_REQUEST,
        WitnessRefusal::NotSigned(_) => StatusCode::FORBIDDEN,
        WitnessRefusal::UnknownLog => StatusCode::NOT_FOUND,
        WitnessRefusal::NotConsistent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        WitnessRefusal::OtherSize(known) => {
            return Ok(text(StatusCode::CONFLICT, SIZE, format!("{known}\n")));
        }
        WitnessRefusal::Unavailable(why) => return Err(Failure::new(ErrorCode::NotReady, *why)),
    };
    Ok(text(status, TEXT, format!("{refusal}\n")))
}

fn text(status: StatusCode, media_type: &'static str, text: String) -> Response {
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    (status, [media_type], text).into_response()
}
