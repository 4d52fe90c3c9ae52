//! What the clock does: ends overlaps and cryptoperiods, carries out destructions, flushes
//! counters, and retries what a fault had interrupted.

use crate::caller::Caller;
use crate::change::{Row, Write};
use crate::error::OpError;
use crate::ids::TenantId;
use crate::lifecycle::Draft;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::job::{JobKind, JobState};
use crate::noun::key_version::KeyVersion;
use crate::noun::state::State;
use crate::noun::tenant::TenantState;
use crate::ops::gate::{Attempt, detail, resource};
use crate::ops::key::circumstance;
use crate::port::key_provider::{MaterialRef, MaterialSpec};
use crate::port::registry::{DueVersion, KeyRef, KeyWithVersions};

/// How long a creation request is remembered.
const REQUESTS_KEPT_SECONDS: i64 = 24 * 3600;

/// Versions handled in one tick.
const DUE_LIMIT: usize = 500;

/// Writes the counts of uses of keys that have ended (docs/audit-detail.md). A part of each tick, and to be called
/// each second beside them as well: what else a tick does may have to wait, and this needs the journal alone.
pub async fn close_counts(node: &Node) -> Result<(), OpError> {
    super::tally::close_due(node).await
}

/// Does what is due now. Called every second; one node's ticks never overlap.
pub async fn tick(node: &Node) -> Result<(), OpError> {
    let _alone = node.ticking.lock().await;
    // It needs the journal alone: a registry that is away must not keep counts from being written.
    let counts = close_counts(node).await;
    node.ports.registry.advance_clock(node.now()).await?;
    if node.memory.pump.behind().is_some() && node.ports.audit.fault().is_none() {
        node.memory.pump.nudge();
    }
    if let Err(error) = node.catch_up().await {
        // What was noticed, and keeps the node from serving, is written all the same.
        let _ = super::condition::settle(node).await;
        return Err(error);
    }
    node.ensure_auditable()?;
    let mut first_failure = None;
    for due in node
        .ports
        .registry
        .due_versions(node.now(), DUE_LIMIT)
        .await?
    {
        match handle(node, due).await {
            // Somebody else changed the key meanwhile: the next tick looks again.
            Ok(()) | Err(OpError::Conflict | OpError::Transition { .. } | OpError::Sealed) => {}
            // One key's trouble must not keep the others from their dates.
            Err(error) => {
                first_failure.get_or_insert(error);
            }
        }
    }
    for job in node.ports.registry.due_jobs(node.now(), DUE_LIMIT).await? {
        if job.kind == JobKind::ShredTenant
            && let Err(error) = shred_records(node, TenantId::from_uuid(job.subject)).await
        {
            first_failure.get_or_insert(error);
        }
    }
    if let Err(error) = super::import_key::sweep(node).await {
        first_failure.get_or_insert(error);
    }
    if let Err(error) = super::secret::sweep(node).await {
        first_failure.get_or_insert(error);
    }
    if let Err(error) = super::text_seal::slice(node).await {
        first_failure.get_or_insert(error);
    }
    if let Err(error) = super::people::moved_in_time(node).await {
        first_failure.get_or_insert(error);
    }
    if let Err(error) = super::audit_prune::watch_clock(node).await {
        first_failure.get_or_insert(error);
    }
    if let Err(error) = super::privacy::slice(node).await {
        first_failure.get_or_insert(error);
    }
    if node.forget_requests_now() {
        let before = node.now().plus_seconds(-REQUESTS_KEPT_SECONDS);
        node.ports.registry.forget_idempotency(before).await?;
        if let Err(error) = super::condition::forget_old(node).await {
            first_failure.get_or_insert(error);
        }
    }
    if let Err(error) = super::condition::settle(node).await {
        first_failure.get_or_insert(error);
    }
    flush_usage(node).await?;
    first_failure.map_or(counts, Err)
}

/// What has to happen to a version now.
enum Due {
    Clock(Action),
    Destroy,
    Nothing,
}

fn what_is_due(version: &KeyVersion, now: crate::time::Timestamp) -> Due {
    if version.state == State::PendingDestruction {
        let due = version.destroy_at.is_some_and(|at| at <= now);
        return if due { Due::Destroy } else { Due::Nothing };
    }
    match (version.state, version.state_at(now)) {
        (State::Active, State::Expired) => Due::Clock(Action::KeyExpire),
        (State::Active, State::Rotated) => Due::Clock(Action::KeyRetire),
        _ => Due::Nothing,
    }
}

async fn handle(node: &Node, due: DueVersion) -> Result<(), OpError> {
    // As it is stored: what is due depends on no text, so that none that is refused delays it.
    let stored = node.texts.stored();
    let current = stored.key(due.tenant, &KeyRef::Id(due.key)).await?;
    let Some(current) = current else {
        return Ok(());
    };
    let Some(version) = current
        .versions
        .iter()
        .find(|v| v.version == due.version)
        .cloned()
    else {
        return Ok(());
    };
    match what_is_due(&version, node.now()) {
        Due::Nothing => Ok(()),
        // A draft begins by catching up with the clock; there is nothing else to say.
        Due::Clock(action) => save(node, action, current, &version, |_| Ok(())).await,
        Due::Destroy => destroy(node, current, version).await,
    }
}

