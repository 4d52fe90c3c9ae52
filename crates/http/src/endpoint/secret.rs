//! `/v1/tenants/{tenant}/secrets`: named values that people keep. A name with slashes is one segment
//! of the path, each slash written `%2F`.

use keyward_api::page::{Changed, Page};
use keyward_api::secret::{
    NewSecretValue, PutSecret, SecretDeletion, SecretQuery, SecretSummary, SecretVersion,
};
use keyward_core::caller;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::names::SecretName;
use keyward_core::ops;
use keyward_core::ops::secret::{DeleteRequest, NewValue, PutVersion};
use utoipa::openapi::HttpMethod::{Delete, Get, Put};

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::query::Because;
use crate::view::secret as view;

const TAG: &str = "secrets";
const SECRETS: &str = "/v1/tenants/{tenant}/secrets";
const SECRET: &str = "/v1/tenants/{tenant}/secrets/{secret}";

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = reading();
    routes.extend(changing());
    routes
}

fn reading() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            SECRETS,
            "list_secrets",
            TAG,
            "Lists secrets by name, without their values",
        )
        .asks::<SecretQuery>()
        .answers::<Page<SecretSummary>>("A page of secrets.")
        .to(list),
        Endpoint::new(
            Get,
            SECRET,
            "read_secret",
            TAG,
            "Shows a secret without its value",
        )
        .answers_tagged::<SecretSummary>("The secret.")
        .to(read),
        Endpoint::new(
            Get,
            format!("{SECRET}/versions"),
            "list_secret_versions",
            TAG,
            "Lists the versions of a secret, without their values",
        )
        .answers::<Page<SecretVersion>>("All of them, oldest first.")
        .to(versions),
    ]
}

fn changing() -> Vec<Route> {
    vec![
        Endpoint::new(
            Put,
            SECRET,
            "put_secret",
            TAG,
            "Puts a value: makes a secret, or a new version of it",
        )
        .takes::<NewSecretValue>()
        .if_match()
        .idempotent()
        .creates::<Changed<PutSecret>>("The secret and the number of the version.")
        .to(put),
        Endpoint::new(
            Delete,
            SECRET,
            "delete_secret",
            TAG,
            "Deletes a secret with all its versions",
        )
        .asks::<Because>()
        .if_match()
        .changes()
        .answers::<Changed<SecretDeletion>>("What was deleted.")
        .to(delete),
        Endpoint::new(
            Delete,
            format!("{SECRET}/versions/{{version}}"),
            "delete_secret_version",
            TAG,
            "Deletes one version of a secret",
        )
        .asks::<Because>()
        .if_match()
        .changes()
        .answers::<Changed<SecretDeletion>>("What was deleted.")
        .to(delete_version),
    ]
}

async fn list(call: Call) -> Answer {
    let scope = call.tenant()?;
    let SecretQuery {
        prefix,
        cursor,
        limit,
    } = call.query()?;
    let prefix = prefix.unwrap_or_default();
    let listing = Listing::filtered(&call, "secrets", &prefix, cursor.as_deref(), limit)?;
    let after = listing.after::<SecretName>()?;
    let page = ops::secret::list(
        call.node(),
        call.caller(),
        &scope,
        &prefix,
        after.as_ref(),
        listing.limit,
    )
    .await?;
    let last = page.rows.last().map(|secret| secret.name.to_string());
    let next = listing.next(page.more, last);
    let shown = page.rows.into_iter().map(|row| view::summary(row, None));
    answer::page(shown.collect(), next)
}

async fn put(call: Call, input: Input<NewSecretValue>) -> Answer {
    let (scope, name, if_match) = (call.tenant()?, call.at("secret")?, call.if_match()?);
    let given = input.value;
    let new = NewValue {
        name,
        value: SecretBytes::new(given.value.into_vec()),
        description: given.description,
        labels: given.labels,
        keep: given.keep,
        expected_version: given.expected_version,
        if_match,
    };
    let idempotency = input.idempotency.as_ref();
    let done = ops::secret::put(call.node(), call.caller(), &scope, new, idempotency).await?;
    put_answer(done, call.path())
}

/// What was put, and where it is.
pub(super) fn put_answer(done: caller::Changed<PutVersion>, location: &str) -> Answer {
    let etag = done.value.secret.etag;
    let shown = answer::changed(done, |put| PutSecret {
        version: put.version.version,
        secret: view::summary(put.secret, Some(put.size_bytes)),
    });
    answer::created(&shown, Some(etag), location)
}

async fn read(call: Call) -> Answer {
    let (scope, name) = (call.tenant()?, call.at("secret")?);
    let found = ops::secret::read(call.node(), call.caller(), &scope, &name).await?;
    let etag = found.secret.etag;
    answer::tagged(&view::summary(found.secret, found.size_bytes), etag)
}

async fn versions(call: Call) -> Answer {
    let (scope, name) = (call.tenant()?, call.at("secret")?);
    let found = ops::secret::read(call.node(), call.caller(), &scope, &name).await?;
    let latest = found.secret.latest_version;
    let versions = found.versions.into_iter();
    answer::page(versions.map(|it| view::version(it, latest)).collect(), None)
}

async fn delete(call: Call) -> Answer {
    remove(call, None).await
}

async fn delete_version(call: Call) -> Answer {
    let version: u32 = call.at("version")?;
    remove(call, Some(i64::from(version))).await
}

async fn remove(call: Call, version: Option<i64>) -> Answer {
    let (scope, name, if_match) = (call.tenant()?, call.at("secret")?, call.if_match()?);
    let Because { reason } = call.query()?;
    let request = DeleteRequest {
        version,
        reason,
        if_match,
    };
    let done = ops::secret::delete(call.node(), call.caller(), &scope, &name, request).await?;
    answer::ok(&answer::changed(done, view::deletion))
}
