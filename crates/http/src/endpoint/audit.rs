//! `/v1/audit` and `/v1/tenants/{tenant}/audit`: the log, read or followed.

use keyward_api::audit::{
    AuditEntries, AuditEvidence, AuditEvidenceQuery, AuditExport, AuditExportQuery, AuditMirrors,
    AuditProvenEntry, AuditQuery, AuditSinks, AuditWitnesses,
};
use keyward_api::time::Time;
use keyward_core::audit::format::Format;
use keyward_core::caller::TenantRef;
use keyward_core::ids::KeyId;
use keyward_core::ops;
use keyward_core::ops::log::{ExportRequest, Selection};
use tokio::time::{Duration, Instant, sleep_until};
use utoipa::openapi::HttpMethod::Get;
use uuid::Uuid;

use super::Route;
use super::audit_detail::notes;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::document::Endpoint;
use crate::problem::Failure;
use crate::reference::{parse, parse_some};
use crate::view::rest as view;

const TAG: &str = "audit";
/// The longest that a reader may wait for something new.
const WAIT_SECONDS_MAX: u64 = 30;
/// The largest whole number that every JSON reader keeps exactly.
const SEQUENCE_MAX: u64 = (1 << 53) - 1;
/// Other tenants' entries wake a waiting reader too: it looks again at most this often.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = read_or_followed();
    routes.extend(given_out());
    routes.push(
        Endpoint::new(
            Get,
            "/v1/audit/sinks",
            "show_audit_sinks",
            TAG,
            "Shows how the streams of the node's log stand",
        )
        .answers::<AuditSinks>("The streams, by name.")
        .to(sinks),
    );
    routes.push(
        Endpoint::new(
            Get,
            "/v1/audit/witnesses",
            "show_audit_witnesses",
            TAG,
            "Shows how the witnesses of the node's log stand",
        )
        .answers::<AuditWitnesses>("The witnesses, by name.")
        .to(witnesses),
    );
    routes.push(
        Endpoint::new(
            Get,
            "/v1/audit/mirrors",
            "show_audit_mirrors",
            TAG,
            "Shows how the mirrors of the node's log stand",
        )
        .answers::<AuditMirrors>("The mirrors, by name.")
        .to(mirrors),
    );
    routes
}

fn read_or_followed() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/audit",
            "read_audit",
            TAG,
            "Reads or follows the whole node's log",
        )
        .asks::<AuditQuery>()
        .answers::<AuditEntries>("Entries in order.")
        .to(whole),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/audit",
            "read_tenant_audit",
            TAG,
            "Reads or follows a tenant's log",
        )
        .asks::<AuditQuery>()
        .answers::<AuditEntries>("Entries in order.")
        .to(of_tenant),
    ]
}

fn given_out() -> Vec<Route> {
    vec![
        Endpoint::new(
            Get,
            "/v1/audit/export",
            "export_audit",
            TAG,
            "Gives out the whole node's log in a form that other tools read, by pages",
        )
        .asks::<AuditExportQuery>()
        .answers::<AuditExport>("Entries in order, a line each.")
        .to(export_whole),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/audit/export",
            "export_tenant_audit",
            TAG,
            "Gives out a tenant's log in a form that other tools read, by pages",
        )
        .asks::<AuditExportQuery>()
        .answers::<AuditExport>("Entries in order, a line each.")
        .to(export_of_tenant),
        Endpoint::new(
            Get,
            "/v1/audit/evidence",
            "read_audit_evidence",
            TAG,
            "Gives out the whole node's log with a receipt for each entry, by pages",
        )
        .asks::<AuditEvidenceQuery>()
        .answers::<AuditEvidence>("Entries in order, with their receipts.")
        .to(evidence),
        Endpoint::new(
            Get,
            "/v1/tenants/{tenant}/audit/evidence",
            "read_tenant_audit_evidence",
            TAG,
            "Gives out a tenant's log with a receipt for each entry, by pages",
        )
        .asks::<AuditEvidenceQuery>()
        .answers::<AuditEvidence>("Entries in order, with their receipts.")
        .to(evidence),
    ]
}

async fn whole(call: Call) -> Answer {
    read(&call, None).await
}

async fn of_tenant(call: Call) -> Answer {
    let tenant = call.tenant()?;
    read(&call, Some(&tenant)).await
}

