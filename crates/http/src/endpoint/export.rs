//! `…/keys/{key}/export`: a key that goes out, wrapped to its receiver.

use keyward_api::binary::Binary;
use keyward_api::exchange::{Export, ExportedKey};
use keyward_api::names::Algorithm;
use keyward_core::ops;
use keyward_core::ops::key::ExportRequest;
use utoipa::openapi::HttpMethod::Post;

use super::Route;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::reference::parse;

/// Its route.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/keys/{key}/export",
            "export_key",
            "exchange",
            "Gives out an exportable key, wrapped to a public key of the receiver",
        )
        .takes::<Export>()
        .changes()
        .answers::<ExportedKey>("The wrapped key.")
        .to(export),
    ]
}

async fn export(call: Call, input: Input<Export>) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let Export {
        method,
        recipient,
        format,
        version,
    } = input.value;
    let request = ExportRequest {
        version,
        method: parse("method", method.as_str())?,
        recipient: recipient.0,
        format: parse("format", format.as_str())?,
    };
    let done = ops::key::export(call.node(), call.caller(), &tenant, &key, request).await?;
    answer::ok(&ExportedKey {
        key_id: done.key.uuid(),
        version: done.version,
        algorithm: Algorithm::from(done.algorithm.name()),
        method,
        format,
        wrapped: Binary(done.wrapped),
    })
}
