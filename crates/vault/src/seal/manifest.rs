//! `root/current`: which root key is in force and where it is wrapped. Written last when a
//! deployment is initialised: before it there is nothing, after it everything. Each change of the
//! seals or of the root key is one replacement of it.
//!
//! It is not secret. Nothing is trusted because it is written here: what a seal holds is bound to
//! the deployment, the root key and the kind of seal, and does not open if they differ.

use data_encoding::HEXLOWER;
use keyward_core::port::seal::SealKind;
use keyward_core::port::storage::ObjectName;
use keyward_core::time::Timestamp;
use keyward_crypto::digest::sha256;
use keyward_crypto::record::KekRef;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::SealError;

/// The layout of seals, and of the manifest that an initialisation writes.
pub(crate) const FORMAT: u32 = 1;
/// The layout of a manifest once its seals were changed.
pub(crate) const FORMAT_OF_SEVERAL: u32 = 2;
/// The most seals.
pub(crate) const SEALS_MAX: usize = 16;

/// Names a root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootKeyName {
    pub(crate) id: Uuid,
    pub(crate) version: u32,
}

impl RootKeyName {
    /// Its name in outer headers.
    pub(crate) const fn as_kek(self) -> KekRef {
        KekRef {
            id: self.id,
            version: self.version,
        }
    }
}

/// Where one seal is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealEntry {
    pub(crate) kind: SealKind,
    pub(crate) object: String,
    /// Its id. Seals of format 1 have none: theirs is in their object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Uuid>,
    /// Made and not proven: it does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pending: bool,
    /// The seal that goes when this one is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Uuid>,
    /// The SHA-256 of its object as it was read when it was proven, in hex. Seals of format 1 have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl SealEntry {
    /// A seal that counts.
    pub(crate) fn new(kind: SealKind, object: &ObjectName) -> Self {
        Self {
            kind,
            object: object.as_str().to_owned(),
            id: None,
            pending: false,
            replaces: None,
            sha256: None,
        }
    }

    /// Whether an object is the one that was proven, as far as that was written down.
    pub(crate) fn is_proven(&self, object: &[u8]) -> bool {
        let proven = self.sha256.as_ref();
        proven.is_none_or(|proven| *proven == digest_of(object))
    }

    /// Its id.
    pub(crate) fn id(&self) -> Uuid {
        let of_name = || {
            self.object
                .rsplit('/')
                .next()
                .and_then(|it| it.parse().ok())
        };
        self.id.or_else(of_name).unwrap_or_default()
    }
}

/// The next root key, while the seals take part in it one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NextRoot {
    pub(crate) root_key: RootKeyName,
    /// The next root key under the one in force.
    pub(crate) under_current: String,
    /// The seals that hold it by now.
    pub(crate) seals: Vec<SealEntry>,
}

/// The root key before, until no key-encryption key is under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviousRoot {
    pub(crate) root_key: RootKeyName,
    /// The root key before under the one in force: for whoever opens a seal.
    pub(crate) under_current: String,
    /// The one in force under the one before: for nodes that were open meanwhile.
    pub(crate) current_under_it: String,
    /// When the rotation was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) committed_at: Option<Timestamp>,
}

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) deployment: Uuid,
    pub(crate) root_key: RootKeyName,
    pub(crate) seals: Vec<SealEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<NextRoot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<PreviousRoot>,
    /// Objects that mean nothing any more and are to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) discarded: Vec<String>,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let manifest: Self = parse(bytes, "the manifest")?;
        if !matches!(manifest.format, FORMAT | FORMAT_OF_SEVERAL) {
            return Err(SealError::Damaged {
                what: "the manifest's format",
            });
        }
        Ok(manifest)
    }

    /// What is stored of it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, SealError> {
        encode(self, "the manifest")
    }

    /// Whether it names an object: as a seal, a seal for the next root key, or to be deleted.
    pub(crate) fn names(&self, object: &str) -> bool {
        let next = self.next.iter().flat_map(|next| &next.seals);
        let mut seals = self.seals.iter().chain(next);
        seals.any(|seal| seal.object == object) || self.discarded.iter().any(|it| it == object)
    }

    /// The seals that count.
    pub(crate) fn counting(&self) -> impl Iterator<Item = &SealEntry> {
        self.seals.iter().filter(|entry| !entry.pending)
    }
}

/// How an object that was proven is told again.
pub(crate) fn digest_of(object: &[u8]) -> String {
    HEXLOWER.encode(&sha256(object))
}

/// Reads stored JSON; what does not fit is damaged.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, SealError> {
    serde_json::from_slice(bytes).map_err(|_| SealError::Damaged { what })
}

/// Writes JSON to be stored.
pub(crate) fn encode<T: Serialize>(value: &T, what: &'static str) -> Result<Vec<u8>, SealError> {
    serde_json::to_vec(value).map_err(|_| SealError::Damaged { what })
}

/// Refuses other releases' layouts by name rather than by accident.
pub(crate) fn check_format(found: u32, what: &'static str) -> Result<(), SealError> {
    if found == FORMAT {
        Ok(())
    } else {
        Err(SealError::Damaged { what })
    }
}
