//! A wrapping key made here, so that one key can come in under it; and what is kept of where a
//! key came from. The private half is in the vault, never in the registry.

use serde::{Deserialize, Serialize};

use crate::ids::{ImportKeyId, KeyId, PrincipalId, TenantId, TokenId};
use crate::noun::key::UseLimit;
use crate::noun::tenant::Digest;
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// How a key came in.
    pub enum ImportMethod {
        /// Wrapped by RSA-OAEP (SHA-256) and AES-KWP.
        RsaOaepAesKwp => "rsa-oaep-256-aes-kwp",
        /// Sealed by HPKE to an X-Wing key.
        HpkeXWing => "hpke-x-wing",
        /// As a public key, which needs no wrapping.
        PublicKey => "public-key",
    }
}

text_enum! {
    /// In which container a key came in.
    pub enum ImportFormat {
        /// None: the bytes themselves.
        Raw => "raw",
        /// PKCS#8.
        Pkcs8 => "pkcs8",
        /// JSON Web Key.
        Jwk => "jwk",
        /// `SubjectPublicKeyInfo`.
        Spki => "spki",
    }
}

/// Where the material of a version came from. When and by whom stands in the version itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// How it came in.
    pub method: ImportMethod,
    /// In which container.
    pub format: ImportFormat,
    /// Under which wrapping key; none for a public key.
    pub import_key: Option<ImportKeyId>,
    /// How much it was used before it came, as its owner declared: counts towards its limit.
    pub prior_use: Option<UseLimit>,
}

/// A wrapping key as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportKey {
    /// Its id.
    pub id: ImportKeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who made it, and alone may use it.
    pub principal: PrincipalId,
    /// How keys are wrapped to it.
    pub method: ImportMethod,
    /// The vault's record of the private half.
    pub provider_key_id: String,
    /// The ledger's word for the right record.
    pub record_digest: Digest,
    /// SHA-256 of the public half.
    pub public_key_digest: Digest,
    /// Which token made it.
    pub created_by: Option<TokenId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When a key came in under it.
    pub used_at: Option<Timestamp>,
    /// Which key.
    pub used_for: Option<KeyId>,
    /// When its private half is to be deleted: when it expires, or was used.
    pub destroy_at: Timestamp,
    /// When its private half was gone.
    pub destroyed_at: Option<Timestamp>,
    /// Row version.
    pub etag: i64,
}
