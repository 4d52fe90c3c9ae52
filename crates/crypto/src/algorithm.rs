//! The one table of algorithms: names, sizes, strengths, usages. To add an algorithm, add a
//! variant, its row in `table`, its key material in [`crate::material`] and its use in
//! [`crate::prepared`].
//! This module does no cryptography.

mod table;

use std::fmt;
use std::str::FromStr;

use crate::error::CryptoError;
pub use crate::usage::{UnknownUsage, Usage, UsageSet};
use table::{SIGN, TABLE};

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
    /// AES-128-GCM with a random 96-bit nonce (NIST SP 800-38D).
    Aes128Gcm,
    /// AES-192-GCM with a random 96-bit nonce (NIST SP 800-38D).
    Aes192Gcm,
    /// XAES-256-GCM: AES-256-GCM with a random 192-bit nonce (C2SP).
    Xaes256Gcm,
    /// AES-128-GCM-SIV with a random nonce (RFC 8452).
    Aes128GcmSiv,
    /// AES-256-GCM-SIV with a random nonce (RFC 8452).
    Aes256GcmSiv,
    /// AES-256-GCM-SIV with a nonce derived from context and message: equal messages show.
    Aes256GcmSivConvergent,
    /// AES-128 key wrap (RFC 3394, NIST SP 800-38F).
    Aes128Kw,
    /// AES-256 key wrap (RFC 3394, NIST SP 800-38F).
    Aes256Kw,
    /// AES-128 key wrap with padding (RFC 5649, NIST SP 800-38F).
    Aes128Kwp,
    /// HMAC with SHA-384 (FIPS 198-1).
    HmacSha384,
    /// CMAC with AES-128 (NIST SP 800-38B).
    Aes128Cmac,
    /// CMAC with AES-256 (NIST SP 800-38B).
    Aes256Cmac,
    /// ECDSA on P-521 (FIPS 186-5).
    EcdsaP521,
    /// ECDSA on secp256k1 (SEC 2).
    EcdsaSecp256k1,
    /// Key agreement on Curve25519 (RFC 7748).
    X25519,
    /// Key agreement on P-256 (NIST SP 800-56A).
    EcdhP256,
    /// Key agreement on P-384 (NIST SP 800-56A).
    EcdhP384,
    /// Key agreement on P-521 (NIST SP 800-56A).
    EcdhP521,
    /// ML-KEM-512 (FIPS 203).
    MlKem512,
    /// ML-KEM-1024 (FIPS 203).
    MlKem1024,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
    /// Sealing to X25519 and ML-KEM-768 together: HPKE with X-Wing.
    X25519MlKem768,
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
    /// Key agreement with a peer's public key.
    Agreement,
    /// Encryption to a public key that rests on two assumptions at once.
    Hybrid,
}

impl Family {
    /// The canonical name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aead => "aead",
            Self::Mac => "mac",
            Self::KeyWrap => "key_wrap",
            Self::Rsa => "rsa",
            Self::EllipticCurve => "elliptic_curve",
            Self::LatticeSignature => "lattice_signature",
            Self::Kem => "kem",
            Self::Agreement => "agreement",
            Self::Hybrid => "hybrid",
        }
    }
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
    /// ones, the parameter set's number for ML-KEM and the hybrid, public key bits for ML-DSA.
    pub size_bits: u32,
    /// Security strength in bits: NIST SP 800-57 part 1 revision 5, tables 2 and 3; for ML-KEM and
    /// ML-DSA that of the AES or SHA-2 which their category names (FIPS 203 and 204).
    pub strength_bits: u32,
    /// Whether the number of messages under one key must be counted and limited.
    pub needs_use_limit: bool,
    /// Whether all of it is computed by services of the AWS-LC FIPS module. A build with the
    /// feature `fips` refuses the other algorithms.
    pub in_fips_module: bool,
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

    /// Refuses an algorithm that this build leaves out: with the feature `fips`, those that are
    /// not computed by the module.
    ///
    /// # Errors
    /// [`CryptoError::NotInFipsModule`].
    pub const fn ensure_available(self) -> Result<(), CryptoError> {
        if cfg!(feature = "fips") && !self.info().in_fips_module {
            return Err(CryptoError::NotInFipsModule { algorithm: self });
        }
        Ok(())
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
