//! The manifest of a backup: what it holds, of what, from when, and what it takes to restore it.
//! Readable, so that a backup can be found and checked with nothing but the public key; signed, since
//! what is sealed to recipients says nothing of who sealed it.
//!
//! ```text
//! {"audit":…,"backup":…,…}\n          canonical JSON: keys sorted, no spaces
//! <base64 of the Ed25519 signature> <base64 of the public key>\n
//! ```
//! The signature is over `keyward-backup/1\n` and the first line, without its line feed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyward_core::noun::tenant::Digest;
use keyward_core::text_enum;
use keyward_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signature::{BackupKey, SignatureError, Signer};

/// The format that this program writes.
pub const FORMAT: &str = "keyward-backup/1";

/// The largest manifest that is read, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: usize = 64 << 20;

text_enum! {
    /// What a part holds.
    pub enum Content {
        /// Rows of the registry.
        Registry => "registry",
        /// Changes of the registry, one after the other.
        Changes => "changes",
        /// Sealed objects of the vault.
        Vault => "vault",
    }
}

text_enum! {
    /// What a backup is.
    pub enum BackupKind {
        /// Everything, at one revision.
        Full => "full",
        /// What changed since another one.
        Segment => "segment",
    }
}

/// One part: a file sealed to the recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is called beside the manifest.
    pub name: String,
    /// What it holds.
    pub content: Content,
    /// How many rows or objects.
    pub entries: u64,
    /// How many bytes it has, sealed.
    pub sealed_bytes: u64,
    /// SHA-256 of these bytes.
    pub sealed_sha256: Digest,
    /// How many bytes it opens to.
    pub opened_bytes: u64,
}

/// A seal that opens what was backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealNeeded {
    /// `key-file` or `shares`.
    pub kind: String,
    /// How many shares it takes, of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    /// How many shares were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u8>,
}

/// How far the audit log was when the backup began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditPosition {
    /// Whose journal.
    pub node: String,
    /// Its last entry.
    pub sequence: u64,
    /// SHA-256 of that entry's canonical JSON.
    pub entry_sha256: Digest,
}

/// A tenant's key-encryption key that is in the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KekHeld {
    /// Whose; the nil id for the system's own.
    pub tenant: Uuid,
    /// Its version.
    pub version: i64,
    /// Its record.
    pub record: Uuid,
}

/// A record that the registry names and the vault does not have as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostRecord {
    /// Which.
    pub record: Uuid,
    /// What is wrong with it.
    pub wrong: String,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Its id: in order of time.
    pub backup: Uuid,
    /// Everything, or what changed.
    pub kind: BackupKind,
    /// Of which deployment.
    pub deployment: Uuid,
    /// Of which history of it: a restore begins another one, whose revisions are not the first's. Nil
    /// where the manifest is older than histories: then it is of none that anything follows on.
    #[serde(default)]
    pub history: Uuid,
    /// A segment holds what changed after this revision; 0 for a full backup.
    pub from_revision: i64,
    /// The registry's revision that it holds.
    pub revision: i64,
    /// When that revision was committed.
    pub committed_at: Timestamp,
    /// When the backup began.
    pub begun_at: Timestamp,
    /// When it was complete.
    pub completed_at: Timestamp,
    /// The program that made it.
    pub software: String,
    /// The registry's schema.
    pub schema: i64,
    /// To whom the parts are sealed.
    pub recipients: Vec<String>,
    /// What it takes to unseal what is restored: any one of these.
    pub seals: Vec<SealNeeded>,
    /// How far the audit log was.
    pub audit: Option<AuditPosition>,
    /// SHA-256 of `root/current`, which names the root key and its seals. A segment holds the root
    /// and the key-encryption keys only if it changed.
    pub root_sha256: Digest,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
    /// Records by kind.
    pub records: BTreeMap<String, u64>,
    /// Records that were lost before the backup: they are not in it.
    pub lost: Vec<LostRecord>,
    /// The key-encryption keys.
    pub keks: Vec<KekHeld>,
    /// The parts, in the order in which they are restored.
    pub parts: Vec<Part>,
}

/// A manifest cannot be taken for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not of this form.
    #[error("the manifest is not one, or was cut")]
    Malformed,
    /// Of another release.
    #[error(
        "the manifest has the format `{found}`; this keyward knows {FORMAT}: use the release that made the backup, or a newer one"
    )]
    Format {
        /// What it says.
        found: String,
    },
    /// The signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Another key than the one given.
    #[error("the manifest is signed by another key than the one given: {found}")]
    OtherKey {
        /// Whose.
        found: String,
    },
    /// It cannot be written.
    #[error("the manifest cannot be written")]
    Unwritable,
}

impl Manifest {
    /// As it is stored, signed.
    pub fn sign(&self, signer: &Signer) -> Result<Vec<u8>, ManifestError> {
        // A map sorts its keys; the fields of a struct are in the order of their definition.
        let sorted = serde_json::to_value(self).map_err(|_| ManifestError::Unwritable)?;
        let mut text = serde_json::to_string(&sorted).map_err(|_| ManifestError::Unwritable)?;
        let signature = STANDARD.encode(signer.sign(text.as_bytes())?);
        text.push('\n');
        text.push_str(&signature);
        text.push(' ');
        text.push_str(&signer.public().text());
        text.push('\n');
        Ok(text.into_bytes())
    }

    /// Reads what is stored and checks the signature: by the key given, or by the one that it names
    /// itself, which the caller then has to compare.
    pub fn read(bytes: &[u8], key: Option<&BackupKey>) -> Result<Signed, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::Malformed);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Malformed)?;
        let mut lines = text.strip_suffix('\n').unwrap_or_default().split('\n');
        let (Some(body), Some(last), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(ManifestError::Malformed);
        };
        let (signature, by) = last.split_once(' ').ok_or(ManifestError::Malformed)?;
        let signature = STANDARD
            .decode(signature)
            .map_err(|_| ManifestError::Malformed)?;
        let by = BackupKey::parse(by)?;
        if key.is_some_and(|key| *key != by) {
            return Err(ManifestError::OtherKey { found: by.text() });
        }
        by.verify(body.as_bytes(), &signature)?;
        let manifest = parse(body)?;
        Ok(Signed { manifest, by })
    }

    /// Whether it is of this history of this deployment.
    pub fn is_of(&self, deployment: Uuid, history: Uuid) -> bool {
        self.deployment == deployment && self.history == history
    }

    /// How many bytes all parts have, sealed.
    pub fn sealed_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.sealed_bytes).sum()
    }
}

fn parse(body: &str) -> Result<Manifest, ManifestError> {
    let value: serde_json::Value =
        serde_json::from_str(body).map_err(|_| ManifestError::Malformed)?;
    match value.get("format").and_then(serde_json::Value::as_str) {
        Some(FORMAT) => serde_json::from_value(value).map_err(|_| ManifestError::Malformed),
        Some(found) => Err(ManifestError::Format {
            found: found.chars().take(64).collect(),
        }),
        None => Err(ManifestError::Malformed),
    }
}

/// A manifest whose signature fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub manifest: Manifest,
    /// By whom.
    pub by: BackupKey,
}
