//! Hashes, HMAC, HKDF and the constant-time comparison, as plain functions over AWS-LC.
//! Knows nothing of keys, formats or usages.

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
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    fill(&prk, info, out, 255 * 32)
}

/// HKDF-Expand with SHA-256 (RFC 5869, section 2.3) from a pseudorandom key of 32 to 64 bytes.
///
/// # Errors
/// [`CryptoError::InvalidKey`] for another key length, [`CryptoError::LengthOutOfRange`] when
/// `out` is longer than 8,160 bytes, [`CryptoError::EngineFailed`].
pub fn hkdf_expand_sha256(prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    if !(32..=64).contains(&prk.len()) {
        return Err(CryptoError::InvalidKey);
    }
    fill(
        &hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk),
        info,
        out,
        255 * 32,
    )
}

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3) from a pseudorandom key of 64 bytes.
///
/// # Errors
/// [`CryptoError::InvalidKey`] for another key length, [`CryptoError::LengthOutOfRange`] when
/// `out` is longer than 16,320 bytes, [`CryptoError::EngineFailed`].
pub fn hkdf_expand_sha512(prk: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    if prk.len() != 64 {
        return Err(CryptoError::InvalidKey);
    }
    fill(
        &hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, prk),
        info,
        out,
        255 * 64,
    )
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