async fn read(call: &Call, scope: Option<&TenantRef>) -> Answer {
    let AuditQuery { after, limit, wait } = call.query()?;
    let wait = wait.unwrap_or(0);
    if wait > WAIT_SECONDS_MAX {
        return Err(Failure::invalid("wait: must be 0 to 30"));
    }
    let until = Instant::now() + Duration::from_secs(wait);
    if after.is_some_and(|after| after > SEQUENCE_MAX) {
        return Err(Failure::invalid("after: must be a sequence number"));
    }
    let tail = || ops::log::tail(call.node(), call.caller(), scope, after, limit);
    let mut entries = tail().await?;
    if let Some(after) = after {
        while entries.is_empty() && Instant::now() < until {
            tokio::select! {
                () = ops::log::wait(call.node(), after) => {}
                () = sleep_until(until) => {}
                () = call.app().stopped() => break,
            }
            entries = tail().await?;
            if entries.is_empty() {
                sleep_until(until.min(Instant::now() + LOOK_AGAIN_AFTER)).await;
            }
        }
    }
    answer::ok(&AuditEntries {
        next_after: entries.last().map(|entry| entry.sequence).or(after),
        items: entries.into_iter().map(view::entry).collect(),
        detail: notes(call, scope)?,
    })
}

async fn export_whole(call: Call) -> Answer {
    export(&call, None).await
}

async fn export_of_tenant(call: Call) -> Answer {
    let tenant = call.tenant()?;
    export(&call, Some(&tenant)).await
}

async fn export(call: &Call, scope: Option<&TenantRef>) -> Answer {
    let AuditExportQuery {
        format,
        after,
        to,
        since,
        until,
        key,
        limit,
    } = call.query()?;
    let request = ExportRequest {
        format: format.map_or(Ok(Format::JsonLines), |it| parse("format", it.as_str()))?,
        selection: selection((after, to), (since, until), key, limit)?,
    };
    let page = ops::log::export(call.node(), call.caller(), scope, request).await?;
    answer::ok(&AuditExport {
        head: page.head,
        lines: page.lines,
        to: page.to,
        next_after: page.next_after,
        detail: notes(call, scope)?,
    })
}

async fn evidence(call: Call) -> Answer {
    let scope = match call.segment("tenant") {
        None => None,
        Some(_) => Some(call.tenant()?),
    };
    let AuditEvidenceQuery {
        after,
        to,
        since,
        until,
        key,
        limit,
    } = call.query()?;
    let wanted = selection((after, to), (since, until), key, limit)?;
    let page = ops::log::evidence(call.node(), call.caller(), scope.as_ref(), wanted).await?;
    let items = page.items.into_iter().map(|it| {
        let entry = String::from_utf8(it.receipt.entry);
        Ok(AuditProvenEntry {
            sequence: it.sequence,
            entry: entry.map_err(|_| Failure::internal("an entry that is no text"))?,
            index: it.receipt.index,
            receipt: it.receipt.receipt,
        })
    });
    answer::ok(&AuditEvidence {
        items: items.collect::<Result<_, Failure>>()?,
        to: page.to,
        next_after: page.next_after,
        detail: notes(&call, scope.as_ref())?,
    })
}

/// What was asked for, in core's words.
fn selection(
    (after, to): (Option<u64>, Option<u64>),
    (since, until): (Option<Time>, Option<Time>),
    key: Option<Uuid>,
    limit: Option<usize>,
) -> Result<Selection, Failure> {
    for (name, given) in [("after", after), ("to", to)] {
        if given.is_some_and(|given| given > SEQUENCE_MAX) {
            return Err(Failure::invalid(format!(
                "{name}: must be a sequence number"
            )));
        }
    }
    Ok(Selection {
        after: after.unwrap_or(0),
        to,
        since: parse_some("since", since.as_ref().map(|time| time.0.as_str()))?,
        until: parse_some("until", until.as_ref().map(|time| time.0.as_str()))?,
        key: key.map(KeyId::from_uuid),
        limit,
    })
}

async fn sinks(call: Call) -> Answer {
    let node = call.node();
    let now = node.now();
    let found = ops::log::sinks(node, call.caller()).await?;
    let last = found.last;
    let shown = found.sinks.into_iter().map(|it| view::sink(it, last, now));
    answer::ok(&AuditSinks {
        node: node.settings().name.to_string(),
        last,
        items: shown.collect(),
    })
}

async fn witnesses(call: Call) -> Answer {
    let node = call.node();
    let now = node.now();
    let found = ops::log::witnesses(node, call.caller()).await?;
    let shown = found.witnesses.into_iter().map(|it| view::witness(it, now));
    answer::ok(&AuditWitnesses {
        node: node.settings().name.to_string(),
        required: found.counting.required,
        signed: found.counting.signed,
        counted: found.counting.counted,
        behind_seconds: found.counting.behind_seconds(now),
        items: shown.collect(),
    })
}

async fn mirrors(call: Call) -> Answer {
    let node = call.node();
    let now = node.now();
    let found = ops::log::mirrors(node, call.caller()).await?;
    let shown = found.into_iter().map(|it| view::mirror(it, now));
    answer::ok(&AuditMirrors {
        node: node.settings().name.to_string(),
        items: shown.collect(),
    })
}
