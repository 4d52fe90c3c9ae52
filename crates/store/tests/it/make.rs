//! Rows to put into a registry: plain ones, each with its own ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::change::{Row, Write};
use keyward_core::ids::{
    AssignmentId, AuditRuleId, BindingId, ConditionId, ImportKeyId, JobId, KeyId, PolicyId,
    PrincipalId, RecordId, RoleId, RotationId, SecretId, SecretVersionId, TenantId, TokenId,
    TransitionId, VersionId,
};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::{Action, ActionSet};
use keyward_core::noun::audit_rule::{AuditRule, Days, RuleKind};
use keyward_core::noun::binding::DataBinding;
use keyward_core::noun::class_pointer::ClassPointer;
use keyward_core::noun::condition::{Condition, ConditionKind, Severity};
use keyward_core::noun::history::Transition;
use keyward_core::noun::import_key::{ImportKey, ImportMethod};
use keyward_core::noun::job::{Job, JobKind, JobProgress, JobState};
use keyward_core::noun::key::{Key, Origin, ProviderKind, Restrictions};
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::policy::{Policy, PolicyStatus};
use keyward_core::noun::principal::{Principal, PrincipalKind};
use keyward_core::noun::role::{Role, RoleAssignment};
use keyward_core::noun::rotation::{Rotation, RotationOutcome, RotationTrigger};
use keyward_core::noun::secret::{Secret, SecretState, SecretVersion};
use keyward_core::noun::state::State;
use keyward_core::noun::stray::StrayRecord;
use keyward_core::noun::tenant::{AuditDetail, Digest, Tenant, TenantKek, TenantState, TextState};
use keyward_core::noun::token::Token;
use keyward_core::port::storage::ObjectName;
use keyward_core::time::Timestamp;
use keyward_crypto::Algorithm;
use uuid::Uuid;

/// When every story begins: 2026-11-18T11:06:40.123456Z.
pub const START: Timestamp = Timestamp::from_micros(1_795_000_000_123_456);

pub fn event(tenant: Option<TenantId>) -> AuditEvent {
    AuditEvent {
        time: START,
        node: "node-1".into(),
        tenant,
        actor: Actor::system(),
        action: Action::KeyCreate,
        resource: Resource {
            kind: "key".into(),
            ..Resource::default()
        },
        outcome: Outcome::Ok,
        reason: None,
        correlation_id: correlation("request-1"),
        details: BTreeMap::from([
            ("algorithm".to_owned(), serde_json::json!("ed25519")),
            ("count".to_owned(), serde_json::json!(3)),
            ("forced".to_owned(), serde_json::json!(true)),
        ]),
        used: Vec::new(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

pub fn correlation(text: &str) -> CorrelationId {
    CorrelationId::new(text).unwrap()
}

/// A key with its first version and the first row of its history.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub key: Key,
    pub version: KeyVersion,
    pub transition: Transition,
}

impl NewKey {
    pub fn writes(&self) -> Vec<Write> {
        vec![
            Write::insert(Row::Key(Box::new(self.key.clone()))),
            Write::insert(Row::KeyVersion(Box::new(self.version.clone()))),
            Write::insert(Row::Transition(self.transition.clone())),
        ]
    }
}

/// Makes rows of one tenant, which [`Maker::setup`] makes first.
pub struct Maker {
    next: AtomicU64,
    pub tenant: TenantId,
    pub principal: PrincipalId,
    pub token: TokenId,
}

impl Default for Maker {
    fn default() -> Self {
        let next = AtomicU64::new(1);
        let tenant = TenantId::from_uuid(spread(&next));
        let principal = PrincipalId::from_uuid(spread(&next));
        let token = TokenId::from_uuid(spread(&next));
        Self {
            next,
            tenant,
            principal,
            token,
        }
    }
}

/// Ids that differ in every byte, as random ones do, and are the same in every run.
fn spread(next: &AtomicU64) -> Uuid {
    let number = next.fetch_add(1, Ordering::Relaxed);
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let high = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(mixed)).to_be_bytes())
        .into_uuid()
}

