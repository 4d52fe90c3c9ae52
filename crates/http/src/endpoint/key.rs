//! `/v1/tenants/{tenant}/keys`: made, searched, shown, changed.

use keyward_api::key::{Key, KeyChange, KeyQuery, KeySummary, NewKey, Sort};
use keyward_api::names::{Algorithm, KeyState, Provider};
use keyward_api::page::{Batch, Changed, Outcomes, Page};
use keyward_core::caller;
use keyward_core::crypto_types::{Usage, UsageSet};
use keyward_core::ids::KeyId;
use keyward_core::names::PolicyName;
use keyward_core::noun::key::{Restrictions, UseLimit};
use keyward_core::ops;
use keyward_core::port::registry::{KeyCursor, KeyFilter, KeySort, KeyWithVersions};
use utoipa::openapi::HttpMethod::{Get, Patch, Post};

use super::listing::Listing;
use super::{Route, batch};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::input::Input;
use crate::problem::Failure;
use crate::reference::{parse, parse_some};
use crate::view::key as view;

const TAG: &str = "keys";
const KEYS: &str = "/v1/tenants/{tenant}/keys";
const KEY: &str = "/v1/tenants/{tenant}/keys/{key}";

/// Where many keys are made at once, and where a key of that name is.
const BATCH_PATH: &str = "/v1/tenants/{tenant}/keys/batch";

/// About what a key takes in an answer.
const KEY_BYTES: usize = 3072;

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = of_keys();
    routes.extend(of_the_key_named(BATCH_PATH, "batch"));
    routes.extend(of_the_key_named(super::import::PATH, "import"));
    routes
}

fn of_keys() -> Vec<Route> {
    vec![
        Endpoint::new(
            Post,
            KEYS,
            "create_key",
            TAG,
            "Makes a key and its first version",
        )
        .takes::<NewKey>()
        .idempotent()
        .creates::<Changed<Key>>("The key.")
        .to(create),
        Endpoint::new(
            Get,
            KEYS,
            "search_keys",
            TAG,
            "Searches keys; every condition must hold",
        )
        .asks::<KeyQuery>()
        .answers::<Page<KeySummary>>("A page of keys.")
        .to(search),
        Endpoint::new(
            Post,
            BATCH_PATH,
            "create_keys",
            TAG,
            "Makes up to 1,000 keys; each succeeds or fails on its own",
        )
        .takes::<Batch<NewKey>>()
        .changes()
        .answers::<Outcomes<Changed<Key>>>("The outcome of each, in order.")
        .to(create_many),
        Endpoint::new(Get, KEY, "read_key", TAG, "Shows a key and its versions")
            .answers_tagged::<Key>("The key.")
            .to(read),
        Endpoint::new(
            Patch,
            KEY,
            "update_key",
            TAG,
            "Changes a key's description, owner, tags and policy",
        )
        .takes::<KeyChange>()
        .if_match()
        .changes()
        .answers_tagged::<Changed<Key>>("The key.")
        .to(update),
    ]
}

/// A key may be named `batch` or `import`, and is then shown and changed like any other.
fn of_the_key_named(path: &'static str, name: &str) -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            path,
            &format!("read_key_named_{name}"),
            TAG,
            &format!("Shows the key named `{name}`"),
        )
        .answers_tagged::<Key>("The key.")
        .to(read),
        Endpoint::new(
            Patch,
            path,
            &format!("update_key_named_{name}"),
            TAG,
            &format!("Changes the key named `{name}`"),
        )
        .takes::<KeyChange>()
        .if_match()
        .changes()
        .answers_tagged::<Changed<Key>>("The key.")
        .to(update),
    ]
}

async fn create(call: Call, input: Input<NewKey>) -> Answer {
    let tenant = call.tenant()?;
    let new = new_key(input.value)?;
    let idempotency = input.idempotency.as_ref();
    let done = ops::key::create(call.node(), call.caller(), &tenant, new, idempotency).await?;
    let location = format!("{}/{}", call.path(), done.value.key.id);
    let etag = done.value.key.etag;
    answer::created(&show(&call, done)?, Some(etag), &location)
}

async fn create_many(call: Call, input: Input<Batch<NewKey>>) -> Answer {
    let tenant = call.tenant()?;
    // What is written wrong refuses the whole; outcomes are of what could be tried.
    let items = batch::items(input.value)?;
    let wanted = items
        .into_iter()
        .map(new_key)
        .collect::<Result<Vec<_>, _>>()?;
    let made = ops::key::create_many(call.node(), call.caller(), &tenant, wanted).await?;
    let outcomes: Vec<Result<Changed<Key>, Failure>> =
        made.into_iter().map(|done| show(&call, done?)).collect();
    let size = outcomes.len() * KEY_BYTES;
    batch::answer(&call, outcomes, size)
}

async fn search(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let mut query: KeyQuery = call.query()?;
    let (cursor, limit) = (query.cursor.take(), query.limit.take());
    // What is left of the query, the order included, is what the cursor is bound to.
    let listing = Listing::filtered(&call, "keys", &query, cursor.as_deref(), limit)?;
    let sort = match query.sort.unwrap_or_default() {
        Sort::Name => KeySort::Name,
        Sort::CreatedAt => KeySort::CreatedAt,
    };
    let after = listing.after.as_deref().map(position).transpose()?;
    let filter = filter(query)?;
    let page = ops::key::search(
        call.node(),
        call.caller(),
        &tenant,
        filter,
        sort,
        after,
        listing.limit,
    )
    .await?;
    let last = page.rows.last().map(|row| {
        let KeyCursor { sort_value, id } = ops::key::cursor_of(row, sort);
        format!("{id} {sort_value}")
    });
    let next = listing.next(page.more, last);
    let deployment = call.deployment();
    let items = page
        .rows
        .into_iter()
        .map(|row| view::summary(deployment, row))
        .collect();
    answer::page(items, next)
}

