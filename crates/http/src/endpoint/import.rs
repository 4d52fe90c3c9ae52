//! `/v1/tenants/{tenant}/keys/import` and `…/keys/{key}/import`: keys and versions that come in.

use keyward_api::exchange::{KeyImport, PriorUse, PublicMaterial, VersionImport, WrappedMaterial};
use keyward_api::key::Key;
use keyward_api::page::Changed;
use keyward_core::ids::ImportKeyId;
use keyward_core::noun::key::UseLimit;
use keyward_core::ops;
use keyward_core::ops::key::{ImportVersion, NewImport, Source};
use utoipa::openapi::HttpMethod::Post;

use super::{Route, key};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::reference::{parse, parse_some};

const TAG: &str = "exchange";

/// Where keys come in, and where a key of that name is.
pub const PATH: &str = "/v1/tenants/{tenant}/keys/import";

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            PATH,
            "import_key",
            TAG,
            "Takes in a key that was made elsewhere, wrapped, or its public half",
        )
        .takes::<KeyImport>()
        .idempotent()
        .creates::<Changed<Key>>("The key.")
        .to(import),
        Endpoint::new(
            Post,
            "/v1/tenants/{tenant}/keys/{key}/import",
            "import_version",
            TAG,
            "Takes in the next version of an imported key, and lets it protect",
        )
        .takes::<VersionImport>()
        .if_match()
        .changes()
        .answers_tagged::<Changed<Key>>("The key.")
        .to(import_version),
    ]
}

async fn import(call: Call, input: Input<KeyImport>) -> Answer {
    let tenant = call.tenant()?;
    let KeyImport {
        key: new,
        material,
        public_key,
        prior_use,
    } = input.value;
    let new = NewImport {
        key: key::new_key(new)?,
        source: source(material, public_key)?,
        prior_use: prior_use.map(limit),
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::key::import(call.node(), call.caller(), &tenant, new, idempotency).await?;
    let keys = call.path().trim_end_matches("/import");
    let location = format!("{keys}/{}", done.value.key.id);
    let etag = done.value.key.etag;
    answer::created(&key::show(&call, done)?, Some(etag), &location)
}

async fn import_version(call: Call, input: Input<VersionImport>) -> Answer {
    let tenant = call.tenant()?;
    let (named, if_match) = (call.key(&tenant)?, call.if_match()?);
    let VersionImport {
        material,
        public_key,
        prior_use,
        reason,
        expires_at,
    } = input.value;
    let request = ImportVersion {
        source: source(material, public_key)?,
        prior_use: prior_use.map(limit),
        reason,
        expires_at: parse_some("expires_at", expires_at.as_ref().map(|time| &*time.0))?,
        if_match,
    };
    let done =
        ops::key::import_version(call.node(), call.caller(), &tenant, &named, request).await?;
    key::changed(&call, done)
}

fn source(
    material: Option<WrappedMaterial>,
    public_key: Option<PublicMaterial>,
) -> Result<Source, Failure> {
    match (material, public_key) {
        (Some(material), None) => Ok(Source::Wrapped {
            import_key: ImportKeyId::from_uuid(material.import_key_id),
            format: parse("format", material.format.as_str())?,
            wrapped: material.wrapped.0,
        }),
        (None, Some(public)) => Ok(Source::Public {
            format: parse("format", public.format.as_str())?,
            bytes: public.data.0,
        }),
        _ => Err(Failure::invalid(
            "material, public_key: give exactly one of them",
        )),
    }
}

const fn limit(prior: PriorUse) -> UseLimit {
    UseLimit {
        uses: prior.uses,
        bytes: prior.bytes,
    }
}
