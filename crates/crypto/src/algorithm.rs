//! The one table of algorithms: names, sizes, strengths, usages. To add an algorithm, add a
//! variant, its row, its key material in [`crate::material`] and its use in [`crate::prepared`].
//! This module does no cryptography.

use std::fmt;
use std::str::FromStr;

use crate::error::CryptoError;
pub use crate::usage::{UnknownUsage, Usage, UsageSet};

/// An algorithm a key can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// AES-256-GCM under a key derived for each message, with a key commitment. The default.
    Aes256GcmCommit,
    /// AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D).
    Aes256Gcm,
    /// ChaCha20-Poly1305 with a random 96-bit nonce (RFC 8439).
    ChaCha20Poly1305,
    /// HMAC with SHA-256 (FIPS 198-1).
    HmacSha256,
    /// HMAC with SHA-512 (FIPS 198-1).
    HmacSha512,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ECDSA on P-256 (FIPS 186-5).
    EcdsaP256,
    /// ECDSA on P-384 (FIPS 186-5).
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ML-KEM-768 (FIPS 203).
    MlKem768,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// AES-256 key wrap with padding (RFC 5649, NIST SP 800-38F).
    Aes256Kwp,
}

/// What kind of thing an algorithm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Symmetric authenticated encryption.
    Aead,
    /// Symmetric message authentication and derivation.
    Mac,
    /// Symmetric key wrapping.
    KeyWrap,
    /// RSA, for signing or for encryption.
    Rsa,
    /// Asymmetric signatures on curves.
    EllipticCurve,
    /// Asymmetric signatures on lattices.
    LatticeSignature,
    /// Key encapsulation.
    Kem,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmInfo {
    /// Canonical name, as in the API and in stored records.
    pub name: &'static str,
    /// The algorithm of this row.
    pub algorithm: Algorithm,
    /// Its kind.
    pub family: Family,
    /// Everything a key of this algorithm can do.
    pub usages: UsageSet,
    /// Nominal size: key bits for symmetric algorithms, modulus or field bits for asymmetric
    /// ones, the parameter set's number for ML-KEM, public key bits for ML-DSA.
    pub size_bits: u32,
    /// Security strength in bits: NIST SP 800-57 part 1 revision 5, tables 2 and 3; for ML-KEM-768
    /// and ML-DSA-65 category 3, as hard as AES-192 (FIPS 203 and 204).
    pub strength_bits: u32,
    /// Whether the number of messages under one key must be counted and limited.
    pub needs_use_limit: bool,
    /// One line for people.
    pub description: &'static str,
    /// Number of the algorithm in stored key material; never reused.
    pub code: u16,
}

impl AlgorithmInfo {
    /// Whether keys have a public half.
    pub const fn is_asymmetric(&self) -> bool {
        !matches!(self.family, Family::Aead | Family::Mac | Family::KeyWrap)
    }
}

/// A name that is no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm; `Algorithm::ALL` lists those there are")]
pub struct UnknownAlgorithm;

const AEAD: UsageSet = UsageSet::of(&[
    Usage::Encrypt,
    Usage::Decrypt,
    Usage::Wrap,
    Usage::Unwrap,
    Usage::DataKey,
]);
const MAC: UsageSet = UsageSet::of(&[Usage::Mac, Usage::VerifyMac, Usage::Derive]);
const SIGN: UsageSet = UsageSet::of(&[Usage::Sign, Usage::Verify]);
const RSA: UsageSet = UsageSet::of(&[
    Usage::Encrypt,
    Usage::Decrypt,
    Usage::Wrap,
    Usage::Unwrap,
    Usage::Sign,
    Usage::Verify,
]);
const KEM: UsageSet = UsageSet::of(&[Usage::Encapsulate, Usage::Decapsulate]);
const KEY_WRAP: UsageSet = UsageSet::of(&[Usage::Wrap, Usage::Unwrap, Usage::DataKey]);

/// The columns that every row writes, in one line of code each.
const fn row(
    code: u16,
    algorithm: Algorithm,
    name: &'static str,
    family: Family,
    usages: UsageSet,
    (size_bits, strength_bits): (u32, u32),
    description: &'static str,
) -> AlgorithmInfo {
    AlgorithmInfo {
        name,
        algorithm,
        family,
        usages,
        size_bits,
        strength_bits,
        needs_use_limit: false,
        description,
        code,
    }
}

/// A row whose keys must count their uses: random 96-bit nonces collide too easily after 2^32
/// messages (NIST SP 800-38D, section 8.3).
const fn limited(info: AlgorithmInfo) -> AlgorithmInfo {
    AlgorithmInfo {
        needs_use_limit: true,
        ..info
    }
}

use Algorithm as A;

