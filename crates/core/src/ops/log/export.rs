//! Giving out the audit log in forms that other tools read, page by page.

use crate::audit::Outcome;
use crate::audit::format::{Emitter, Format};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::ops::gate::{Attempt, detail};
use crate::port::audit_log::TailQuery;
use crate::time::Timestamp;

/// Which entries, and how.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// The form.
    pub format: Format,
    /// Entries after this sequence number; 0 from the beginning.
    pub after: u64,
    /// None after this one; without it, none after the last that is there now. Whoever goes through
    /// pages passes what the first one said, so that the export ends.
    pub to: Option<u64>,
    /// Entries at or after this second only.
    pub since: Option<Timestamp>,
    /// Entries before this second only.
    pub until: Option<Timestamp>,
    /// At most so many are looked at.
    pub limit: Option<usize>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct ExportPage {
    /// The line before all others, if the form has one; on the first page only.
    pub head: Option<String>,
    /// Entries in order, a line each, without line feeds.
    pub lines: Vec<String>,
    /// Where the export ends.
    pub to: u64,
    /// What to pass as `after` for the next page; none if this was the last.
    pub next_after: Option<u64>,
}

/// A page of the log of a tenant, of the system, or (with no scope) of all, in a form. Each page is an
/// entry of the log itself.
pub async fn export(
    node: &Node,
    caller: &Caller,
    scope: Option<&TenantRef>,
    request: ExportRequest,
) -> Result<ExportPage, OpError> {
    let attempt = super::attempt(node, caller, scope);
    let made = page(&attempt, scope, &request).await;
    match made {
        Ok(page) => {
            let mut event = attempt.event(Outcome::Ok);
            detail(&mut event, "format", request.format.name());
            detail(&mut event, "after", request.after);
            detail(&mut event, "to", page.to);
            detail(&mut event, "entries", page.lines.len());
            node.ports.audit.append(event).await?;
            Ok(page)
        }
        Err(error) => Err(attempt.log_failure(error).await),
    }
}

async fn page(
    attempt: &Attempt<'_>,
    scope: Option<&TenantRef>,
    request: &ExportRequest,
) -> Result<ExportPage, OpError> {
    let node = attempt.node;
    let query = super::query(attempt, scope, Some(request.after), request.limit)?;
    let limit = query.limit;
    if let (Some(since), Some(until)) = (request.since, request.until)
        && since >= until
    {
        return Err(OpError::invalid("until", "must be after since"));
    }
    let to = match request.to {
        Some(to) => to,
        None => last(node).await?,
    };
    let found = node.ports.audit.tail(query).await?;
    let next_after = found
        .last()
        .filter(|last| found.len() == limit && last.sequence < to)
        .map(|last| last.sequence);
    let emitter = Emitter {
        deployment: node.ports.registry.deployment().await?.to_string(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let is_wanted = |time: Timestamp| {
        request.since.is_none_or(|since| time >= since)
            && request.until.is_none_or(|until| time < until)
    };
    let wanted = found
        .iter()
        .filter(|entry| entry.sequence <= to && is_wanted(entry.event.time));
    let lines: Result<Vec<String>, _> = wanted
        .map(|entry| request.format.line(&emitter, entry))
        .collect();
    Ok(ExportPage {
        head: (request.after == 0)
            .then(|| request.format.head())
            .flatten(),
        lines: lines.map_err(|_| OpError::invalid("format", "cannot hold one of the entries"))?,
        to,
        next_after,
    })
}

/// The last entry that is durable.
async fn last(node: &Node) -> Result<u64, OpError> {
    let query = TailQuery {
        limit: 1,
        ..TailQuery::default()
    };
    let found = node.ports.audit.tail(query).await?;
    Ok(found.last().map_or(0, |entry| entry.sequence))
}
