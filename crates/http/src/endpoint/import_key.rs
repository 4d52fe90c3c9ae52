//! `/v1/tenants/{tenant}/import-keys`: wrapping keys under which keys come in.

use keyward_api::binary::Binary;
use keyward_api::exchange::{ImportKey, MadeImportKey, NewImportKey};
use keyward_api::names::WrapMethod;
use keyward_api::page::Changed;
use keyward_core::crypto_types;
use keyward_core::ops;
use utoipa::openapi::HttpMethod::{Get, Post};

use super::Route;
use super::public_key::pem;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::OptionalInput;
use crate::reference::parse_some;
use crate::view::exchange as view;

const TAG: &str = "exchange";
const IMPORT_KEYS: &str = "/v1/tenants/{tenant}/import-keys";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            IMPORT_KEYS,
            "create_import_key",
            TAG,
            "Makes a short-lived wrapping key under which one key can come in",
        )
        .may_take::<NewImportKey>()
        .creates::<Changed<MadeImportKey>>("The wrapping key with its public half.")
        .to(create),
        Endpoint::new(
            Get,
            format!("{IMPORT_KEYS}/{{import_key}}"),
            "read_import_key",
            TAG,
            "Shows a wrapping key and whether it was used",
        )
        .answers_tagged::<ImportKey>("The wrapping key, without its public half.")
        .to(read),
    ]
}

async fn create(call: Call, OptionalInput(new): OptionalInput<NewImportKey>) -> Answer {
    let tenant = call.tenant()?;
    let method = parse_some("method", new.method.as_ref().map(WrapMethod::as_str))?;
    let method = method.unwrap_or(crypto_types::WrapMethod::HpkeXWing);
    let lifetime = new.lifetime_seconds;
    let done =
        ops::import_key::create(call.node(), call.caller(), &tenant, method, lifetime).await?;
    let location = format!("{}/{}", call.path(), done.value.row.id);
    let shown = answer::changed(done, |made| MadeImportKey {
        import_key: view::import_key(made.row),
        pem: pem(&made.public_key),
        der: Binary(made.public_key),
    });
    answer::created(&shown, None, &location)
}

async fn read(call: Call) -> Answer {
    let (tenant, id) = (call.tenant()?, call.at("import_key")?);
    let found = ops::import_key::read(call.node(), call.caller(), &tenant, id).await?;
    let etag = found.etag;
    answer::tagged(&view::import_key(found), etag)
}
