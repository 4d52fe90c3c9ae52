//! `…/keys/{key}/versions`, `…/history`, `…/usage`: what became of a key.

use keyward_api::page::{Page, Paging};
use keyward_api::version::{KeyVersion, Transition, VersionUsage};
use keyward_core::ids::TransitionId;
use keyward_core::ops;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::HttpMethod::Get;

use super::Route;
use super::listing::Listing;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::problem::Failure;
use crate::view::key as view;

const TAG: &str = "keys";
/// At most so many versions on a page.
const PAGE_MAX: usize = 1000;
const PAGE_DEFAULT: usize = 100;

/// Its routes.
pub fn routes() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/keys/{key}/versions",
            "list_versions",
            TAG,
            "Shows every version of a key, oldest first",
        )
        .asks::<VersionQuery>()
        .answers::<Page<KeyVersion>>("A page of versions.")
        .to(versions),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/keys/{key}/history",
            "read_history",
            TAG,
            "Shows every transition of a key, oldest first",
        )
        .asks::<Paging>()
        .answers::<Page<Transition>>("A page of transitions.")
        .to(history),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/keys/{key}/usage",
            "read_usage",
            TAG,
            "Shows how often each version was used",
        )
        .answers::<Page<VersionUsage>>("Every version that was used.")
        .to(usage),
    ]
}

/// What pages of versions take.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionQuery {
    /// Whether to say when each was last used; needs the permission `key.usage`.
    #[serde(default)]
    #[param(required = false)]
    usage: bool,
    /// Where the page begins: `next_cursor` of the page before.
    #[serde(default)]
    #[param(max_length = 512)]
    cursor: Option<String>,
    /// At most so many; 100 if not said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

async fn versions(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let query: VersionQuery = call.query()?;
    let listing = Listing::filtered(&call, "versions", &(), query.cursor.as_deref(), query.limit)?;
    let limit = listing.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Failure::invalid("limit: must be 1 to 1000"));
    }
    let after = listing.after::<i64>()?.unwrap_or(0);
    let found = ops::key::read(call.node(), call.caller(), &tenant, &key).await?;
    let used = if query.usage {
        ops::key::usage(call.node(), call.caller(), &tenant, &key).await?
    } else {
        std::collections::BTreeMap::new()
    };
    let mut rest = found
        .versions
        .into_iter()
        .filter(|version| version.version > after);
    let items: Vec<KeyVersion> = rest
        .by_ref()
        .take(limit)
        .map(|version| {
            let usage = used.get(&version.version);
            view::key_version(&found.key, version, usage)
        })
        .collect();
    let last = items
        .last()
        .map(|version| version.version.version.to_string());
    let next = listing.next(rest.next().is_some(), last);
    answer::page(items, next)
}

async fn history(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let listing = Listing::plain(&call, "history")?;
    let after = listing.after::<TransitionId>()?;
    let page = ops::key::history(
        call.node(),
        call.caller(),
        &tenant,
        &key,
        after,
        listing.limit,
    )
    .await?;
    let next = listing.next(page.more, page.rows.last().map(|row| row.id.to_string()));
    answer::page(page.rows.into_iter().map(view::transition).collect(), next)
}

async fn usage(call: Call) -> Answer {
    let tenant = call.tenant()?;
    let key = call.key(&tenant)?;
    let used = ops::key::usage(call.node(), call.caller(), &tenant, &key).await?;
    let items = used
        .iter()
        .map(|(version, usage)| view::usage(*version, usage))
        .collect();
    answer::page::<VersionUsage>(items, None)
}
