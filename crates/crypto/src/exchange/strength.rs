//! What is refused though it parses: keys that somebody could guess, factor, or that are none.

use ::pkcs8::der::Decode as _;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::traits::IsIdentity as _;
use pkcs1::RsaPrivateKeyRef;

use super::error::{ExchangeError, malformed};
use super::factors;
use super::parts::Parts;
use crate::algorithm::{Algorithm, Family};
use crate::material::KeyMaterial;
use crate::prepared::{Message, PreparedKey, SignatureScheme};

/// Shortest modulus of a recipient, in bits.
pub(super) const RECIPIENT_BITS_MIN: usize = 3072;
/// Longest modulus of a recipient, in bits: what the library works with.
pub(super) const RECIPIENT_BITS_MAX: usize = 8192;

const fn weak(why: &'static str) -> ExchangeError {
    ExchangeError::Weak { why }
}

const fn invalid(why: &'static str) -> ExchangeError {
    ExchangeError::Invalid { why }
}

/// Checks the private half.
pub(super) fn private(algorithm: Algorithm, parts: &Parts) -> Result<(), ExchangeError> {
    match parts {
        Parts::Symmetric(bytes) => varied(bytes.expose()),
        Parts::Seed { seed, .. } => varied(seed.expose()),
        // A random scalar begins with eight zero bytes once in 2^64; one that was counted up, or
        // made from too little randomness, always does.
        Parts::Scalar { scalar, .. } if scalar.expose().iter().take(8).all(|byte| *byte == 0) => {
            Err(weak("the private scalar is too small"))
        }
        Parts::Scalar { .. } | Parts::Expanded(_) => Ok(()),
        Parts::Rsa(der) => {
            let key = RsaPrivateKeyRef::from_der(der.expose())
                .map_err(|_| malformed("this is no RSAPrivateKey"))?;
            rsa_modulus_and_exponent(
                key.modulus.as_bytes(),
                key.public_exponent.as_bytes(),
                algorithm,
            )?;
            rsa_primes(
                key.prime1.as_bytes(),
                key.prime2.as_bytes(),
                key.private_exponent.as_bytes(),
                algorithm.info().size_bits as usize,
            )
        }
    }
}

/// All bytes the same: a key that somebody forgot to fill in.
fn varied(bytes: &[u8]) -> Result<(), ExchangeError> {
    let Some((first, rest)) = bytes.split_first() else {
        return Err(malformed("the key is empty"));
    };
    // Not in constant time for keys that are refused anyway; for others, one fold over all bytes.
    if rest.iter().fold(0, |differ, byte| differ | (byte ^ first)) == 0 {
        return Err(weak("all its bytes are the same"));
    }
    Ok(())
}

/// Modulus and exponent of an RSA key of `algorithm`.
pub(super) fn rsa_modulus_and_exponent(
    modulus: &[u8],
    exponent: &[u8],
    algorithm: Algorithm,
) -> Result<(), ExchangeError> {
    let bits = algorithm.info().size_bits as usize;
    if bit_length(modulus) != bits {
        return Err(ExchangeError::WrongAlgorithm {
            expected: algorithm,
            what: "the modulus has another length",
        });
    }
    rsa_public(modulus, exponent)
}

/// FIPS 186-5, section A.1.1: the modulus a product of two large primes, as far as can be told
/// from it; the exponent odd and between 2^16 and 2^256.
pub(super) fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Result<(), ExchangeError> {
    factors::hidden(modulus)?;
    let length = bit_length(exponent);
    if exponent.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(weak("the public exponent is even"));
    }
    if length < 17 {
        return Err(weak("the public exponent is below 65537"));
    }
    if length > 33 {
        return Err(weak("the public exponent is longer than 33 bits"));
    }
    Ok(())
}

/// FIPS 186-5, section A.1.3: both primes of half the modulus' length and far apart, the private
/// exponent large.
fn rsa_primes(p: &[u8], q: &[u8], d: &[u8], bits: usize) -> Result<(), ExchangeError> {
    if bit_length(p) != bits / 2 || bit_length(q) != bits / 2 {
        return Err(weak("the primes are not of half the modulus' length"));
    }
    if bit_length(&difference(trimmed(p), trimmed(q))) <= bits / 2 - 100 {
        return Err(weak("the primes are too close to each other"));
    }
    if bit_length(d) <= bits / 2 {
        return Err(weak("the private exponent is too small"));
    }
    Ok(())
}

/// A point of Ed25519 must be on the curve and of large order.
pub(super) fn ed25519_point(bytes: &[u8]) -> Result<(), ExchangeError> {
    let point = CompressedEdwardsY::from_slice(bytes)
        .ok()
        .and_then(|compressed| compressed.decompress())
        .ok_or(invalid("the point is not on the curve"))?;
    if point.is_small_order() {
        return Err(weak("the point is of small order"));
    }
    Ok(())
}

/// A point of X25519 must be of large order (RFC 7748, section 6.1: the shared secret would be
/// zero).
pub(super) fn x25519_point(bytes: &[u8]) -> Result<(), ExchangeError> {
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| malformed("the public key has not its algorithm's length"))?;
    if MontgomeryPoint(bytes).mul_clamped([0x55; 32]).is_identity() {
        return Err(weak("the point is of small order"));
    }
    Ok(())
}

/// Uses the key once, where using is what shows that its parts belong together: an RSA key whose
/// primes are none, or whose exponents do not match, signs what does not verify.
pub(super) fn works(material: &KeyMaterial) -> Result<(), ExchangeError> {
    let broken = invalid("its private half does not undo its public one");
    let key = PreparedKey::new(material).map_err(|_| broken)?;
    if material.algorithm().info().family != Family::Rsa {
        return Ok(());
    }
    let scheme = SignatureScheme::RsaPkcs1Sha256;
    let message = Message::Raw(b"keyward/import/trial");
    let signature = key.sign(scheme, message).map_err(|_| broken)?;
    key.verify(scheme, message, &signature).map_err(|_| broken)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

pub(super) fn bit_length(bytes: &[u8]) -> usize {
    let bytes = trimmed(bytes);
    bytes
        .first()
        .map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize)
}

/// `|left - right|` of two numbers of one length.
fn difference(left: &[u8], right: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let (large, small) = if left >= right {
        (left, right)
    } else {
        (right, left)
    };
    let mut out = zeroize::Zeroizing::new(large.to_vec());
    let mut borrow = false;
    for (digit, subtrahend) in out.iter_mut().rev().zip(small.iter().rev()) {
        let (first, one) = digit.overflowing_sub(*subtrahend);
        let (second, two) = first.overflowing_sub(u8::from(borrow));
        *digit = second;
        borrow = one || two;
    }
    out
}
