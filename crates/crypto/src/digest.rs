//! Hashes, HMAC, key derivation and the constant-time comparison, as plain functions over AWS-LC.
//! Knows nothing of keys, formats or usages.

use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};

use crate::error::CryptoError;

/// SHA-256 (FIPS 180-4).
pub fn sha256(data: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-256 of the concatenation of `parts`.
pub fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    fixed(context.finish().as_ref())
}

/// SHA-256 of what comes piece by piece.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// And of this.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Of all that came.
    pub fn finish(self) -> [u8; 32] {
        fixed(self.0.finish().as_ref())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// SHA-384 (FIPS 180-4).
pub fn sha384(data: &[u8]) -> [u8; 48] {
    fixed(digest::digest(&digest::SHA384, data).as_ref())
}

/// SHA-512 (FIPS 180-4).
pub fn sha512(data: &[u8]) -> [u8; 64] {
    fixed(digest::digest(&digest::SHA512, data).as_ref())
}

/// HMAC-SHA-256 (RFC 2104, FIPS 198-1) with a key of any length.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

/// HMAC-SHA-512 (RFC 2104, FIPS 198-1) with a key of any length.
pub fn hmac_sha512(key: &[u8], data: &[u8]) -> [u8; 64] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), data).as_ref())
}

/// HKDF-SHA-256 (RFC 5869), extract and expand; fills `out`, at most 8,160 bytes.
///
/// # Errors
/// [`CryptoError::LengthOutOfRange`] when `out` is longer, [`CryptoError::EngineFailed`].
pub fn hkdf_sha256(
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    hkdf(Hash::Sha256, secret, salt, info, out)
}

/// HKDF-Expand with SHA-256 (RFC 5869, section 2.3) from a pseudorandom key of 32 to 64 bytes.
///
/// # Errors
/// [`CryptoError::InvalidKey`] for another key length, [`CryptoError::LengthOutOfRange`] when
/// `out` is longer than 8,160 bytes, [`CryptoError::EngineFailed`].
pub fn hkdf_expand_sha256(prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    hkdf_expand(Hash::Sha256, prk, info, out)
}

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3) from a pseudorandom key of 64 bytes.
///
/// # Errors
/// [`CryptoError::InvalidKey`] for another key length, [`CryptoError::LengthOutOfRange`] when
/// `out` is longer than 16,320 bytes, [`CryptoError::EngineFailed`].
pub fn hkdf_expand_sha512(prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    hkdf_expand(Hash::Sha512, prk, info, out)
}

/// A hash of the SHA-2 family, where a construction leaves the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A name that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash; there are sha-256, sha-384 and sha-512")]
pub struct UnknownHash;

impl std::str::FromStr for Hash {
    type Err = UnknownHash;

    fn from_str(name: &str) -> Result<Self, UnknownHash> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == name);
        found.ok_or(UnknownHash)
    }
}

impl Hash {
    /// Every hash.
    pub const ALL: &'static [Self] = &[Self::Sha256, Self::Sha384, Self::Sha512];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Length of its output, in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
            Self::Sha512 => hkdf::HKDF_SHA512,
        }
    }
}

/// HKDF (RFC 5869), extract and expand; fills `out`, at most 255 hashes long.
///
/// # Errors
/// [`CryptoError::LengthOutOfRange`] when `out` is longer, [`CryptoError::EngineFailed`].
pub fn hkdf(
    hash: Hash,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let prk = hkdf::Salt::new(hash.hkdf(), salt).extract(secret);
    fill(&prk, info, out, 255 * hash.length())
}

/// HKDF-Expand (RFC 5869, section 2.3) from a pseudorandom key, as long as the hash at least and
/// 64 bytes at most.
///
/// # Errors
/// [`CryptoError::InvalidKey`] for another key length, [`CryptoError::LengthOutOfRange`] when
/// `out` is longer than 255 hashes, [`CryptoError::EngineFailed`].
pub fn hkdf_expand(hash: Hash, prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    if !(hash.length()..=64).contains(&prk.len()) {
        return Err(CryptoError::InvalidKey);
    }
    fill(
        &hkdf::Prk::new_less_safe(hash.hkdf(), prk),
        info,
        out,
        255 * hash.length(),
    )
}

/// The counter mode of NIST SP 800-108 (revision 1, section 4.1) with HMAC: a counter of 32 bits
/// before the fixed input, from 1.
///
/// # Errors
/// [`CryptoError::EngineFailed`].
pub fn counter_kdf(
    hash: Hash,
    secret: &[u8],
    fixed_input: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let id = match hash {
        Hash::Sha256 => KbkdfCtrHmacAlgorithmId::Sha256,
        Hash::Sha384 => KbkdfCtrHmacAlgorithmId::Sha384,
        Hash::Sha512 => KbkdfCtrHmacAlgorithmId::Sha512,
    };
    let algorithm = get_kbkdf_ctr_hmac_algorithm(id).ok_or(CryptoError::EngineFailed)?;
    kbkdf_ctr_hmac(algorithm, secret, fixed_input, out).map_err(|_| CryptoError::EngineFailed)
}

/// Compares in time that depends only on the lengths.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn fill(prk: &hkdf::Prk, info: &[u8], out: &mut [u8], max: usize) -> Result<(), CryptoError> {
    prk.expand(&[info], Length(out.len()))
        .map_err(|_| CryptoError::LengthOutOfRange { min: 1, max })?
        .fill(out)
        .map_err(|_| CryptoError::EngineFailed)
}

/// Copies a digest whose length is fixed by its algorithm.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}
