//! `keyward audit search` and `keyward audit count`: what of the log somebody looks for, and how much of it
//! there is.

use std::collections::BTreeMap;

use clap::Args;
use clap::builder::PossibleValuesParser;
use keyward_api::audit_search::{
    AuditCount, AuditCountQuery, AuditCounts, AuditSearchPage, AuditSearchQuery, AuditWish,
};
use keyward_api::names::{AuditCountBy, AuditCountEvery, AuditOutcome};
use keyward_api::time::Time;

use super::{detail, sentence};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{self, cell};

/// The largest page that the server gives.
const PAGE: usize = 500;

/// What is looked for.
#[derive(Args, Debug)]
pub struct WishArguments {
    /// Entries at or after this instant only, such as 2027-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Entries before this instant only
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// About this key, or using it: name (with --tenant), id or ARN
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// About this version of a key: number or id
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// By this principal
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// This action, such as key.rotate, or all of a kind: 'key.*'
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// How it ended
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(AuditOutcome::ALL))]
    outcome: Option<String>,
    /// From this network address
    // `--address` is the server's.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Of this request
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// On this node
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Whole words in the name of the resource or in the reason
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
}

impl WishArguments {
    fn wish(self) -> AuditWish {
        AuditWish {
            since: self.since.map(Time),
            until: self.until.map(Time),
            tenant: None,
            key: self.key,
            version: self.version,
            principal: self.principal,
            action: self.action,
            outcome: self.outcome.map(AuditOutcome::from),
            address: self.from,
            correlation_id: self.correlation_id,
            node: self.node,
            text: self.text,
        }
    }
}

/// Which entries.
#[derive(Args, Debug)]
pub struct SearchArguments {
    #[command(flatten)]
    wish: WishArguments,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 50, value_name = "ENTRIES")]
    limit: usize,
    /// Only what comes before this sequence number: go on where a search ended
    #[arg(long, value_name = "SEQUENCE")]
    before: Option<u64>,
}

impl SearchArguments {
    /// Asks for pages until there are as many as are wanted.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let tenant = context.tenant().ok();
        let mut query = AuditSearchQuery::from(self.wish.wish());
        query.before = self.before;
        let mut found = AuditSearchPage {
            items: Vec::new(),
            next_before: self.before,
            detail: Vec::new(),
        };
        while found.items.len() < self.limit {
            query.limit = Some((self.limit - found.items.len()).min(PAGE));
            let page = match tenant.as_deref() {
                Some(tenant) => client.tenant(tenant).search_audit(&query).await?,
                None => client.search_audit(&query).await?,
            };
            found.items.extend(page.items);
            found.next_before = page.next_before;
            found.detail = page.detail;
            query.before = page.next_before;
            if query.before.is_none() {
                break;
            }
        }
        context.show(&found, |found| {
            for entry in &found.items {
                output::line(&sentence(entry))?;
            }
            detail::say(&found.detail);
            if let Some(next) = found.next_before {
                output::say(&format!("there may be more: --before {next}\n"));
            }
            Ok(())
        })
    }
}

/// What is counted.
#[derive(Args, Debug)]
pub struct CountArguments {
    #[command(flatten)]
    wish: WishArguments,
    /// By what
    #[arg(long, value_name = "FIELD", default_value = "all", value_parser = PossibleValuesParser::new(AuditCountBy::ALL))]
    by: String,
    /// For which spans of time, in UTC
    #[arg(long, value_name = "SPAN", default_value = "all", value_parser = PossibleValuesParser::new(AuditCountEvery::ALL))]
    every: String,
}

impl CountArguments {
    /// Asks until all of the log is counted.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let tenant = context.tenant().ok();
        let mut query = AuditCountQuery::from(self.wish.wish());
        query.by = Some(AuditCountBy::from(self.by));
        query.every = Some(AuditCountEvery::from(self.every));
        let mut sums: BTreeMap<(Option<String>, Option<String>), u64> = BTreeMap::new();
        let notes = loop {
            let part = match tenant.as_deref() {
                Some(tenant) => client.tenant(tenant).count_audit(&query).await?,
                None => client.count_audit(&query).await?,
            };
            for count in part.items {
                let from = count.from.map(|from| from.0);
                *sums.entry((from, count.value)).or_default() += count.entries;
            }
            query.before = part.next_before;
            if query.before.is_none() {
                break part.detail;
            }
        };
        let items = sums.into_iter().map(|((from, value), entries)| AuditCount {
            from: from.map(Time),
            value,
            entries,
        });
        let counts = AuditCounts {
            items: items.collect(),
            next_before: None,
            detail: notes,
        };
        context.show(&counts, |counts| {
            detail::say(&counts.detail);
            output::rows(
                &["from", "value", "entries"],
                counts.items.iter().map(|it| {
                    [
                        cell(it.from.as_ref()),
                        cell(it.value.as_deref().map(output::printable)),
                        it.entries.to_string(),
                    ]
                }),
            )
        })
    }
}
