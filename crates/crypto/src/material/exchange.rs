//! The encodings of key agreement keys: PKCS#8 version 1 for the curves of NIST as AWS-LC writes it,
//! and for X25519 as RFC 8410 does.

use aws_lc_rs::agreement::{
    self, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey, X25519,
};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der, PublicKeyX509Der};

use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::secret::SecretBytes;

/// `PrivateKeyInfo` of X25519 up to the 32 secret bytes (RFC 8410, section 7).
const X25519_PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
];

/// `AlgorithmIdentifier` of a key on P-256 (RFC 5480): id-ecPublicKey, and the curve's name.
const EC_P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
/// The same on P-384.
const EC_P384: [u8; 18] = [
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22,
];
/// The same on P-521.
const EC_P521: [u8; 18] = [
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x23,
];

/// The curve of an algorithm.
pub(crate) fn curve(algorithm: Algorithm) -> Result<&'static agreement::Algorithm, CryptoError> {
    match algorithm {
        Algorithm::X25519 => Ok(&X25519),
        Algorithm::EcdhP256 => Ok(&ECDH_P256),
        Algorithm::EcdhP384 => Ok(&ECDH_P384),
        Algorithm::EcdhP521 => Ok(&ECDH_P521),
        _ => Err(CryptoError::InvalidKey),
    }
}

/// Parses a private key: PKCS#8; for X25519 the 32 secret bytes alone, too.
pub(crate) fn parse(algorithm: Algorithm, secret: &[u8]) -> Result<PrivateKey, CryptoError> {
    let curve = curve(algorithm)?;
    let parsed = if algorithm == Algorithm::X25519 {
        let raw = secret.strip_prefix(&X25519_PKCS8_PREFIX).unwrap_or(secret);
        PrivateKey::from_private_key(curve, raw)
    } else {
        PrivateKey::from_private_key_der(curve, secret)
    };
    parsed.map_err(|_| CryptoError::InvalidKey)
}

/// The canonical secret.
pub(crate) fn secret_der(
    algorithm: Algorithm,
    key: &PrivateKey,
) -> Result<SecretBytes, CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    if algorithm == Algorithm::X25519 {
        let seed: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(failed)?;
        let mut der = SecretBytes::zeroed(X25519_PKCS8_PREFIX.len() + seed.as_ref().len());
        let (prefix, rest) = der.expose_mut().split_at_mut(X25519_PKCS8_PREFIX.len());
        prefix.copy_from_slice(&X25519_PKCS8_PREFIX);
        rest.copy_from_slice(seed.as_ref());
        return Ok(der);
    }
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
    Ok(SecretBytes::copy_from(der.as_ref()))
}

/// The public key's DER.
pub(crate) fn public_der(key: &PrivateKey) -> Result<Vec<u8>, CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    let public = key.compute_public_key().map_err(failed)?;
    let der: PublicKeyX509Der<'_> = public.as_der().map_err(failed)?;
    Ok(der.as_ref().to_vec())
}

/// The secret that both sides compute: the x coordinate of the shared point. The peer's key is
/// `SubjectPublicKeyInfo` DER, or a point (X9.62; 32 bytes for X25519).
///
/// # Errors
/// [`CryptoError::InvalidPeer`] for a key that is malformed, of another curve, not on the curve,
/// or of small order.
pub(crate) fn agree(key: &PrivateKey, peer: &[u8]) -> Result<SecretBytes, CryptoError> {
    if !is_point_or_names_curve(key.algorithm(), peer) {
        return Err(CryptoError::InvalidPeer);
    }
    let peer = UnparsedPublicKey::new(key.algorithm(), peer);
    agreement::agree(key, peer, CryptoError::InvalidPeer, |shared| {
        Ok(SecretBytes::copy_from(shared))
    })
}

/// AWS-LC also takes keys that spell the curve's parameters out, if they are those of a curve it
/// knows; RFC 5480 forbids them, and nobody should look at parameters that a peer chose.
fn is_point_or_names_curve(curve: &agreement::Algorithm, peer: &[u8]) -> bool {
    let (point_length, identifier): (Option<usize>, &[u8]) = if *curve == X25519 {
        (Some(32), &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e])
    } else if *curve == ECDH_P256 {
        (None, &EC_P256)
    } else if *curve == ECDH_P384 {
        (None, &EC_P384)
    } else {
        (None, &EC_P521)
    };
    match peer {
        _ if point_length == Some(peer.len()) => true,
        [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] | [0x30, _, rest @ ..] => {
            rest.starts_with(identifier)
        }
        // A point begins with 2, 3 or 4.
        _ => point_length.is_none(),
    }
}

/// Checks a public key by agreeing with it once.
pub(crate) fn check_public(algorithm: Algorithm, public: &[u8]) -> Result<(), CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    let key = PrivateKey::generate(curve(algorithm)?).map_err(failed)?;
    match agree(&key, public) {
        Ok(_) => Ok(()),
        Err(_) => Err(CryptoError::InvalidKey),
    }
}
