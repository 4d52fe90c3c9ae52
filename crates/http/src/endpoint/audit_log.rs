//! `…/audit/log`: the transparency log as C2SP's `tlog-tiles` has it, below a prefix for each tree; and
//! `…/audit/receipts`: that an entry is in it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyward_api::audit::{AuditKeyRotation, AuditLogKey, AuditReceipt, RotateAuditKey};
use keyward_core::ops;
use keyward_core::ops::log::{LogScope, TreeKind};
use keyward_core::port::transparency::LogReceipt;
use utoipa::openapi::HttpMethod::{Get, Post};
use utoipa::openapi::schema::Type;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::problem::Failure;
use crate::view::time;

const TAG: &str = "audit";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// What a tile's path says does not change while the log has its name.
const LONG: HeaderValue = HeaderValue::from_static("private, max-age=3600");
/// The next one comes in a second.
const A_SECOND: HeaderValue = HeaderValue::from_static("private, max-age=1");
/// The largest whole number that every JSON reader keeps exactly.
const SEQUENCE_MAX: u64 = (1 << 53) - 1;

const SYSTEM: &str = "/v1/audit";
const TENANT: &str = "/v1/tenants/{tenant}/audit";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = tree(&format!("{SYSTEM}/log"), "", "the system's log");
    routes.extend(tree(
        &format!("{TENANT}/log/{{log}}"),
        "tenant_",
        "one of a tenant's logs",
    ));
    routes.push(
        Endpoint::new(
            Post,
            format!("{SYSTEM}/log/rotate-key"),
            "rotate_audit_key",
            TAG,
            "Makes the next key that signs the audit log",
        )
        .may_take::<RotateAuditKey>()
        .changes()
        .answers::<AuditKeyRotation>("The next key; each node's log is handed over to it.")
        .to(rotate_key),
    );
    routes.push(
        Endpoint::new(
            Get,
            format!("{SYSTEM}/receipts/{{sequence}}"),
            "read_audit_receipt",
            TAG,
            "Proves that an entry of anybody's is in the log",
        )
        .answers::<AuditReceipt>("The entry, and a receipt for it.")
        .to(receipt),
    );
    routes.push(
        Endpoint::new(
            Get,
            format!("{TENANT}/receipts/{{sequence}}"),
            "read_tenant_audit_receipt",
            TAG,
            "Proves that an entry of the tenant's is in the log",
        )
        .answers::<AuditReceipt>("The entry, and a receipt for it.")
        .to(receipt),
    );
    routes
}

fn tree(prefix: &str, id: &str, what: &str) -> Vec<Route> {
    let endpoint = |path: &str, name: &str, summary: String| {
        let id = format!("read_{id}audit_log_{name}");
        Endpoint::new(Get, format!("{prefix}/{path}"), &id, TAG, &summary)
    };
    vec![
        endpoint(
            "key",
            "key",
            format!("Shows the name and the public key of {what}"),
        )
        .answers::<AuditLogKey>("The name, and the key under it.")
        .to(key),
        endpoint(
            "handovers",
            "handovers",
            format!("Gives the hand-overs from one signing key of {what} to the next"),
        )
        .answers_as(
            TEXT,
            Type::String,
            "Signed notes, the oldest first, each followed by an empty line.",
        )
        .to(handovers),
        endpoint(
            "checkpoint",
            "checkpoint",
            format!("Gives the newest signed checkpoint of {what}"),
        )
        .answers_as(TEXT, Type::String, "A signed note (C2SP tlog-checkpoint).")
        .to(checkpoint),
        endpoint(
            "tile/{*tile}",
            "tile",
            format!("Gives a tile of {what}, of hashes or of entries"),
        )
        .answers_as(BYTES, Type::String, "The tile (C2SP tlog-tiles).")
        .to(tile),
        endpoint(
            "receipts/{index}",
            "receipt",
            format!("Proves that the entry with an index is in {what}"),
        )
        .answers::<AuditReceipt>("The entry, and a receipt for it.")
        .to(receipt_at),
    ]
}

fn scope(call: &Call) -> Result<LogScope, Failure> {
    if call.segment("tenant").is_none() {
        return Ok(LogScope::System);
    }
    let kind: TreeKind = call.at("log")?;
    Ok(LogScope::Tenant(call.tenant()?, kind))
}

async fn key(call: Call) -> Answer {
    let key = ops::log::log_key(call.node(), call.caller(), &scope(&call)?).await?;
    answer::ok(&AuditLogKey {
        origin: key.origin,
        key: key.key,
    })
}

async fn handovers(call: Call) -> Answer {
    let text = ops::log::handovers(call.node(), call.caller(), &scope(&call)?).await?;
    let media_type = HeaderValue::from_static(TEXT);
    Ok(file(text.into_bytes(), media_type, A_SECOND))
}

async fn rotate_key(call: Call, OptionalInput(wanted): OptionalInput<RotateAuditKey>) -> Answer {
    let RotateAuditKey {
        overlap_hours,
        reason,
    } = wanted;
    let rotated = ops::log::rotate_key(call.node(), call.caller(), overlap_hours, reason).await?;
    answer::ok(&AuditKeyRotation {
        public_key: STANDARD.encode(rotated.public),
        former_until: time(rotated.former_until),
    })
}

async fn checkpoint(call: Call) -> Answer {
    let text = ops::log::checkpoint(call.node(), call.caller(), &scope(&call)?).await?;
    let media_type = HeaderValue::from_static(TEXT);
    Ok(file(text.into_bytes(), media_type, A_SECOND))
}

async fn tile(call: Call) -> Answer {
    let path = format!("tile/{}", call.segment("tile").unwrap_or_default());
    let bytes = ops::log::tile(call.node(), call.caller(), &scope(&call)?, &path).await?;
    Ok(file(bytes, HeaderValue::from_static(BYTES), LONG))
}

fn file(bytes: Vec<u8>, media_type: HeaderValue, kept: HeaderValue) -> axum::response::Response {
    let mut response = (StatusCode::OK, Body::from(bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, kept);
    response
}

async fn receipt(call: Call) -> Answer {
    let sequence: u64 = call.at("sequence")?;
    if sequence > SEQUENCE_MAX {
        return Err(Failure::invalid("sequence: must be a sequence number"));
    }
    let tenant = match call.segment("tenant") {
        None => None,
        Some(_) => Some(call.tenant()?),
    };
    let found = ops::log::receipt(call.node(), call.caller(), tenant.as_ref(), sequence).await?;
    given(found)
}

async fn receipt_at(call: Call) -> Answer {
    let index: u64 = call.at("index")?;
    if index > SEQUENCE_MAX {
        return Err(Failure::invalid("index: must be an index in the log"));
    }
    let found = ops::log::receipt_at(call.node(), call.caller(), &scope(&call)?, index).await?;
    given(found)
}

fn given(found: LogReceipt) -> Answer {
    answer::ok(&AuditReceipt {
        entry: String::from_utf8(found.entry)
            .map_err(|_| Failure::internal("an entry that is no text"))?,
        index: found.index,
        receipt: found.receipt,
    })
}
