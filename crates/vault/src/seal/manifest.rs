//! `root/current`: which root key is in force and where it is wrapped. Written last when a
//! deployment is initialised: before it there is nothing, after it everything.
//!
//! It is not secret. Nothing is trusted because it is written here: what a seal holds is bound to
//! the deployment, the root key and the kind of seal, and does not open if they differ.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::SealError;

/// The layout of the manifest and of seals.
pub(crate) const FORMAT: u32 = 1;

/// Names a root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootKeyName {
    pub(crate) id: Uuid,
    pub(crate) version: u32,
}

/// The kinds of seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SealKind {
    KeyFile,
    Shares,
}

impl SealKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KeyFile => "key-file",
            Self::Shares => "shares",
        }
    }
}

/// Where one seal is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealEntry {
    pub(crate) kind: SealKind,
    pub(crate) object: String,
}

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) deployment: Uuid,
    pub(crate) root_key: RootKeyName,
    pub(crate) seals: Vec<SealEntry>,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let manifest: Self = parse(bytes, "the manifest")?;
        check_format(manifest.format, "the manifest's format")?;
        Ok(manifest)
    }

    /// The first seal of a kind.
    pub(crate) fn seal(&self, kind: SealKind) -> Option<&SealEntry> {
        self.seals.iter().find(|seal| seal.kind == kind)
    }
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
