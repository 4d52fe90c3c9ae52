//! A key: a named object of a tenant, whose material lives in its versions.

use std::collections::{BTreeMap, BTreeSet};

use keyward_crypto::{Algorithm, UsageSet};
use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, PolicyId, TenantId, TokenId};
use crate::names::{DataClass, KeyName};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Who holds the material of a key.
    pub enum ProviderKind {
        /// Our own vault.
        Native => "native",
        /// AWS KMS.
        AwsKms => "aws-kms",
        /// Azure Key Vault.
        AzureKv => "azure-kv",
        /// Google Cloud KMS.
        GcpKms => "gcp-kms",
        /// HashiCorp Vault or OpenBao.
        HashicorpVault => "hashicorp-vault",
        /// A local HSM by PKCS#11.
        Pkcs11 => "pkcs11",
    }
}

text_enum! {
    /// How the material came to be.
    pub enum Origin {
        /// Made here.
        Generated => "generated",
        /// Brought in from outside.
        Imported => "imported",
        /// Made elsewhere and stays there; we keep a reference.
        Adopted => "adopted",
    }
}

/// What a key may not do, or only so often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restrictions {
    /// Whether its material may leave, wrapped. Fixed when the key is made.
    pub exportable: bool,
    /// Whether equal plaintexts give equal ciphertexts. Fixed when the key is made.
    pub deterministic: bool,
    /// Whether an expired version may still process.
    pub process_after_expiry: bool,
    /// How often each version may protect.
    pub use_limit: Option<UseLimit>,
}

/// How often, and over how many bytes, one version may protect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseLimit {
    /// Protect operations.
    pub uses: i64,
    /// Bytes protected.
    pub bytes: i64,
}

/// A key as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: KeyName,
    /// Free text, at most 1,024 characters.
    pub description: String,
    /// What it is for, at most 1,024 characters.
    pub purpose: String,
    /// Who answers for it, at most 256 characters.
    pub owner: String,
    /// The class of data it protects.
    pub data_class: Option<DataClass>,
    /// Its algorithm.
    #[serde(with = "crate::crypto_names::algorithm")]
    pub algorithm: Algorithm,
    /// What it may be used for.
    #[serde(with = "crate::crypto_names::usages")]
    pub usages: UsageSet,
    /// Who holds its material.
    pub provider: ProviderKind,
    /// How its material came to be.
    pub origin: Origin,
    /// Whether only its public half is here: it verifies, encrypts, wraps or encapsulates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public_only: bool,
    /// What it may not do.
    pub restrictions: Restrictions,
    /// Services that are meant to use it. Recorded for people and reports.
    pub authorized_services: BTreeSet<String>,
    /// A note on who may use it and how, as the owner wrote it. Recorded for people and reports.
    pub access_policy: BTreeMap<String, String>,
    /// Rules it falls under, such as `HIPAA`.
    pub compliance_tags: BTreeSet<String>,
    /// Names and values of the owner's choice.
    pub tags: BTreeMap<String, String>,
    /// When it is rotated by itself; none when the policy goes.
    pub rotation_policy: Option<PolicyId>,
    /// How long a rotation can be undone, in seconds.
    pub rollback_window_seconds: i64,
    /// How long a replaced version still protects when it is asked for by number, in seconds.
    pub overlap_seconds: i64,
    /// The version that protects by default.
    pub primary_version: i64,
    /// The highest version number ever given: numbers are never given twice.
    pub latest_version: i64,
    /// Which token made it.
    pub created_by: Option<TokenId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Row version.
    pub etag: i64,
}