impl Maker {
    pub fn uuid(&self) -> Uuid {
        spread(&self.next)
    }

    /// Grows with every call, as the ids of history rows do.
    pub fn ordered(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.next.fetch_add(1, Ordering::Relaxed)) << 64)
    }

    pub fn digest(&self) -> Digest {
        let id = self.uuid();
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16..].copy_from_slice(id.as_bytes());
        Digest(bytes)
    }

    /// A tenant, its key-encryption key, a principal and its token.
    pub fn setup(&self) -> Vec<Write> {
        let mut tenant = self.tenant_row("acme");
        tenant.id = self.tenant;
        let mut principal = self.principal_row(Some(self.tenant), "maria");
        principal.id = self.principal;
        let mut token = self.token_row(Some(self.tenant), self.principal);
        token.id = self.token;
        vec![
            Write::insert(Row::Tenant(tenant)),
            Write::insert(Row::TenantKek(self.kek_row(self.tenant, 1))),
            Write::insert(Row::Principal(principal)),
            Write::insert(Row::Token(token)),
        ]
    }

    pub fn tenant_row(&self, name: &str) -> Tenant {
        Tenant {
            id: TenantId::from_uuid(self.uuid()),
            name: name.parse().unwrap(),
            state: TenantState::Active,
            description: "Records of patients".to_owned(),
            text_state: TextState::Clear,
            audit_detail: AuditDetail::Each,
            audit_detail_since: None,
            audit_detail_by: None,
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }

    pub fn kek_row(&self, tenant: TenantId, version: i64) -> TenantKek {
        TenantKek {
            tenant,
            version,
            record: RecordId::from_uuid(self.uuid()),
            record_digest: self.digest(),
            created_at: START,
            destroyed_at: None,
            etag: 1,
        }
    }

    pub fn principal_row(&self, tenant: Option<TenantId>, name: &str) -> Principal {
        Principal {
            id: PrincipalId::from_uuid(self.uuid()),
            tenant,
            name: name.parse().unwrap(),
            kind: PrincipalKind::Person,
            disabled_at: None,
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }

    pub fn token_row(&self, tenant: Option<TenantId>, principal: PrincipalId) -> Token {
        Token {
            id: TokenId::from_uuid(self.uuid()),
            tenant,
            principal,
            digest: self.digest(),
            label: "laptop".to_owned(),
            created_by: None,
            created_at: START,
            expires_at: Some(START.plus_seconds(86_400)),
            revoked_at: None,
            etag: 1,
        }
    }

    pub fn role_row(&self, tenant: Option<TenantId>, name: &str) -> Role {
        Role {
            id: RoleId::from_uuid(self.uuid()),
            tenant,
            name: name.parse().unwrap(),
            description: "Uses keys".to_owned(),
            permissions: ActionSet::of(&[Action::KeyEncrypt, Action::KeyDecrypt]),
            delegable: ActionSet::EMPTY,
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }

    pub fn assignment_row(
        &self,
        tenant: Option<TenantId>,
        principal: PrincipalId,
        role: RoleId,
    ) -> RoleAssignment {
        RoleAssignment {
            id: AssignmentId::from_uuid(self.uuid()),
            tenant,
            principal,
            role,
            restriction: None,
            created_at: START,
            etag: 1,
        }
    }

    pub fn policy_row(&self, name: &str) -> Policy {
        Policy {
            id: PolicyId::from_uuid(self.uuid()),
            tenant: self.tenant,
            name: name.parse().unwrap(),
            description: "Every quarter".to_owned(),
            status: PolicyStatus::Active,
            rotation_interval_days: Some(90),
            schedule: None,
            rollback_window_seconds: 86_400,
            overlap_seconds: 3_600,
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }

    /// A key that is in use, in the world's own tenant.
    pub fn key(&self, name: &str) -> NewKey {
        self.key_in(self.tenant, name)
    }

    pub fn key_in(&self, tenant: TenantId, name: &str) -> NewKey {
        let algorithm = Algorithm::Aes256GcmCommit;
        let id = KeyId::from_uuid(self.uuid());
        let token = (tenant == self.tenant).then_some(self.token);
        let key = Key {
            id,
            tenant,
            name: name.parse().unwrap(),
            description: String::new(),
            purpose: String::new(),
            owner: String::new(),
            data_class: None,
            algorithm,
            usages: algorithm.info().usages,
            provider: ProviderKind::Native,
            origin: Origin::Generated,
            public_only: false,
            restrictions: Restrictions {
                exportable: false,
                deterministic: false,
                process_after_expiry: true,
                use_limit: None,
            },
            authorized_services: BTreeSet::new(),
            access_policy: BTreeMap::new(),
            compliance_tags: BTreeSet::new(),
            tags: BTreeMap::new(),
            rotation_policy: None,
            rollback_window_seconds: 86_400,
            overlap_seconds: 0,
            primary_version: 1,
            latest_version: 1,
            created_by: token,
            created_at: START,
            updated_at: START,
            etag: 1,
        };
        let version = self.version_row(&key, 1);
        let transition = self.transition_row(&version, "create", None);
        NewKey {
            key,
            version,
            transition,
        }
    }

    pub fn version_row(&self, key: &Key, number: i64) -> KeyVersion {
        KeyVersion {
            id: VersionId::from_uuid(self.uuid()),
            tenant: key.tenant,
            key: key.id,
            version: number,
            parent_version: (number > 1).then(|| number - 1),
            state: State::Active,
            state_before: None,
            algorithm: key.algorithm,
            size_bits: 256,
            strength_bits: 256,
            provider: ProviderKind::Native,
            provider_key_id: self.uuid().to_string(),
            region: None,
            endpoint: None,
            record_digest: Some(self.digest()),
            fingerprint: self.digest(),
            public_key: None,
            provenance: None,
            can_roll_back: false,
            rollback_expires_at: None,
            retire_at: None,
            promotion_count: 1,
            created_by: key.created_by,
            rotated_by: None,
            correlation_id: correlation("request-1"),
            created_at: START,
            updated_at: START,
            activated_at: Some(START),
            expires_at: None,
            rotated_at: None,
            compromised_at: None,
            destroy_at: None,
            destroying: false,
            destroyed_at: None,
            etag: 1,
        }
    }

    pub fn transition_row(
        &self,
        version: &KeyVersion,
        event: &str,
        from: Option<State>,
    ) -> Transition {
        Transition {
            id: TransitionId::from_uuid(self.ordered()),
            tenant: version.tenant,
            key: version.key,
            version: version.version,
            event: event.to_owned(),
            from_state: from,
            to_state: version.state,
            primary_version: version.version,
            at: START,
            principal: None,
            token: None,
            reason: None,
            correlation_id: correlation("request-1"),
        }
    }

    pub fn pointer_row(&self, class: &str, key: KeyId) -> ClassPointer {
        ClassPointer {
            tenant: self.tenant,
            class: class.parse().unwrap(),
            key,
            previous_key: None,
            updated_at: START,
            etag: 1,
        }
    }

    pub fn binding_row(&self, key: &Key) -> DataBinding {
        DataBinding {
            id: BindingId::from_uuid(self.uuid()),
            tenant: key.tenant,
            key: key.id,
            uri: "s3://bucket/object".to_owned(),
            label: "Scans of 2026".to_owned(),
            owner: "radiology".to_owned(),
            created_at: START,
            released_at: None,
            etag: 1,
        }
    }

    pub fn import_key_row(&self) -> ImportKey {
        ImportKey {
            id: ImportKeyId::from_uuid(self.uuid()),
            tenant: self.tenant,
            principal: self.principal,
            method: ImportMethod::HpkeXWing,
            provider_key_id: self.uuid().to_string(),
            record_digest: self.digest(),
            public_key_digest: self.digest(),
            created_by: Some(self.token),
            created_at: START,
            expires_at: START.plus_seconds(3600),
            used_at: None,
            used_for: None,
            destroy_at: START.plus_seconds(3600),
            destroyed_at: None,
            etag: 1,
        }
    }

    pub fn secret_row(&self, tenant: Option<TenantId>, name: &str) -> Secret {
        Secret {
            id: SecretId::from_uuid(self.uuid()),
            tenant,
            name: name.parse().unwrap(),
            state: SecretState::Stored,
            description: String::new(),
            labels: BTreeMap::new(),
            keep: 10,
            latest_version: 1,
            created_by: Some(self.token),
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }

    pub fn secret_version_row(&self, secret: &Secret) -> SecretVersion {
        SecretVersion {
            id: SecretVersionId::from_uuid(self.uuid()),
            tenant: secret.tenant,
            secret: secret.id,
            version: secret.latest_version,
            record: RecordId::from_uuid(self.ordered()),
            record_digest: self.digest(),
            destroying_at: None,
            created_by: Some(self.token),
            correlation_id: correlation("request-1"),
            created_at: START,
            etag: 1,
        }
    }

    pub fn condition_row(&self, tenant: Option<TenantId>, subject: &str) -> Condition {
        Condition {
            id: ConditionId::from_uuid(self.ordered()),
            tenant,
            kind: ConditionKind::STORAGE_SPACE_LOW,
            subject: subject.to_owned(),
            severity: Severity::Warning,
            detail: "little room is left".to_owned(),
            since: START,
            last_seen_at: START,
            cleared_at: None,
            etag: 1,
        }
    }

    pub fn audit_rule_row(&self, tenant: Option<TenantId>, kind: RuleKind) -> AuditRule {
        AuditRule {
            id: AuditRuleId::from_uuid(self.ordered()),
            tenant,
            kind,
            name: "case-7".to_owned(),
            reason: "asked".to_owned(),
            days: (kind == RuleKind::Retention).then_some(Days::DEFAULT),
            through: (kind == RuleKind::LetGo).then_some(4711),
            since: START,
            by: None,
            released_at: None,
            released_by: None,
            release_reason: String::new(),
            etag: 1,
        }
    }

    /// One that failed and is tried again.
    pub fn rotation_row(&self, key: &Key, planned_at: Timestamp) -> Rotation {
        Rotation {
            id: RotationId::from_uuid(self.ordered()),
            tenant: key.tenant,
            key: key.id,
            policy: PolicyId::from_uuid(self.uuid()),
            policy_etag: 3,
            trigger: RotationTrigger::Schedule,
            planned_at,
            run: CorrelationId::new("kw-run").unwrap(),
            epoch: Some(7),
            started_at: planned_at.plus_seconds(1),
            finished_at: planned_at.plus_seconds(2),
            outcome: RotationOutcome::Failed,
            attempts: 1,
            error: Some("storage_unavailable".to_owned()),
            retry_at: Some(planned_at.plus_seconds(60)),
            key_etag: key.etag,
            from_version: 1,
            to_version: None,
            etag: 1,
        }
    }

    pub fn stray_row(&self) -> StrayRecord {
        let name = format!("rec/ab/{}", self.ordered());
        StrayRecord {
            name: ObjectName::new(&name).unwrap(),
            found_at: START,
            quarantined_at: None,
            etag: 1,
            confirmed_at: None,
            deleting_at: None,
        }
    }

    pub fn job_row(&self, tenant: Option<TenantId>) -> Job {
        Job {
            id: JobId::from_uuid(self.ordered()),
            tenant,
            kind: JobKind::DestroyMaterial,
            state: JobState::Queued,
            subject: self.uuid(),
            due_at: START,
            attempts: 0,
            last_error: None,
            progress: JobProgress {
                pass: 2,
                examined: 3,
                found: 1,
                failed: 0,
                changed: 7,
                resume_after: Some("rec/ab".to_owned()),
            },
            created_at: START,
            updated_at: START,
            etag: 1,
        }
    }
}