async fn read(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let found = ops::key::read(call.node(), call.caller(), &tenant, &key).await?;
    let etag = found.key.etag;
    answer::tagged(&view::key(call.deployment(), found)?, etag)
}

async fn update(call: Call, input: Input<KeyChange>) -> Answer {
    let tenant = call.tenant()?;
    let (key, if_match) = (call.key(&tenant)?, call.if_match()?);
    let change = key_change(input.value)?;
    changed(
        &call,
        ops::key::update(call.node(), call.caller(), &tenant, &key, change, if_match).await?,
    )
}

/// 200 with a key that was changed.
pub fn changed(call: &Call, done: caller::Changed<KeyWithVersions>) -> Answer {
    let etag = done.value.key.etag;
    answer::tagged(&show(call, done)?, etag)
}

pub fn show(call: &Call, done: caller::Changed<KeyWithVersions>) -> Result<Changed<Key>, Failure> {
    answer::try_changed(done, |found| view::key(call.deployment(), found))
}

fn position(text: &str) -> Result<KeyCursor, Failure> {
    let (id, sort_value) = text
        .split_once(' ')
        .ok_or_else(|| Failure::internal("a cursor's position"))?;
    Ok(KeyCursor {
        sort_value: sort_value.to_owned(),
        id: id
            .parse::<KeyId>()
            .map_err(|_| Failure::internal("a cursor's position"))?,
    })
}

fn filter(query: KeyQuery) -> Result<KeyFilter, Failure> {
    Ok(KeyFilter {
        name_prefix: query.name,
        text: query.q,
        state: parse_some("state", query.state.as_ref().map(KeyState::as_str))?,
        data_class: parse_some("data_class", query.data_class.as_deref())?,
        provider: parse_some("provider", query.provider.as_ref().map(Provider::as_str))?,
        algorithm: parse_some("algorithm", query.algorithm.as_ref().map(Algorithm::as_str))?,
        owner: query.owner,
        tag: query.tag.map(tag).transpose()?,
        compliance_tag: query.compliance_tag,
        authorized_service: query.authorized_service,
        rotation_policy: query
            .rotation_policy_id
            .map(keyward_core::ids::PolicyId::from_uuid),
        created_by: query.created_by.map(keyward_core::ids::TokenId::from_uuid),
        created_from: parse_some("created_from", query.created_from.as_ref().map(|t| &*t.0))?,
        created_before: parse_some(
            "created_before",
            query.created_before.as_ref().map(|t| &*t.0),
        )?,
        expires_before: parse_some(
            "expires_before",
            query.expires_before.as_ref().map(|t| &*t.0),
        )?,
        only: None,
    })
}

/// `name`, or `name=value`.
fn tag(given: String) -> Result<(String, Option<String>), Failure> {
    match given.split_once('=') {
        _ if given.is_empty() || given.starts_with('=') => {
            Err(Failure::invalid("tag: give a name, or name=value"))
        }
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None => Ok((given, None)),
    }
}

pub fn new_key(given: NewKey) -> Result<ops::key::NewKey, Failure> {
    let mut new = ops::key::NewKey::named(parse("name", &given.name)?);
    new.description = given.description;
    new.purpose = given.purpose;
    new.owner = given.owner;
    new.data_class = parse_some("data_class", given.data_class.as_deref())?;
    if let Some(algorithm) = given.algorithm {
        new.algorithm = parse("algorithm", algorithm.as_str())?;
    }
    new.usages = given.usages.as_deref().map(usages).transpose()?;
    if let Some(provider) = given.provider {
        new.provider = parse("provider", provider.as_str())?;
    }
    if let Some(restrictions) = given.restrictions {
        new.restrictions = Restrictions {
            exportable: restrictions.exportable,
            deterministic: restrictions.deterministic,
            process_after_expiry: restrictions.process_after_expiry,
            use_limit: restrictions.use_limit.map(|limit| UseLimit {
                uses: limit.uses,
                bytes: limit.bytes,
            }),
        };
    }
    new.authorized_services = given.authorized_services;
    new.access_policy = given.access_policy;
    new.compliance_tags = given.compliance_tags;
    new.tags = given.tags;
    new.rotation_policy = parse_some("rotation_policy", given.rotation_policy.as_deref())?;
    new.rollback_window_seconds = given.rollback_window_seconds;
    new.overlap_seconds = given.overlap_seconds;
    new.expires_at = parse_some("expires_at", given.expires_at.as_ref().map(|t| &*t.0))?;
    new.activate = given.activate;
    Ok(new)
}

fn usages(names: &[keyward_api::names::Usage]) -> Result<UsageSet, Failure> {
    names
        .iter()
        .map(|name| parse::<Usage>("usages", name.as_str()))
        .collect()
}

fn key_change(given: KeyChange) -> Result<ops::key::KeyChange, Failure> {
    let data_class = given
        .data_class
        .map(|class| parse_some("data_class", class.as_deref()))
        .transpose()?;
    let rotation_policy = given
        .rotation_policy
        .map(|policy| parse_some::<PolicyName>("rotation_policy", policy.as_deref()))
        .transpose()?;
    Ok(ops::key::KeyChange {
        description: given.description,
        purpose: given.purpose,
        owner: given.owner,
        data_class,
        authorized_services: given.authorized_services,
        compliance_tags: given.compliance_tags,
        access_policy: given.access_policy,
        tags: given.tags,
        rotation_policy,
        rollback_window_seconds: given.rollback_window_seconds,
        overlap_seconds: given.overlap_seconds,
        process_after_expiry: given.process_after_expiry,
    })
}
