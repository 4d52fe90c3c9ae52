//! Rows of a tenant and of its keys, as small as the registry accepts them.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::audit::{Actor, AuditEvent, LeafMark, Outcome, Resource};
use keyward_core::change::{Row, Write};
use keyward_core::ids::{KeyId, RecordId, TenantId, TransitionId, VersionId};
use keyward_core::names::CorrelationId;
use keyward_core::noun::action::Action;
use keyward_core::noun::history::Transition;
use keyward_core::noun::key::{Key, Origin, ProviderKind, Restrictions};
use keyward_core::noun::key_version::KeyVersion;
use keyward_core::noun::state::State;
use keyward_core::noun::tenant::{AuditDetail, Digest, Tenant, TenantKek, TenantState, TextState};
use keyward_core::time::Timestamp;
use keyward_crypto::Algorithm;
use keyward_testkit::power_cut::Dice;
use uuid::Uuid;

/// When everything happens: 2026-11-18T11:06:40Z.
pub const START: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

pub fn event(name: &str, tenant: Option<TenantId>) -> AuditEvent {
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
        correlation_id: correlation(name),
        details: BTreeMap::new(),
        used: Vec::new(),
        revision: None,
        change: None,
        signature: None,
        leaf: LeafMark::default(),
    }
}

fn correlation(text: &str) -> CorrelationId {
    CorrelationId::new(text).unwrap()
}

fn uuid(dice: &mut Dice) -> Uuid {
    let half = |dice: &mut Dice| u128::from(dice.below(u64::MAX));
    uuid::Builder::from_random_bytes((half(dice) << 64 | half(dice)).to_be_bytes()).into_uuid()
}

fn digest(dice: &mut Dice) -> Digest {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid(dice).as_bytes());
    Digest(bytes)
}

/// A tenant and its key-encryption key.
pub fn tenant(name: &str, dice: &mut Dice) -> (TenantId, Vec<Write>) {
    let id = TenantId::from_uuid(uuid(dice));
    let tenant = Tenant {
        id,
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
    };
    let kek = TenantKek {
        tenant: id,
        version: 1,
        record: RecordId::from_uuid(uuid(dice)),
        record_digest: digest(dice),
        created_at: START,
        destroyed_at: None,
        etag: 1,
    };
    (
        id,
        vec![
            Write::insert(Row::Tenant(tenant)),
            Write::insert(Row::TenantKek(kek)),
        ],
    )
}

/// A key and all its versions, as its owner last saw them.
#[derive(Clone, Debug)]
pub struct HeldKey {
    key: Key,
    versions: Vec<KeyVersion>,
}

impl HeldKey {
    /// A new key in use.
    pub fn new(tenant: TenantId, name: &str, dice: &mut Dice) -> (Self, Vec<Write>) {
        let algorithm = Algorithm::Aes256GcmCommit;
        let key = Key {
            id: KeyId::from_uuid(uuid(dice)),
            tenant,
            name: name.parse().unwrap(),
            description: "Invoices of a year".repeat(dice.index(20)),
            purpose: String::new(),
            owner: "billing".to_owned(),
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
            compliance_tags: BTreeSet::from(["HIPAA".to_owned()]),
            tags: BTreeMap::from([("team".to_owned(), name.to_owned())]),
            rotation_policy: None,
            rollback_window_seconds: 86_400,
            overlap_seconds: 0,
            primary_version: 1,
            latest_version: 1,
            created_by: None,
            created_at: START,
            updated_at: START,
            etag: 1,
        };
        let version = version(&key, 1, dice);
        let writes = vec![
            Write::insert(Row::Key(Box::new(key.clone()))),
            Write::insert(Row::KeyVersion(Box::new(version.clone()))),
            Write::insert(transition(&version, "create", None, dice)),
        ];
        (
            Self {
                key,
                versions: vec![version],
            },
            writes,
        )
    }

    /// A new version that protects, instead of the one that did.
    pub fn rotate(&mut self, dice: &mut Dice) -> Vec<Write> {
        let number = self.key.latest_version + 1;
        let new = version(&self.key, number, dice);
        self.key.etag += 1;
        self.key.latest_version = number;
        self.key.primary_version = number;
        let mut writes = vec![Write::update(Row::Key(Box::new(self.key.clone())))];
        if let Some(old) = self.versions.last_mut() {
            let from = old.state;
            old.etag += 1;
            old.state = State::Rotated;
            old.rotated_at = Some(START);
            writes.push(Write::update(Row::KeyVersion(Box::new(old.clone()))));
            let retired = transition(old, "retire", Some(from), dice);
            writes.push(Write::insert(Row::KeyVersion(Box::new(new.clone()))));
            writes.push(Write::insert(retired));
        }
        writes.push(Write::insert(transition(&new, "rotate", None, dice)));
        self.versions.push(new);
        writes
    }

    /// The newest version is put on hold, or taken off hold.
    pub fn hold_or_resume(&mut self, dice: &mut Dice) -> Vec<Write> {
        let Some(version) = self.versions.last_mut() else {
            return Vec::new();
        };
        let from = version.state;
        let (event, to) = match from {
            State::Active => ("suspend", State::Inactive),
            _ => ("resume", State::Active),
        };
        version.etag += 1;
        version.state = to;
        vec![
            Write::update(Row::KeyVersion(Box::new(version.clone()))),
            Write::insert(transition(version, event, Some(from), dice)),
        ]
    }
}

fn version(key: &Key, number: i64, dice: &mut Dice) -> KeyVersion {
    KeyVersion {
        id: VersionId::from_uuid(uuid(dice)),
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
        provider_key_id: uuid(dice).to_string(),
        region: None,
        endpoint: None,
        record_digest: Some(digest(dice)),
        fingerprint: digest(dice),
        public_key: None,
        can_roll_back: false,
        rollback_expires_at: None,
        retire_at: None,
        provenance: None,
        promotion_count: 1,
        created_by: None,
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

fn transition(version: &KeyVersion, event: &str, from: Option<State>, dice: &mut Dice) -> Row {
    Row::Transition(Transition {
        id: TransitionId::from_uuid(uuid(dice)),
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
    })
}
