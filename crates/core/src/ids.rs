//! Identifiers as types, so that a tenant's id cannot be passed where a key's is meant.
//!
//! What leaves the server (tenants, principals, tokens, roles, keys, versions, bindings, policies)
//! has a random id (UUIDv4), which tells nothing of order or rate. What stays inside (records,
//! jobs, history rows) is time-ordered (UUIDv7), which keeps its index compact.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in lower-case hyphenated form")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes over an id that was made elsewhere.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// A random id (version 4) from 16 random bytes.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id as a UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts the canonical text only: one id, one spelling.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let uuid = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                let mut canonical = Uuid::encode_buffer();
                if uuid.as_hyphenated().encode_lower(&mut canonical) == text {
                    Ok(Self(uuid))
                } else {
                    Err(InvalidId)
                }
            }
        }
    )+};
}

ids! {
    /// A tenant.
    TenantId,
    /// A person or service.
    PrincipalId,
    /// A token by which a principal is known.
    TokenId,
    /// A role.
    RoleId,
    /// One assignment of a role to a principal.
    AssignmentId,
    /// A key.
    KeyId,
    /// One version of a key.
    VersionId,
    /// A rotation policy.
    PolicyId,
    /// A data binding.
    BindingId,
    /// A wrapping key for imports.
    ImportKeyId,
    /// A secret: a named value that people keep here.
    SecretId,
    /// One version of a secret.
    SecretVersionId,
    /// A background job.
    JobId,
    /// A condition: something that is, or was, not as it should be.
    ConditionId,
    /// What keeps entries of the audit log: a retention or a legal hold.
    AuditRuleId,
    /// A drill: a backup restored for trial.
    DrillId,
    /// A rotation that a policy asked for.
    RotationId,
    /// A record in the vault. Made afresh for each write, never overwritten.
    RecordId,
    /// One row of a key's history.
    TransitionId,
}

impl TenantId {
    /// Stands for the system where a tenant's id is asked for: in records and for the
    /// key-encryption key of what belongs to no tenant. No tenant has it.
    pub const SYSTEM: Self = Self(Uuid::nil());
}
