//! What one registry transaction holds: the rows it changes, the audit event, and the memory of
//! the request that asked for it. One commit, one revision, one event.

use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::ids::{PrincipalId, TenantId};
use crate::noun::audit_rule::AuditRule;
use crate::noun::binding::DataBinding;
use crate::noun::class_pointer::ClassPointer;
use crate::noun::condition::Condition;
use crate::noun::drill::Drill;
use crate::noun::history::Transition;
use crate::noun::import_key::ImportKey;
use crate::noun::job::Job;
use crate::noun::key::Key;
use crate::noun::key_version::KeyVersion;
use crate::noun::policy::Policy;
use crate::noun::principal::Principal;
use crate::noun::role::{Role, RoleAssignment};
use crate::noun::rotation::Rotation;
use crate::noun::secret::{Secret, SecretVersion};
use crate::noun::stray::StrayRecord;
use crate::noun::tenant::{Digest, Tenant, TenantKek};
use crate::noun::token::Token;
use crate::port::lease::Fence;
use crate::time::Timestamp;

/// A row of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "table", content = "row", rename_all = "snake_case")]
pub enum Row {
    /// Of `tenants`.
    Tenant(Tenant),
    /// Of `tenant_keks`.
    TenantKek(TenantKek),
    /// Of `principals`.
    Principal(Principal),
    /// Of `tokens`.
    Token(Token),
    /// Of `roles`.
    Role(Role),
    /// Of `role_assignments`.
    RoleAssignment(RoleAssignment),
    /// Of `keys`.
    Key(Box<Key>),
    /// Of `key_versions`.
    KeyVersion(Box<KeyVersion>),
    /// Of `transitions`; inserted only.
    Transition(Transition),
    /// Of `policies`.
    Policy(Policy),
    /// Of `class_pointers`.
    ClassPointer(ClassPointer),
    /// Of `data_bindings`.
    DataBinding(DataBinding),
    /// Of `jobs`.
    Job(Job),
    /// Of `import_keys`.
    ImportKey(ImportKey),
    /// Of `secrets`.
    Secret(Secret),
    /// Of `secret_versions`.
    SecretVersion(SecretVersion),
    /// Of `conditions`.
    Condition(Condition),
    /// Of `stray_records`.
    StrayRecord(StrayRecord),
    /// Of `drills`.
    Drill(Drill),
    /// Of `audit_rules`.
    AuditRule(AuditRule),
    /// Of `rotations`.
    Rotation(Box<Rotation>),
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteKind {
    /// It must not exist yet.
    Insert,
    /// It must exist with the etag before the one that the row carries.
    Update,
    /// It must exist with the etag that the row carries.
    Delete,
}

/// One change of one row: its full after-image (for a delete, the image before).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// What happens.
    pub kind: WriteKind,
    /// To which row.
    #[serde(flatten)]
    pub row: Row,
}

impl Write {
    /// A new row.
    pub const fn insert(row: Row) -> Self {
        Self {
            kind: WriteKind::Insert,
            row,
        }
    }

    /// A changed row.
    pub const fn update(row: Row) -> Self {
        Self {
            kind: WriteKind::Update,
            row,
        }
    }

    /// A row that goes.
    pub const fn delete(row: Row) -> Self {
        Self {
            kind: WriteKind::Delete,
            row,
        }
    }
}

/// The memory of a creation request, so that sending it again makes nothing twice. Never the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// In which tenant; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Who sent it.
    pub principal: PrincipalId,
    /// To which operation.
    pub route: &'static str,
    /// What the client chose, at most 128 characters.
    pub key: String,
    /// SHA-256 of the request.
    pub digest: Digest,
}

/// What a repeated request finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the request that came first.
    pub digest: Digest,
    /// What it made.
    pub resource: uuid::Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// Everything one registry transaction is asked to do.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The tenant whose change log it belongs to; none for the system's.
    pub tenant: Option<TenantId>,
    /// The rows, in the order in which foreign keys let them be written.
    pub writes: Vec<Write>,
    /// What the log will say; the registry adds revision and change number.
    pub event: AuditEvent,
    /// The request's memory, with the id of what it makes.
    pub idempotency: Option<(IdempotencyKey, uuid::Uuid)>,
    /// Whose role this is done in; the whole commit is refused once another has taken it.
    pub fence: Option<Fence>,
}

/// A commit as the change feed shows it. As JSON it is one line of a change segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its place in the order of commits, without gaps.
    pub revision: i64,
    /// The tenant; none for the system's own.
    pub tenant: Option<TenantId>,
    /// Its number in the tenant's change log, from 1 without gaps.
    pub change: i64,
    /// Commit time: never before the one of an earlier revision.
    pub committed_at: Timestamp,
    /// The rows after it.
    pub writes: Vec<Write>,
    /// What the log says, with revision and change number.
    pub event: AuditEvent,
}
