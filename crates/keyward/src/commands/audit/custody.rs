//! `keyward audit custody`: everything that the log says of one key, in the order in which it happened. What
//! changed it, gave it out or was refused stands singly, with the number by which a receipt can be asked for;
//! uses and readings are summed up by day.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use keyward_api::audit::{AuditDetailNote, AuditEntry};
use keyward_api::audit_search::{AuditCount, AuditCountQuery, AuditSearchQuery, AuditWish};
use keyward_api::names::{AuditCountBy, AuditCountEvery, AuditOutcome};
use keyward_client::Client;
use keyward_core::noun::action::{Action, Effect};
use serde::Serialize;

use super::prove::write_new;
use super::{detail, sentence};
use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// The largest page that the server gives.
const PAGE: usize = 500;

/// Which key.
#[derive(Args, Debug)]
pub struct CustodyArguments {
    /// The key: name, id or ARN
    key: String,
    /// Write a receipt for each entry that stands singly, and the entry, into this new directory
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
}

/// What the log says of a key.
#[derive(Serialize)]
struct Custody {
    /// What stands singly, the oldest first.
    entries: Vec<AuditEntry>,
    /// Uses and readings that succeeded: of each day and action, how many.
    uses: Vec<AuditCount>,
    /// Whether, and since when, an entry of a use may stand for many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detail: Vec<AuditDetailNote>,
}

impl CustodyArguments {
    /// Asks for it, and for the receipts.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, tenant) = (context.client()?, context.tenant()?);
        let found = custody(&client, &tenant, &self.key).await?;
        if let Some(place) = &self.receipts {
            receipts(&client, &tenant, &found.entries, place).await?;
        }
        context.show(&found, |found| {
            for line in timeline(found) {
                output::line(&line)?;
            }
            detail::say(&found.detail);
            Ok(())
        })
    }
}

async fn custody(client: &Client, tenant: &str, key: &str) -> Result<Custody, Failure> {
    let of = |outcome: &str| AuditWish {
        key: Some(key.to_owned()),
        outcome: Some(AuditOutcome::from(outcome.to_owned())),
        ..AuditWish::default()
    };
    let (days, detail) = count(client, tenant, of("ok")).await?;
    let (uses, mut single): (Vec<_>, Vec<_>) = days
        .into_iter()
        .partition(|day| day.value.as_deref().is_some_and(is_summed_up));
    single.sort_unstable_by(|one, other| one.value.cmp(&other.value));
    single.dedup_by(|one, other| one.value == other.value);
    let mut entries = Vec::new();
    for action in single {
        let mut wish = of("ok");
        wish.action = action.value;
        entries.extend(search(client, tenant, wish).await?);
    }
    for outcome in ["refused", "failed"] {
        entries.extend(search(client, tenant, of(outcome)).await?);
    }
    entries.sort_unstable_by_key(|entry| entry.sequence);
    Ok(Custody {
        entries,
        uses,
        detail,
    })
}

/// Uses and readings are many. What this program does not know stands singly.
fn is_summed_up(action: &str) -> bool {
    let action: Option<Action> = action.parse().ok();
    let effect = action.map(Action::effect);
    matches!(
        effect,
        Some(Effect::Read | Effect::Protect | Effect::Process | Effect::Widen)
    )
}

async fn count(
    client: &Client,
    tenant: &str,
    wish: AuditWish,
) -> Result<(Vec<AuditCount>, Vec<AuditDetailNote>), Failure> {
    let mut query = AuditCountQuery::from(wish);
    query.by = Some(AuditCountBy::from("action".to_owned()));
    query.every = Some(AuditCountEvery::from("day".to_owned()));
    let mut days: Vec<AuditCount> = Vec::new();
    loop {
        let part = client.tenant(tenant).count_audit(&query).await?;
        for count in part.items {
            let same = |day: &&mut AuditCount| day.from == count.from && day.value == count.value;
            match days.iter_mut().find(same) {
                Some(day) => day.entries += count.entries,
                None => days.push(count),
            }
        }
        query.before = part.next_before;
        if query.before.is_none() {
            return Ok((days, part.detail));
        }
    }
}

async fn search(
    client: &Client,
    tenant: &str,
    wish: AuditWish,
) -> Result<Vec<AuditEntry>, Failure> {
    let mut query = AuditSearchQuery::from(wish);
    query.limit = Some(PAGE);
    let mut found = Vec::new();
    loop {
        let page = client.tenant(tenant).search_audit(&query).await?;
        found.extend(page.items);
        query.before = page.next_before;
        if query.before.is_none() {
            return Ok(found);
        }
    }
}

/// Lines by time: a day's uses stand where the day begins.
fn timeline(found: &Custody) -> Vec<String> {
    let single = found
        .entries
        .iter()
        .map(|entry| (entry.time.0.clone(), sentence(entry)));
    let uses = found.uses.iter().map(|day| {
        let from = day
            .from
            .as_ref()
            .map(|from| from.0.clone())
            .unwrap_or_default();
        let date: String = from.chars().take(10).collect();
        let action = day.value.as_deref().unwrap_or_default();
        // Where they are counted, or were, as many operations as entries are not all.
        let unit = if found.detail.is_empty() {
            "times"
        } else {
            "entries"
        };
        let line = format!(
            "{:>6} {date:<27} {:<7} {action:<24} {} {unit}",
            "", "ok", day.entries
        );
        (from, output::printable(&line))
    });
    let mut lines: Vec<(String, String)> = uses.chain(single).collect();
    // Times are of one form, and sort as text.
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines.into_iter().map(|(_, line)| line).collect()
}

async fn receipts(
    client: &Client,
    tenant: &str,
    entries: &[AuditEntry],
    place: &Path,
) -> Result<(), Failure> {
    let made = DirBuilder::new().mode(0o700).create(place);
    made.map_err(|error| Failure::local(error).about(place.display()))?;
    for entry in entries {
        let sequence = entry.sequence;
        let given = client.tenant(tenant).audit_receipt(sequence).await?;
        write_new(
            &place.join(format!("{sequence}.json")),
            given.entry.as_bytes(),
        )?;
        let receipt = place.join(format!("{sequence}.tlog-proof"));
        write_new(&receipt, given.receipt.as_bytes())?;
    }
    Ok(())
}
