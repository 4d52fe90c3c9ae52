//! Using keys: every protect and process verb, single and in batch. No SQL on this path.
//!
//! request → access → state → provider → journal → answer.

mod derivation;
mod item;
mod verbs;
mod version;

pub use item::{DeriveHow, UseItem, UseOutcome, UseResult};

use std::sync::Arc;

use keyward_crypto::secret::SecretBytes;

use crate::audit::{AuditEvent, Outcome, Used};
use crate::caller::{Caller, TenantRef};
use crate::error::OpError;
use crate::hot::{HotKey, HotVersion};
use crate::ids::VersionId;
use crate::node::Node;
use crate::noun::action::Action;
use crate::noun::state::UseKind;
use crate::ops::gate::{Attempt, detail, ensure_active, key_resource, outcome_of, tenant_resource};
use crate::ops::tally;
use crate::port::audit_log::AuditError;
use crate::port::key_provider::{KeyProvider, MaterialRef, MaterialSpec};
use crate::port::registry::KeyRef;

/// At most so many items in one request.
pub const BATCH_MAX: usize = 1000;

/// A key that the caller may use for an action, and the means to do it.
pub(super) struct Use<'a> {
    pub(super) node: &'a Node,
    pub(super) caller: &'a Caller,
    pub(super) action: Action,
    pub(super) key: Arc<HotKey>,
    pub(super) provider: &'a Arc<dyn KeyProvider>,
}

impl Use<'_> {
    /// Where a version's material is, and what it must be for.
    pub(super) fn material(&self, version: &HotVersion) -> MaterialRef {
        MaterialRef {
            spec: MaterialSpec {
                tenant: self.key.tenant,
                key: self.key.id,
                version: version.version,
                algorithm: self.key.algorithm,
                usages: self.key.usages,
            },
            provider_key_id: version.provider_key_id.clone(),
            record_digest: version.record_digest,
        }
    }
}

/// What one item used: for the counters and the entry.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    pub(super) id: VersionId,
    pub(super) version: u32,
    pub(super) kind: UseKind,
    pub(super) bytes: i64,
    pub(super) compromised: bool,
}

/// One item done: its outcome, and what it used.
pub(super) struct Done {
    pub(super) outcome: UseOutcome,
    pub(super) spent: Vec<Spent>,
}

/// Uses a key for up to 1,000 items; each succeeds or fails on its own. One audit entry for all,
/// durable before any result leaves.
pub async fn perform(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    action: Action,
    items: Vec<UseItem>,
) -> Result<Vec<Result<UseOutcome, OpError>>, OpError> {
    let mut attempt = Attempt::new(
        node,
        caller,
        action,
        node.tenant_id(tenant),
        key_resource(key),
    );
    let count = items.len();
    let outcomes = match use_items(&mut attempt, tenant, key, items).await {
        Ok(outcomes) => outcomes,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let ended = if failed == count {
        Outcome::Failed
    } else {
        Outcome::Ok
    };
    let mut event = attempt.event(ended);
    detail(&mut event, "items", count);
    if failed > 0 {
        detail(&mut event, "failed", failed);
        let mut codes: Vec<&str> = outcomes
            .iter()
            .filter_map(|o| o.as_ref().err())
            .map(|e| e.code().as_str())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        detail(&mut event, "codes", codes);
    }
    for done in outcomes.iter().flatten() {
        spend(&mut event, attempt.resource.id, &done.spent);
    }
    let invalid = outcomes.iter().flatten().filter(|done| is_invalid(done));
    let invalid = invalid.count();
    if invalid > 0 {
        detail(&mut event, "invalid", invalid);
    }
    // What failed in it is told by the entry that it is.
    let done: Vec<&Done> = if failed == 0 {
        outcomes.iter().flatten().collect()
    } else {
        Vec::new()
    };
    match tally::log(&attempt, event, &done).await {
        Ok(()) => {}
        // Each version that was used is in the entry, about a hundred at most.
        Err(OpError::Audit(AuditError::EntryTooLarge { .. })) => {
            let problem =
                "use more versions of the key than one audit entry holds: send fewer at once";
            return Err(attempt
                .log_failure(OpError::invalid("items", problem))
                .await);
        }
        Err(fault) => return Err(fault),
    }
    Ok(outcomes
        .into_iter()
        .map(|outcome| outcome.map(|done| done.outcome))
        .collect())
}

/// Uses a key once.
pub async fn perform_one(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    key: &KeyRef,
    action: Action,
    item: UseItem,
) -> Result<UseOutcome, OpError> {
    let mut attempt = Attempt::new(
        node,
        caller,
        action,
        node.tenant_id(tenant),
        key_resource(key),
    );
    let done = match use_one(&mut attempt, tenant, key, item).await {
        Ok(done) => done,
        Err(error) => return Err(attempt.log_failure(error).await),
    };
    let mut event = attempt.event(Outcome::Ok);
    event.resource.version = Some(i64::from(done.outcome.version));
    if let UseResult::Valid(valid) = &done.outcome.result {
        detail(&mut event, "valid", *valid);
    }
    spend(&mut event, attempt.resource.id, &done.spent);
    tally::log(&attempt, event, &[&done]).await?;
    Ok(done.outcome)
}

/// Whether something was verified and is not right.
const fn is_invalid(done: &Done) -> bool {
    matches!(done.outcome.result, UseResult::Valid(false))
}

async fn use_one(
    attempt: &mut Attempt<'_>,
    tenant: &TenantRef,
    key: &KeyRef,
    item: UseItem,
) -> Result<Done, OpError> {
    let r#use = open(attempt, tenant, key).await?;
    let done = r#use.item(item).await;
    if let Err(error) = &done {
        debug_assert!(outcome_of(error) != Outcome::Ok);
    }
    done
}

async fn use_items(
    attempt: &mut Attempt<'_>,
    tenant: &TenantRef,
    key: &KeyRef,
    items: Vec<UseItem>,
) -> Result<Vec<Result<Done, OpError>>, OpError> {
    if items.is_empty() || items.len() > BATCH_MAX {
        return Err(OpError::invalid("items", "must be 1 to 1000 items"));
    }
    let r#use = open(attempt, tenant, key).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        outcomes.push(r#use.item(item).await);
    }
    Ok(outcomes)
}

