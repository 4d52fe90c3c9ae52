//! Giving out the audit log in forms that other tools read, page by page.

use crate::audit::format::{Emitter, Format};
use crate::audit::{Journaled, Outcome};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::ops::gate::{Attempt, detail};
use crate::port::audit_log::TailQuery;
use crate::time::Timestamp;

/// How many entries a page looks at, whatever it finds.
const LOOKED_AT: u64 = 50_000;
/// How many are read at once.
const READ_AT_ONCE: usize = 1000;

/// Which entries, and how.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// The form.
    pub format: Format,
    /// Entries after this sequence number; 0 from the beginning.
    pub after: u64,
    /// None after this one, and none after the last that is there now. Whoever goes through
    /// pages passes what the first one said, so that the export ends.
    pub to: Option<u64>,
    /// Entries at or after this second only.
    pub since: Option<Timestamp>,
    /// Entries before this second only.
    pub until: Option<Timestamp>,
    /// At most so many a page; it has fewer, or none, where few are wanted.
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
    let allowed = super::query(attempt, scope, None, request.limit)?;
    if let (Some(since), Some(until)) = (request.since, request.until)
        && since >= until
    {
        return Err(OpError::invalid("until", "must be after since"));
    }
    let end = last(node).await?;
    let to = request.to.map_or(end, |to| to.min(end));
    let emitter = Emitter {
        deployment: node.ports.registry.deployment().await?.to_string(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let is_wanted = |entry: &Journaled| {
        let (event, time) = (&entry.event, entry.event.time);
        allowed.tenant.is_none_or(|tenant| event.tenant == tenant)
            && request.since.is_none_or(|since| time >= since)
            && request.until.is_none_or(|until| time < until)
    };
    let (mut lines, mut looked_at) = (Vec::new(), request.after);
    // A tenant with few entries does not make one request read the whole journal.
    let stop_at = to.min(request.after.saturating_add(LOOKED_AT));
    while looked_at < stop_at && lines.len() < allowed.limit {
        let query = TailQuery {
            tenant: None,
            after: Some(looked_at),
            limit: READ_AT_ONCE,
        };
        let found = node.ports.audit.tail(query).await?;
        let mut is_empty = true;
        for entry in found.iter().take_while(|entry| entry.sequence <= stop_at) {
            if lines.len() == allowed.limit {
                break;
            }
            is_empty = false;
            looked_at = entry.sequence;
            if is_wanted(entry) {
                let line = request.format.line(&emitter, entry);
                lines.push(line.map_err(|_| OpError::invalid("format", "cannot hold an entry"))?);
            }
        }
        if is_empty {
            // Numbers that a loss left behind, and nothing after them up to here.
            looked_at = stop_at;
        }
    }
    Ok(ExportPage {
        head: (request.after == 0)
            .then(|| request.format.head())
            .flatten(),
        lines,
        to,
        next_after: (looked_at < to).then_some(looked_at),
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
