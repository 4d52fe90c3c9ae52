//! Logging what a key was used for: by an entry for each operation, or by counts, as the tenant has it
//! (docs/audit-detail.md).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;

use crate::audit::counted::{
    AT_MOST, BEGAN_WITH, BEGINS, COUNT, COUNTED, ENDED_TO, FROM, LOST, TO,
};
use crate::audit::{AuditEvent, LeafMark, Outcome, Resource, Used};
use crate::error::OpError;
use crate::ids::{KeyId, TenantId};
use crate::node::Node;
use crate::noun::state::UseKind;
use crate::noun::tenant::AuditDetail;
use crate::ops::gate::{Attempt, detail};
use crate::ops::use_key::{Done, UseResult};
use crate::port::registry::KeyRef;
use crate::tally::{Amount, Closed, Line, Logged, Place};
use crate::usage_book::Begun;

/// Entries of counts on their way at a time.
const TOGETHER: usize = 256;

/// What began a count whose minute ended so long ago is forgotten if nobody counts after it.
const FORGOTTEN_AFTER_SECONDS: i64 = 60;

/// Logs an operation that was done, or counts it. An error means that it is neither in the log nor
/// counted: the result must not be given out.
pub(super) async fn log(
    attempt: &Attempt<'_>,
    mut event: AuditEvent,
    done: &[&Done],
) -> Result<(), OpError> {
    let node = attempt.node;
    let Some((place, amount)) = countable(attempt, done) else {
        node.ports.audit.append(event).await?;
        return Ok(());
    };
    // What is only counted must not go on while nothing could be written.
    node.ensure_auditable()?;
    let beginning = match node.tally.count(&place, amount, node.now()) {
        Logged::Counted => return Ok(()),
        Logged::Singly(beginning) => beginning,
    };
    if let Some(beginning) = &beginning {
        detail(&mut event, BEGINS, beginning.allowance().detail());
        detail(&mut event, ENDED_TO, node.ports.usage.ended_to());
    }
    let sequence = node.ports.audit.append(event).await?;
    if let Some(beginning) = beginning {
        beginning.became_durable(sequence, node.now());
    }
    Ok(())
}

/// What is counted together with what, if it may be counted at all: a success of a listed action, of a
/// tenant that has it so, with a key of which nothing is compromised.
fn countable(attempt: &Attempt<'_>, done: &[&Done]) -> Option<(Place, Amount)> {
    let (node, caller) = (attempt.node, attempt.caller);
    let tenant = attempt.tenant?;
    // As they are now and not as they were when it began: what was ordered meanwhile holds.
    if !counts(node, tenant) || !COUNTED.contains(&attempt.action) {
        return None;
    }
    let key = KeyId::from_uuid(attempt.resource.id?);
    let hot = node.memory.hot.key(tenant, &KeyRef::Id(key))?;
    if hot.is_compromised() {
        return None;
    }
    let lines = lines(done.first()?);
    let mut amount = Amount::default();
    for one in done {
        let is_ordinary = !matches!(one.outcome.result, UseResult::Valid(false))
            && one.spent.iter().all(|spent| !spent.compromised);
        if !is_ordinary || self::lines(one) != lines {
            return None;
        }
        amount.operations += 1;
        for spent in &one.spent {
            if spent.kind == UseKind::Protect {
                amount.bytes = amount.bytes.saturating_add(spent.bytes);
            }
        }
    }
    let place = Place {
        tenant,
        key,
        lines,
        action: attempt.action,
        principal: caller.principal,
        token: caller.token,
        authentication: caller.authentication,
    };
    Some((place, amount))
}

fn lines(done: &Done) -> Vec<Line> {
    let spent = done.spent.iter();
    spent.map(|it| (it.id, it.version, it.kind)).collect()
}

fn counts(node: &Node, tenant: TenantId) -> bool {
    let found = node.memory.hot.tenant(tenant);
    found.is_some_and(|tenant| tenant.audit_detail == AuditDetail::Counts)
}

/// Writes the counts that have ended: with their minute, with the tenant's word, or because the server is
/// sealed. Called every second; an error means that some are still to be written.
pub(super) async fn close_due(node: &Node) -> Result<(), OpError> {
    let is_sealed = node.ports.seal.is_sealed();
    let now = node.now();
    node.tally
        .close(now, |place| !is_sealed && counts(node, place.tenant));
    write(node).await?;
    let before = now.plus_seconds(-FORGOTTEN_AFTER_SECONDS);
    let known = node.tally.known();
    node.ports.usage.forget_begun_before(before, &known);
    Ok(())
}