/// Everything that is checked once for all items.
async fn open<'a>(
    attempt: &mut Attempt<'a>,
    tenant: &TenantRef,
    key: &KeyRef,
) -> Result<Use<'a>, OpError> {
    let Attempt {
        node,
        caller,
        action,
        ..
    } = *attempt;
    node.ensure_auditable()?;
    let (found, hot, _) = node.authorize_key(caller, action, tenant, key).await?;
    attempt.resource.id = Some(hot.id.uuid());
    if matches!(key, KeyRef::Class(_)) {
        "key".clone_into(attempt.resource.kind.to_mut());
    }
    ensure_active(&found)?;
    node.ensure_unsealed()?;
    let provider = node.provider(hot.provider)?;
    Ok(Use {
        node,
        caller,
        action,
        key: hot,
        provider,
    })
}

/// Adds what an item used to the entry, one line for each version.
fn spend(event: &mut AuditEvent, key: Option<uuid::Uuid>, spent: &[Spent]) {
    let Some(key) = key.map(crate::ids::KeyId::from_uuid) else {
        return;
    };
    for one in spent {
        let place = event.used.iter().position(|line| line.version == one.id);
        let place = place.unwrap_or(event.used.len());
        if place == event.used.len() {
            event.used.push(Used {
                key,
                version: one.id,
                protects: 0,
                processes: 0,
                bytes: 0,
            });
        }
        let line = &mut event.used[place];
        match one.kind {
            UseKind::Protect => {
                line.protects += 1;
                line.bytes += one.bytes;
            }
            UseKind::Process => line.processes += 1,
        }
        if one.compromised {
            event
                .details
                .insert("compromised_version".to_owned(), one.version.into());
        }
    }
}

/// At most so many random bytes in one request.
const RANDOM_MAX: usize = 65_536;

/// Returns random bytes.
pub async fn random(
    node: &Node,
    caller: &Caller,
    tenant: &TenantRef,
    size_bytes: usize,
) -> Result<SecretBytes, OpError> {
    let attempt = Attempt::new(
        node,
        caller,
        Action::RandomBytes,
        node.tenant_id(tenant),
        tenant_resource(tenant),
    );
    attempt
        .read(async {
            let (found, _) = node.authorize_tenant(caller, Action::RandomBytes, tenant)?;
            ensure_active(&found)?;
            if !(1..=RANDOM_MAX).contains(&size_bytes) {
                return Err(OpError::invalid("size_bytes", "must be 1 to 65536"));
            }
            let mut bytes = SecretBytes::zeroed(size_bytes);
            node.ports
                .random
                .fill(bytes.expose_mut())
                .map_err(|_| OpError::Crypto)?;
            Ok(bytes)
        })
        .await
}
