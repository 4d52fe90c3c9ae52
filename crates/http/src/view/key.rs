//! Keys, versions and their history as the wire shows them.

use keyward_api::names::{Algorithm, KeyOrigin, KeyState, Provider, Usage};
use keyward_api::{key, version};
use keyward_core::crypto_types::{Usage as CoreUsage, UsageSet};
use keyward_core::free_text::withhold;
use keyward_core::ids::{PolicyId, PrincipalId, TokenId};
use keyward_core::noun::history::Transition;
use keyward_core::noun::key::{Key, Restrictions};
use keyward_core::noun::key_version::{KeyVersion, UsageTotals};
use keyward_core::port::registry::{KeySummary, KeyWithVersions};
use uuid::Uuid;

use super::{some_time, time};
use crate::problem::Failure;
use crate::reference::key_arn;

/// A key with its versions in brief.
pub fn key(deployment: Uuid, found: KeyWithVersions) -> Result<key::Key, Failure> {
    let KeyWithVersions { key, mut versions } = found;
    let brief = versions
        .iter()
        .map(|version| key::VersionBrief {
            version: version.version,
            state: KeyState::from(version.state.name()),
        })
        .collect();
    let primary = versions
        .iter()
        .position(|version| version.version == key.primary_version)
        .ok_or_else(|| Failure::internal("a key without its primary version"))?;
    let primary = versions.swap_remove(primary);
    Ok(key::Key {
        summary: summary(deployment, KeySummary { key, primary }),
        versions: brief,
    })
}

/// A key with its primary version.
pub fn summary(deployment: Uuid, found: KeySummary) -> key::KeySummary {
    let KeySummary { mut key, primary } = found;
    let primary = version(primary);
    let sealed_fields = withhold(&mut key);
    key::KeySummary {
        sealed_fields,
        id: key.id.uuid(),
        arn: key_arn(deployment, key.tenant, key.id),
        tenant_id: key.tenant.uuid(),
        name: key.name.to_string(),
        state: primary.state.clone(),
        description: key.description,
        purpose: key.purpose,
        owner: key.owner,
        data_class: key.data_class.map(|class| class.to_string()),
        algorithm: Algorithm::from(key.algorithm.name()),
        usages: usages(key.usages),
        provider: Provider::from(key.provider.name()),
        origin: KeyOrigin::from(key.origin.name()),
        public_only: key.public_only,
        restrictions: restrictions(&key.restrictions),
        authorized_services: key.authorized_services,
        access_policy: key.access_policy,
        compliance_tags: key.compliance_tags,
        tags: key.tags,
        rotation_policy_id: key.rotation_policy.map(PolicyId::uuid),
        rollback_window_seconds: key.rollback_window_seconds,
        overlap_seconds: key.overlap_seconds,
        primary_version: key.primary_version,
        latest_version: key.latest_version,
        created_by: key.created_by.map(TokenId::uuid),
        created_at: time(key.created_at),
        updated_at: time(key.updated_at),
        etag: key.etag,
        primary,
    }
}

/// A version.
pub fn version(version: KeyVersion) -> version::Version {
    version::Version {
        id: version.id.uuid(),
        external_id: format!(
            "{}.{}.{}",
            version.key, version.version, version.promotion_count
        ),
        version: version.version,
        parent_version: version.parent_version,
        state: KeyState::from(version.state.name()),
        state_before: version
            .state_before
            .map(|state| KeyState::from(state.name())),
        algorithm: Algorithm::from(version.algorithm.name()),
        size_bits: version.size_bits,
        strength_bits: version.strength_bits,
        provider: Provider::from(version.provider.name()),
        provider_key_id: version.provider_key_id,
        region: version.region,
        endpoint: version.endpoint,
        fingerprint: version.fingerprint.to_string(),
        provenance: version.provenance.map(super::exchange::provenance),
        can_roll_back: version.can_roll_back,
        rollback_expires_at: some_time(version.rollback_expires_at),
        retire_at: some_time(version.retire_at),
        promotion_count: version.promotion_count,
        created_by: version.created_by.map(TokenId::uuid),
        rotated_by: version.rotated_by.map(TokenId::uuid),
        correlation_id: version.correlation_id.to_string(),
        created_at: time(version.created_at),
        updated_at: time(version.updated_at),
        activated_at: some_time(version.activated_at),
        expires_at: some_time(version.expires_at),
        rotated_at: some_time(version.rotated_at),
        compromised_at: some_time(version.compromised_at),
        destroy_at: some_time(version.destroy_at),
        destroyed_at: some_time(version.destroyed_at),
        etag: version.etag,
    }
}

/// A version beside what it has from its key.
pub fn key_version(key: &Key, of: KeyVersion, usage: Option<&UsageTotals>) -> version::KeyVersion {
    version::KeyVersion {
        tenant_id: key.tenant.uuid(),
        key_id: key.id.uuid(),
        key_name: key.name.to_string(),
        is_primary: of.version == key.primary_version,
        data_class: key.data_class.as_ref().map(ToString::to_string),
        description: key.description.clone(),
        purpose: key.purpose.clone(),
        owner: key.owner.clone(),
        usages: usages(key.usages),
        origin: KeyOrigin::from(key.origin.name()),
        restrictions: restrictions(&key.restrictions),
        authorized_services: key.authorized_services.clone(),
        access_policy: key.access_policy.clone(),
        compliance_tags: key.compliance_tags.clone(),
        tags: key.tags.clone(),
        rotation_policy_id: key.rotation_policy.map(PolicyId::uuid),
        last_used_at: usage.and_then(|usage| some_time(usage.last_used_at)),
        version: version(of),
    }
}

/// How much a version was used.
pub fn usage(version: i64, usage: &UsageTotals) -> version::VersionUsage {
    version::VersionUsage {
        version,
        protects: usage.protects,
        processes: usage.processes,
        bytes_protected: usage.bytes_protected,
        last_used_at: some_time(usage.last_used_at),
    }
}

/// A row of the history.
pub fn transition(row: Transition) -> version::Transition {
    version::Transition {
        id: row.id.uuid(),
        version: row.version,
        event: row.event,
        from_state: row.from_state.map(|state| KeyState::from(state.name())),
        to_state: KeyState::from(row.to_state.name()),
        primary_version: row.primary_version,
        at: time(row.at),
        principal_id: row.principal.map(PrincipalId::uuid),
        token_id: row.token.map(TokenId::uuid),
        reason: row.reason,
        correlation_id: row.correlation_id.to_string(),
    }
}

fn usages(usages: UsageSet) -> Vec<Usage> {
    usages
        .iter()
        .map(CoreUsage::name)
        .map(Usage::from)
        .collect()
}

fn restrictions(restrictions: &Restrictions) -> key::KeyRestrictions {
    key::KeyRestrictions {
        exportable: restrictions.exportable,
        deterministic: restrictions.deterministic,
        process_after_expiry: restrictions.process_after_expiry,
        use_limit: restrictions.use_limit.map(|limit| key::KeyUseLimit {
            uses: limit.uses,
            bytes: limit.bytes,
        }),
    }
}