/// Writes all counts. From here on each operation is an entry.
pub(super) async fn close_for_good(node: &Node) -> Result<(), OpError> {
    node.tally.end();
    node.tally.close(node.now(), |_| false);
    write(node).await?;
    // Also what was begun for a request that went away before its entry was durable: nothing followed it, and
    // nothing does from here on.
    node.ports.usage.all_have_ended();
    Ok(())
}

async fn write(node: &Node) -> Result<(), OpError> {
    // Two at once would write the same twice.
    let _alone = node.tallying.lock().await;
    let (empty, closed): (Vec<Closed>, Vec<Closed>) = node
        .tally
        .closed()
        .into_iter()
        .partition(|it| it.amount.operations == 0);
    let empty: HashSet<u64> = empty.iter().map(|it| it.began_with).collect();
    if !empty.is_empty() {
        node.ports.usage.nothing_followed(&empty);
        node.tally.written(&empty);
    }
    for some in closed.chunks(TOGETHER) {
        let mut entries = Vec::with_capacity(some.len());
        for one in some {
            entries.push(node.ports.audit.append(count_entry(node, one)?));
        }
        let ended = join_all(entries).await;
        let written = some.iter().zip(&ended).filter(|(_, ended)| ended.is_ok());
        let written: HashSet<u64> = written.map(|(one, _)| one.began_with).collect();
        node.tally.written(&written);
        for one in ended {
            one?;
        }
    }
    Ok(())
}

/// The entry of a count.
fn count_entry(node: &Node, closed: &Closed) -> Result<AuditEvent, OpError> {
    let Closed { place, amount, .. } = closed;
    let mut used: Vec<Used> = Vec::with_capacity(place.lines.len());
    for (version, _, kind) in &place.lines {
        let at = used.iter().position(|it| it.version == *version);
        let mut line = at.map_or(
            Used {
                key: place.key,
                version: *version,
                protects: 0,
                processes: 0,
                bytes: 0,
            },
            |at| used.swap_remove(at),
        );
        match kind {
            UseKind::Protect => {
                line.protects += amount.operations;
                line.bytes += amount.bytes;
            }
            UseKind::Process => line.processes += amount.operations,
        }
        used.push(line);
    }
    let mut event = AuditEvent {
        time: node.now(),
        node: node.settings.name.clone(),
        tenant: Some(place.tenant),
        actor: place.actor(),
        action: place.action,
        resource: Resource {
            kind: Cow::Borrowed("key"),
            id: Some(place.key.uuid()),
            name: None,
            // What protects comes last, and is the one that an entry of its own would name.
            version: place.lines.last().map(|(_, number, _)| i64::from(*number)),
        },
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: node.own_correlation_id()?,
        details: BTreeMap::new(),
        used,
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    };
    detail(&mut event, COUNT, amount.operations);
    detail(&mut event, FROM, closed.from.to_string());
    detail(&mut event, TO, closed.to.to_string());
    detail(&mut event, BEGAN_WITH, closed.began_with);
    detail(&mut event, ENDED_TO, node.ports.usage.ended_to());
    Ok(event)
}

/// After a crash: says of each count that was begun and never written what it can have been at most, and
/// has that much counted as used. Before the node serves. Returns how many there were.
pub(super) async fn tell_what_was_lost(node: &Node) -> Result<usize, OpError> {
    let lost = node.ports.usage.begun();
    // Together, as counts are written: there may be thousands, and the journal syncs them in few groups.
    for some in lost.chunks(TOGETHER) {
        let mut entries = Vec::with_capacity(some.len());
        for (began_with, begun) in some {
            let event = lost_entry(node, *began_with, begun)?;
            entries.push(node.ports.audit.append(event));
        }
        for told in join_all(entries).await {
            told?;
        }
    }
    Ok(lost.len())
}

fn lost_entry(node: &Node, began_with: u64, begun: &Begun) -> Result<AuditEvent, OpError> {
    let Begun { event, allowance } = begun;
    let used = event.used.iter().map(|line| {
        let most = |used: i64, most: i64| if used > 0 { most } else { 0 };
        Used {
            protects: most(line.protects, allowance.operations),
            processes: most(line.processes, allowance.operations),
            bytes: most(line.protects, allowance.bytes),
            ..*line
        }
    });
    let mut actor = event.actor.clone();
    actor.address = None;
    let mut lost = AuditEvent {
        time: node.now(),
        actor,
        reason: Some(LOST.to_owned()),
        correlation_id: node.own_correlation_id()?,
        details: BTreeMap::new(),
        used: used.collect(),
        leaf: LeafMark::default(),
        ..event.clone()
    };
    detail(&mut lost, AT_MOST, allowance.operations);
    detail(&mut lost, FROM, event.time.to_string());
    detail(&mut lost, TO, allowance.until.to_string());
    detail(&mut lost, BEGAN_WITH, began_with);
    Ok(lost)
}