/// The table, in the order of the variants.
const TABLE: &[AlgorithmInfo] = &[
    row(
        1,
        A::Aes256GcmCommit,
        "aes-256-gcm-commit",
        Family::Aead,
        AEAD,
        (256, 256),
        "AES-256-GCM with a derived key and a commitment for each message; no limit on uses",
    ),
    limited(row(
        2,
        A::Aes256Gcm,
        "aes-256-gcm",
        Family::Aead,
        AEAD,
        (256, 256),
        "AES-256-GCM with random 96-bit nonces, for exchange with other systems",
    )),
    limited(row(
        3,
        A::ChaCha20Poly1305,
        "chacha20-poly1305",
        Family::Aead,
        AEAD,
        (256, 256),
        "ChaCha20-Poly1305 with random 96-bit nonces, for exchange with other systems",
    )),
    row(
        4,
        A::HmacSha256,
        "hmac-sha-256",
        Family::Mac,
        MAC,
        (256, 256),
        "HMAC with SHA-256; or derivation of keys by HKDF",
    ),
    row(
        5,
        A::HmacSha512,
        "hmac-sha-512",
        Family::Mac,
        MAC,
        (512, 256),
        "HMAC with SHA-512; or derivation of keys by HKDF",
    ),
    row(
        6,
        A::Rsa2048,
        "rsa-2048",
        Family::Rsa,
        RSA,
        (2048, 112),
        "RSA 2048: PSS and PKCS#1 v1.5 signatures, or OAEP encryption",
    ),
    row(
        7,
        A::Rsa3072,
        "rsa-3072",
        Family::Rsa,
        RSA,
        (3072, 128),
        "RSA 3072: PSS and PKCS#1 v1.5 signatures, or OAEP encryption",
    ),
    row(
        8,
        A::Rsa4096,
        "rsa-4096",
        Family::Rsa,
        RSA,
        (4096, 128),
        "RSA 4096: PSS and PKCS#1 v1.5 signatures, or OAEP encryption",
    ),
    row(
        9,
        A::EcdsaP256,
        "ecdsa-p256",
        Family::EllipticCurve,
        SIGN,
        (256, 128),
        "ECDSA on P-256 with SHA-256",
    ),
    row(
        10,
        A::EcdsaP384,
        "ecdsa-p384",
        Family::EllipticCurve,
        SIGN,
        (384, 192),
        "ECDSA on P-384 with SHA-384",
    ),
    row(
        11,
        A::Ed25519,
        "ed25519",
        Family::EllipticCurve,
        SIGN,
        (256, 128),
        "Ed25519 signatures",
    ),
    row(
        12,
        A::MlKem768,
        "ml-kem-768",
        Family::Kem,
        KEM,
        (768, 192),
        "ML-KEM-768 key encapsulation, against quantum computers",
    ),
    row(
        13,
        A::MlDsa65,
        "ml-dsa-65",
        Family::LatticeSignature,
        SIGN,
        (15_616, 192),
        "ML-DSA-65 signatures, against quantum computers",
    ),
    row(
        14,
        A::Aes256Kwp,
        "aes-256-kwp",
        Family::KeyWrap,
        KEY_WRAP,
        (256, 256),
        "AES-256 key wrap with padding; deterministic, without context",
    ),
];

impl Algorithm {
    /// Every algorithm, in the order of the table.
    pub const ALL: &'static [Self] = &{
        let mut all = [Self::Aes256GcmCommit; TABLE.len()];
        let mut index = 0;
        while index < TABLE.len() {
            // The table is indexed by variant in `info`: a row out of place must not compile.
            assert!(
                TABLE[index].algorithm as usize == index,
                "a row is out of order"
            );
            all[index] = TABLE[index].algorithm;
            index += 1;
        }
        all
    };

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The row of the table.
    pub const fn info(self) -> &'static AlgorithmInfo {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        TABLE
            .iter()
            .find(|info| info.name == name)
            .map(|info| info.algorithm)
            .ok_or(UnknownAlgorithm)
    }
}

/// What a key may do when its creator does not say: everything for most algorithms; signing for
/// RSA, MACs for HMAC, because those must choose.
pub const fn default_usages(algorithm: Algorithm) -> UsageSet {
    match algorithm.info().family {
        Family::Rsa => SIGN,
        Family::Mac => UsageSet::of(&[Usage::Mac, Usage::VerifyMac]),
        _ => algorithm.info().usages,
    }
}

/// Checks that a key of `algorithm` may have these usages together. One key serves one purpose
/// (NIST SP 800-57 part 1 revision 5, section 5.2): RSA keys either sign or encrypt, HMAC keys
/// either authenticate or derive.
///
/// # Errors
/// [`CryptoError::UnsupportedUsage`] for a usage outside the algorithm's,
/// [`CryptoError::ConflictingUsages`] for two that exclude each other.
pub fn validate_usages(algorithm: Algorithm, usages: UsageSet) -> Result<(), CryptoError> {
    if let Some(usage) = usages
        .iter()
        .find(|usage| !algorithm.info().usages.contains(*usage))
    {
        return Err(CryptoError::UnsupportedUsage { algorithm, usage });
    }
    let purposes: [UsageSet; 2] = match algorithm.info().family {
        Family::Rsa => [
            SIGN,
            UsageSet::of(&[Usage::Encrypt, Usage::Decrypt, Usage::Wrap, Usage::Unwrap]),
        ],
        Family::Mac => [
            UsageSet::of(&[Usage::Mac, Usage::VerifyMac]),
            UsageSet::of(&[Usage::Derive]),
        ],
        _ => return Ok(()),
    };
    let [first, second] = purposes.map(|purpose| usages.intersection(purpose).iter().next());
    match (first, second) {
        (Some(first), Some(second)) => Err(CryptoError::ConflictingUsages {
            algorithm,
            first,
            second,
        }),
        _ => Ok(()),
    }
}
