//! One item of use: what comes in and what goes out.

use std::collections::BTreeMap;

use keyward_crypto::digest::Hash;
use keyward_crypto::prepared::{Kdf, SignatureEncoding, SignatureScheme};
use keyward_crypto::secret::SecretBytes;

/// Bound to what is protected: names and values, given again to open it.
pub type Context = BTreeMap<String, String>;

/// One use. Inputs that a key made carry key and version; others may name a version.
pub enum UseItem {
    /// For [`Action::KeyEncrypt`].
    Encrypt {
        /// What to protect.
        plaintext: SecretBytes,
        /// Bound to it.
        context: Context,
        /// For RSA: another OAEP hash than SHA-256.
        oaep: Option<Hash>,
        /// Another version than the primary, while it may protect.
        version: Option<u32>,
    },
    /// For [`Action::KeyDecrypt`].
    Decrypt {
        /// `kw1:…`.
        ciphertext: String,
        /// As given to encrypt.
        context: Context,
    },
    /// For [`Action::KeyRewrap`].
    Rewrap {
        /// `kw1:…`.
        ciphertext: String,
        /// As given to encrypt; stays bound.
        context: Context,
    },
    /// For [`Action::KeySign`].
    Sign {
        /// What to sign, or its digest.
        message: Vec<u8>,
        /// Whether it is the digest.
        prehashed: bool,
        /// How; the algorithm's usual scheme if not said.
        scheme: Option<SignatureScheme>,
        /// How the signature is written.
        encoding: SignatureEncoding,
        /// Another version than the primary.
        version: Option<u32>,
    },
    /// For [`Action::KeyVerify`].
    Verify {
        /// What was signed, or its digest.
        message: Vec<u8>,
        /// Whether it is the digest.
        prehashed: bool,
        /// How.
        scheme: Option<SignatureScheme>,
        /// How the signature is written.
        encoding: SignatureEncoding,
        /// `kw1s:…`, or plain base64.
        signature: String,
        /// Which version made a plain signature; the primary if not said.
        version: Option<u32>,
    },
    /// For [`Action::KeyMac`].
    Mac {
        /// What to authenticate.
        message: Vec<u8>,
        /// Another version than the primary.
        version: Option<u32>,
    },
    /// For [`Action::KeyVerifyMac`].
    VerifyMac {
        /// What was authenticated.
        message: Vec<u8>,
        /// `kw1m:…`, or plain base64.
        mac: String,
        /// Which version made a plain MAC; the primary if not said.
        version: Option<u32>,
    },
    /// For [`Action::KeyWrap`].
    Wrap {
        /// The key to wrap.
        key: SecretBytes,
        /// Bound to it.
        context: Context,
        /// For RSA: another OAEP hash than SHA-256.
        oaep: Option<Hash>,
        /// Another version than the primary.
        version: Option<u32>,
    },
    /// For [`Action::KeyUnwrap`].
    Unwrap {
        /// `kw1:…`.
        wrapped: String,
        /// As given to wrap.
        context: Context,
    },
    /// For [`Action::KeyDataKey`].
    DataKey {
        /// 16 to 64 bytes.
        size_bytes: usize,
        /// Bound to it.
        context: Context,
        /// Whether the answer holds the key itself too.
        with_plaintext: bool,
    },
    /// For [`Action::KeyDerive`].
    Derive {
        /// How, from what beside the key.
        how: DeriveHow,
        /// 16 to 64 bytes.
        size_bytes: usize,
        /// A version by number keeps deriving the same after rotations.
        version: Option<u32>,
    },
    /// For [`Action::KeyAgree`].
    Agree {
        /// The peer's public key, `SubjectPublicKeyInfo` DER or a point.
        peer: Vec<u8>,
        /// How to derive, from what beside the agreed secret.
        how: DeriveHow,
        /// 16 to 64 bytes.
        size_bytes: usize,
        /// Whether the agreed secret itself is wanted too.
        with_raw: bool,
        /// A version by number keeps agreeing after rotations.
        version: Option<u32>,
    },
    /// For [`Action::KeyEncapsulate`].
    Encapsulate {
        /// Another version than the primary.
        version: Option<u32>,
    },
    /// For [`Action::KeyDecapsulate`].
    Decapsulate {
        /// `kw1:…`.
        encapsulation: String,
    },
}

/// How to derive. Each function takes two of the four inputs; the others must be empty.
#[derive(Default)]
pub struct DeriveHow {
    /// Which function.
    pub kdf: Kdf,
    /// What the derived key is for (not for HKDF).
    pub label: Vec<u8>,
    /// For whom (not for HKDF).
    pub context: Vec<u8>,
    /// HKDF's salt.
    pub salt: Vec<u8>,
    /// HKDF's info.
    pub info: Vec<u8>,
}

/// The result of one use, and the version that was used.
pub struct UseOutcome {
    /// Which version.
    pub version: u32,
    /// What came out.
    pub result: UseResult,
}

/// What came out.
pub enum UseResult {
    /// `kw1:…`.
    Ciphertext(String),
    /// What was protected.
    Plaintext(SecretBytes),
    /// A signature.
    Signature {
        /// `kw1s:…`.
        text: String,
        /// As the scheme encodes it.
        raw: Vec<u8>,
        /// Which scheme.
        scheme: SignatureScheme,
    },
    /// Whether a signature or MAC is right.
    Valid(bool),
    /// A MAC.
    Mac {
        /// `kw1m:…`.
        text: String,
        /// The code itself.
        raw: Vec<u8>,
    },
    /// A wrapped key, `kw1:…`.
    Wrapped(String),
    /// An unwrapped or derived key, or a shared secret.
    Key(SecretBytes),
    /// What was derived from an agreed secret.
    Agreed {
        /// The derived key.
        key: SecretBytes,
        /// The agreed secret itself, if asked for.
        raw: Option<SecretBytes>,
    },
    /// A data key.
    DataKey {
        /// `kw1:…`, to be unwrapped later.
        wrapped: String,
        /// The key itself, if asked for.
        plaintext: Option<SecretBytes>,
    },
    /// A shared secret and its encapsulation.
    Encapsulated {
        /// `kw1:…`.
        encapsulation: String,
        /// The shared secret.
        secret: SecretBytes,
    },
}
