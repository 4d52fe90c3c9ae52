//! A tenant: an isolated namespace with its own key-encryption key, members, policies and log.

use serde::{Deserialize, Serialize};

use crate::ids::{PrincipalId, RecordId, TenantId};
use crate::names::TenantName;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// What a tenant may do.
    pub enum TenantState {
        /// Works.
        Active => "active",
        /// Refuses every use of its keys until it is resumed.
        Suspended => "suspended",
        /// Its key-encryption keys are destroyed: nothing it held can be opened again.
        Shredded => "shredded",
    }
}

text_enum! {
    /// How a tenant's free texts stand in the registry.
    pub enum TextState {
        /// Readable.
        Clear => "clear",
        /// What is written is sealed; what was there before is on its way.
        Sealing => "sealing",
        /// All of them are sealed under the tenant's text key.
        Sealed => "sealed",
        /// What is written is readable; what was there before is on its way.
        Opening => "opening",
    }
}

impl TextState {
    /// Whether what is written now is sealed.
    pub const fn seals(self) -> bool {
        matches!(self, Self::Sealing | Self::Sealed)
    }

    /// Whether every text that is there is as what is written now.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Clear | Self::Sealed)
    }

    const fn clear() -> Self {
        Self::Clear
    }
}

text_enum! {
    /// How finely the log tells of a tenant's uses of keys (docs/audit-detail.md).
    pub enum AuditDetail {
        /// Each operation is an entry.
        Each => "each",
        /// What went well is counted, for each key, principal and minute.
        Counts => "counts",
    }
}

impl AuditDetail {
    const fn each() -> Self {
        Self::Each
    }
}

/// A tenant as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique in the deployment.
    pub name: TenantName,
    /// What it may do.
    pub state: TenantState,
    /// Free text for people, at most 1,024 characters.
    pub description: String,
    /// How its free texts stand.
    #[serde(default = "TextState::clear")]
    pub text_state: TextState,
    /// How finely the log tells of its uses of keys.
    #[serde(default = "AuditDetail::each")]
    pub audit_detail: AuditDetail,
    /// Since when; none while that was never changed.
    #[serde(default)]
    pub audit_detail_since: Option<Timestamp>,
    /// Who changed it last.
    #[serde(default)]
    pub audit_detail_by: Option<PrincipalId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}

/// One version of a tenant's key-encryption key: where the vault keeps it, and which record is the
/// right one. The key itself is in the vault, wrapped under the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantKek {
    /// Whose.
    pub tenant: TenantId,
    /// 1 for the first.
    pub version: i64,
    /// The vault's record.
    pub record: RecordId,
    /// SHA-256 of the record's core header: the ledger's word for the right record.
    pub record_digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was destroyed, if it was.
    pub destroyed_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}

/// A SHA-256 digest, written as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Digest {
    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| Self::from_slice(&bytes))
            .ok_or_else(|| serde::de::Error::custom("not 64 lower-case hex digits"))
    }
}