/// Registry `destroying` → material deleted and seen to be gone → registry `destroyed`. Each step
/// can be repeated, so a crash between them loses nothing.
async fn destroy(
    node: &Node,
    current: KeyWithVersions,
    version: KeyVersion,
) -> Result<(), OpError> {
    // While a backup copies what its snapshot names, this waits for a later tick.
    let Some(_passage) = node.deletions.pass().await else {
        return Ok(());
    };
    let number = version.version;
    let current = if version.destroying {
        current
    } else {
        save(node, Action::KeyDestroy, current, &version, |draft| {
            draft.begin_destruction(number)
        })
        .await?;
        let stored = node.texts.stored();
        let again = stored.key(version.tenant, &KeyRef::Id(version.key)).await?;
        again.ok_or(OpError::Conflict)?
    };
    let material = MaterialRef {
        spec: MaterialSpec {
            tenant: version.tenant,
            key: version.key,
            version: u32::try_from(number).map_err(|_| OpError::Conflict)?,
            algorithm: version.algorithm,
            usages: current.key.usages,
        },
        provider_key_id: version.provider_key_id.as_str().into(),
        record_digest: version.record_digest,
    };
    node.provider(version.provider)?.destroy(&material).await?;
    save(node, Action::KeyDestroy, current, &version, |draft| {
        draft.complete_destruction(number)
    })
    .await
}

async fn save(
    node: &Node,
    action: Action,
    current: KeyWithVersions,
    version: &KeyVersion,
    edit: impl FnOnce(&mut Draft) -> Result<(), OpError>,
) -> Result<(), OpError> {
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("key", Some(version.key.uuid()), None);
    let attempt = Attempt::new(node, &caller, action, Some(version.tenant), named);
    let proof = node.authorize_system(&caller, action)?;
    let mut draft = Draft::new(current, circumstance(node, &caller, None), node.entropy());
    edit(&mut draft)?;
    if draft.is_unchanged() {
        return Ok(());
    }
    let after = draft.version(version.version)?;
    let (state, destroying) = (after.state, after.destroying);
    let (_, writes) = draft.finish();
    attempt
        .commit(proof, writes, |event| {
            event.resource.version = Some(version.version);
            detail(event, "state", state.name());
            if destroying {
                detail(event, "destroying", true);
            }
        })
        .await?;
    Ok(())
}

/// Deletes a shredded tenant's key-encryption keys, and tells the registry and the job.
pub(crate) async fn shred_records(node: &Node, tenant: TenantId) -> Result<(), OpError> {
    let registry = &node.ports.registry;
    let shredded = registry
        .tenant(tenant)
        .await?
        .is_some_and(|t| t.state == TenantState::Shredded);
    if !shredded {
        return Ok(());
    }
    let Some(_passage) = node.deletions.pass().await else {
        return Ok(());
    };
    let now = node.now();
    let mut writes = Vec::new();
    for mut kek in registry.tenant_keks(tenant).await? {
        node.ports.hierarchy.destroy_tenant_kek(&kek).await?;
        kek.destroyed_at = Some(now);
        kek.etag += 1;
        writes.push(Write::update(Row::TenantKek(kek)));
    }
    node.ports.hierarchy.forget_tenant(tenant);
    for provider in node.ports.providers.values() {
        provider.forget_all();
    }
    for mut job in registry.due_jobs(now, DUE_LIMIT).await? {
        if job.kind == JobKind::ShredTenant && job.subject == tenant.uuid() {
            job.state = JobState::Done;
            job.updated_at = now;
            job.etag += 1;
            writes.push(Write::update(Row::Job(job)));
        }
    }
    let caller = Caller::system(node.own_correlation_id()?);
    let named = resource("tenant", Some(tenant.uuid()), None);
    let attempt = Attempt::new(node, &caller, Action::TenantShred, Some(tenant), named);
    let proof = node.authorize_system(&caller, Action::TenantShred)?;
    attempt
        .commit(proof, writes, |event| detail(event, "keks_destroyed", true))
        .await?;
    Ok(())
}

/// Moves counters from memory to the registry, with how far the journal is counted.
pub async fn flush_usage(node: &Node) -> Result<(), OpError> {
    let _alone = node.flushing.lock().await;
    let Some(snapshot) = node.ports.usage.take() else {
        return Ok(());
    };
    let name = node.settings.name.to_string();
    // How far the change feed is logged comes first: if the second step is lost, entries are read
    // again and change nothing.
    let changes = super::start::changes_watermark_name(&name);
    let logged_to = u64::try_from(snapshot.logged_to).unwrap_or(0);
    let registry = &node.ports.registry;
    let flushed = async {
        registry.add_usage(&changes, logged_to, Vec::new()).await?;
        // And so does from where on counts are open: an earlier place only has more looked at.
        if let Some(counts_to) = snapshot.counts_to {
            let counts = super::start::counts_watermark_name(&name);
            registry.add_usage(&counts, counts_to, Vec::new()).await?;
        }
        registry
            .add_usage(&name, snapshot.sequence, snapshot.deltas.clone())
            .await
    }
    .await;
    if let Err(error) = flushed {
        node.ports.usage.put_back(snapshot);
        return Err(error.into());
    }
    Ok(())
}
