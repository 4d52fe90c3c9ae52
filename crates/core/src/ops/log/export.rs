//! Giving out the audit log in forms that other tools read, page by page.

use super::selection::Selection;
use crate::audit::Outcome;
use crate::audit::format::{Emitter, Format};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::node::Node;
use crate::ops::gate::{Attempt, detail};
use crate::ops::people::{Revealing, may_see};

/// Which entries, and how.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// The form.
    pub format: Format,
    /// Which.
    pub selection: Selection,
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
            request.selection.tell(&mut event);
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
    let emitter = Emitter {
        deployment: attempt.node.ports.registry.deployment().await?.to_string(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut entries = Vec::new();
    let selection = &request.selection;
    let went = selection.page(attempt, scope, usize::MAX, |entry| {
        entries.push(entry);
        Ok(())
    });
    let went = went.await?;
    if may_see(attempt, scope) {
        let node = attempt.node;
        Revealing::default().entries(node, &mut entries).await;
    }
    let lines = entries.iter().map(|entry| {
        let line = request.format.line(&emitter, entry);
        line.map_err(|_| OpError::invalid("format", "cannot hold an entry"))
    });
    let lines = lines.collect::<Result<_, _>>()?;
    Ok(ExportPage {
        head: (selection.after == 0)
            .then(|| request.format.head())
            .flatten(),
        lines,
        to: went.to,
        next_after: went.next_after,
    })
}
