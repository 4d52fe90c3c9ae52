//! Using keys: what each verb takes and answers. Plaintexts and keys are wiped when dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::binary::{Binary, Secret};
use crate::names::{Kdf, OaepHash, SignatureEncoding, SignatureScheme};

macro_rules! wire {
    ($($(#[$meta:meta])* $access:ident $name:ident { $($body:tt)* })+) => {$(
        wire!(@ $access $(#[$meta])* $name { $($body)* });
    )+};
    (@ request $(#[$meta:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    };
    (@ answer $(#[$meta:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Serialize, Deserialize, ToSchema)]
        pub struct $name { $($body)* }
    };
}

wire! {
    /// For encrypt.
    request Encrypt {
        /// What to protect.
        pub plaintext: Secret,
        /// Bound to it: give the same to decrypt.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
        /// For RSA keys: the hash of OAEP; SHA-256 if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub oaep: Option<OaepHash>,
        /// Another version than the primary, while it may protect.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From encrypt and rewrap.
    answer Ciphertext {
        /// `kw1:…`, or base64 for keys that match other systems.
        pub ciphertext: String,
        /// The version that protects it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For decrypt.
    request Decrypt {
        /// As encrypt answered.
        pub ciphertext: String,
        /// As given to encrypt.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
    }
    /// From decrypt.
    answer Plaintext {
        /// What was protected.
        pub plaintext: Secret,
        /// The version that protected it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For rewrap: the plaintext stays inside the server.
    request Rewrap {
        /// As encrypt answered.
        pub ciphertext: String,
        /// As given to encrypt; stays bound.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
    }
    /// For sign.
    request Sign {
        /// What to sign, or its digest.
        pub message: Binary,
        /// Whether it is the digest.
        #[serde(default)]
        pub prehashed: bool,
        /// How; the algorithm's usual scheme if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scheme: Option<SignatureScheme>,
        /// For ECDSA: how the signature is written; DER if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub encoding: Option<SignatureEncoding>,
        /// Another version than the primary, while it may protect.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From sign.
    answer Signature {
        /// `kw1s:…`: the signature with the key and version that made it.
        pub signature: String,
        /// The signature alone, as other systems know it.
        pub raw: Binary,
        /// How it was made.
        pub scheme: SignatureScheme,
        /// The version that made it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For verify.
    request Verify {
        /// What was signed, or its digest.
        pub message: Binary,
        /// Whether it is the digest.
        #[serde(default)]
        pub prehashed: bool,
        /// How; the algorithm's usual scheme if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scheme: Option<SignatureScheme>,
        /// For ECDSA: how the signature is written; DER if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub encoding: Option<SignatureEncoding>,
        /// `kw1s:…`, or the signature alone in base64.
        pub signature: String,
        /// Which version made a signature that does not say; the primary if not said.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From verify and verify-mac.
    answer Validity {
        /// Whether it holds.
        pub valid: bool,
        /// The version it was checked with.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For mac.
    request Mac {
        /// What to authenticate.
        pub message: Binary,
        /// Another version than the primary, while it may protect.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From mac.
    answer MacTag {
        /// `kw1m:…`: the code with the key and version that made it.
        pub mac: String,
        /// The code alone.
        pub raw: Binary,
        /// The version that made it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For verify-mac.
    request VerifyMac {
        /// What was authenticated.
        pub message: Binary,
        /// `kw1m:…`, or the code alone in base64.
        pub mac: String,
        /// Which version made a code that does not say; the primary if not said.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// For wrap.
    request Wrap {
        /// The key to wrap.
        pub key: Secret,
        /// Bound to it: give the same to unwrap.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
        /// For RSA keys: the hash of OAEP; SHA-256 if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub oaep: Option<OaepHash>,
        /// Another version than the primary, while it may protect.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From wrap.
    answer Wrapped {
        /// The wrapped key.
        pub wrapped: String,
        /// The version that wraps it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For unwrap.
    request Unwrap {
        /// As wrap or data-key answered.
        pub wrapped: String,
        /// As given to wrap.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
    }
    /// From unwrap and derive.
    answer PlainKey {
        /// The key.
        pub key: Secret,
        /// The version that was used.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For data-key.
    request NewDataKey {
        /// How long it is.
        #[serde(default = "data_key_bytes", deserialize_with = "crate::limits::key_bytes")]
        #[schema(minimum = 16, maximum = 64, default = 32)]
        pub size_bytes: usize,
        /// Bound to it: give the same to unwrap.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub context: BTreeMap<String, String>,
        /// Whether the answer holds the key itself too.
        #[serde(default = "yes")]
        #[schema(default = true)]
        pub with_plaintext: bool,
    }
    /// From data-key.
    answer DataKey {
        /// The wrapped key, for unwrap.
        pub wrapped: String,
        /// The key itself, if asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub plaintext: Option<Secret>,
        /// The version that wraps it.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For derive.
    request Derive {
        /// How to derive: `keyward` (structured; the usual one), `hkdf` (RFC 5869) or, for derive only,
        /// `sp800-108-counter`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub kdf: Option<Kdf>,
        /// What the derived key is for; not with `hkdf`.
        #[serde(default)]
        pub label: Binary,
        /// For whom; not with `hkdf`.
        #[serde(default)]
        pub context: Binary,
        /// The salt of `hkdf`.
        #[serde(default)]
        pub salt: Binary,
        /// The info of `hkdf`.
        #[serde(default)]
        pub info: Binary,
        /// How long it is.
        #[serde(default = "data_key_bytes", deserialize_with = "crate::limits::key_bytes")]
        #[schema(minimum = 16, maximum = 64, default = 32)]
        pub size_bytes: usize,
        /// A version by number keeps deriving the same after rotations; the primary if not said.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// For agree.
    request Agree {
        /// The peer's public key: `SubjectPublicKeyInfo` DER, or a point (X9.62; 32 bytes for X25519).
        pub peer: Binary,
        /// How to derive: `keyward` (structured; the usual one), `hkdf` (RFC 5869) or, for derive only,
        /// `sp800-108-counter`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub kdf: Option<Kdf>,
        /// What the derived key is for; not with `hkdf`.
        #[serde(default)]
        pub label: Binary,
        /// For whom; not with `hkdf`.
        #[serde(default)]
        pub context: Binary,
        /// The salt of `hkdf`.
        #[serde(default)]
        pub salt: Binary,
        /// The info of `hkdf`.
        #[serde(default)]
        pub info: Binary,
        /// How long it is.
        #[serde(default = "data_key_bytes", deserialize_with = "crate::limits::key_bytes")]
        #[schema(minimum = 16, maximum = 64, default = 32)]
        pub size_bytes: usize,
        /// Whether the answer holds the agreed secret itself too, from which to derive in another way.
        #[serde(default)]
        pub with_raw: bool,
        /// A version by number keeps deriving the same after rotations; the primary if not said.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From agree.
    answer AgreedKey {
        /// What was derived from the agreed secret.
        pub key: Secret,
        /// The agreed secret itself, if asked for. It is not uniform: derive from it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub raw: Option<Secret>,
        /// The version that was used.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For encapsulate.
    request Encapsulate {
        /// Another version than the primary, while it may protect.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::limits::version")]
        #[schema(minimum = 1, maximum = 4_294_967_295_i64)]
        pub version: Option<u32>,
    }
    /// From encapsulate.
    answer Encapsulated {
        /// For decapsulate.
        pub encapsulation: String,
        /// The shared secret.
        pub secret: Secret,
        /// The version that was used.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For decapsulate.
    request Decapsulate {
        /// As encapsulate answered.
        pub encapsulation: String,
    }
    /// From decapsulate.
    answer SharedSecret {
        /// The shared secret.
        pub secret: Secret,
        /// The version that was used.
        #[schema(minimum = 1)]
        pub version: u32,
    }
    /// For random bytes.
    request Random {
        /// How many.
        #[schema(minimum = 1, maximum = 65536)]
        pub size_bytes: usize,
    }
    /// Random bytes.
    answer RandomBytes {
        /// The bytes.
        pub bytes: Secret,
    }
}

const fn data_key_bytes() -> usize {
    32
}

const fn yes() -> bool {
    true
}
