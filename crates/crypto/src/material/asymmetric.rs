//! Making and parsing key pairs with AWS-LC, and the encodings around them. Shared by material
//! (which stores pairs) and prepared keys (which use them); holds no state.

use aws_lc_rs::digest::{self, SHA3_256};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_65_SIGNING, PqdsaKeyPair, RsaKeyPair,
};

use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::secret::SecretBytes;

/// `SubjectPublicKeyInfo` up to the 1,184 key bytes of ML-KEM-768 (RFC 9935: OID
/// 2.16.840.1.101.3.4.4.2, no parameters).
const ML_KEM_768_SPKI_PREFIX: [u8; 22] = [
    0x30, 0x82, 0x04, 0xb2, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04,
    0x02, 0x03, 0x82, 0x04, 0xa1, 0x00,
];
/// Length of the encapsulation key of ML-KEM-768, in bytes (FIPS 203, table 3).
const ML_KEM_768_PUBLIC_LENGTH: usize = 1184;
/// Where the encapsulation key starts in the decapsulation key (FIPS 203, algorithm 16: after
/// 384 · k bytes, k = 3); its SHA3-256 follows it.
const ML_KEM_768_PUBLIC_OFFSET: usize = 1152;
/// Length of the decapsulation key of ML-KEM-768, in bytes.
const ML_KEM_768_SECRET_LENGTH: usize = 2400;

/// A parsed key pair.
pub(crate) enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    MlKem(DecapsulationKey),
}

/// A fresh pair: canonical secret, public key DER.
pub(crate) fn generate(algorithm: Algorithm) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    let pair = match algorithm {
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            Pair::Rsa(RsaKeyPair::generate(rsa_size(algorithm)?).map_err(failed)?)
        }
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => {
            Pair::Ecdsa(EcdsaKeyPair::generate(ecdsa_signing(algorithm)?).map_err(failed)?)
        }
        Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        Algorithm::MlDsa65 => {
            Pair::MlDsa(PqdsaKeyPair::generate(&ML_DSA_65_SIGNING).map_err(failed)?)
        }
        Algorithm::MlKem768 => {
            Pair::MlKem(DecapsulationKey::generate(&ML_KEM_768).map_err(failed)?)
        }
        _ => return Err(CryptoError::InvalidKey),
    };
    encodings(&pair)
}

/// Parses a foreign secret key, checks it, and returns the canonical secret and public key DER.
pub(crate) fn import(
    algorithm: Algorithm,
    secret: &[u8],
) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    encodings(&parse(algorithm, secret)?)
}

/// Parses a secret key in its canonical encoding.
///
/// # Errors
/// [`CryptoError::InvalidKey`], also for RSA keys of another size than the algorithm's name.
pub(crate) fn parse(algorithm: Algorithm, secret: &[u8]) -> Result<Pair, CryptoError> {
    let rejected = |_| CryptoError::InvalidKey;
    Ok(match algorithm {
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
            let pair = RsaKeyPair::from_pkcs8(secret).map_err(rejected)?;
            if pair.public_modulus_len() * 8 != algorithm.info().size_bits as usize {
                return Err(CryptoError::InvalidKey);
            }
            Pair::Rsa(pair)
        }
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => Pair::Ecdsa(
            EcdsaKeyPair::from_pkcs8(ecdsa_signing(algorithm)?, secret).map_err(rejected)?,
        ),
        Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(secret).map_err(rejected)?),
        Algorithm::MlDsa65 => {
            Pair::MlDsa(PqdsaKeyPair::from_pkcs8(&ML_DSA_65_SIGNING, secret).map_err(rejected)?)
        }
        Algorithm::MlKem768 => Pair::MlKem(ml_kem(secret)?),
        _ => return Err(CryptoError::InvalidKey),
    })
}

/// The public key's DER of a parsed pair.
pub(crate) fn public_der(pair: &Pair) -> Result<Vec<u8>, CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    Ok(match pair {
        Pair::Rsa(pair) => pair
            .public_key()
            .as_der()
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        Pair::Ecdsa(pair) => pair
            .public_key()
            .as_der()
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        Pair::Ed25519(pair) => pair
            .public_key()
            .as_der()
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        Pair::MlDsa(pair) => pair
            .public_key()
            .as_der()
            .map_err(failed)?
            .as_ref()
            .to_vec(),
        Pair::MlKem(key) => {
            let bytes = key.key_bytes().map_err(failed)?;
            ml_kem_spki(ml_kem_public(bytes.as_ref())?)
        }
    })
}

/// The raw encapsulation key inside an ML-KEM-768 `SubjectPublicKeyInfo`; raw keys pass as well.
pub(crate) fn ml_kem_raw_public(public: &[u8]) -> Result<&[u8], CryptoError> {
    let raw = public
        .strip_prefix(&ML_KEM_768_SPKI_PREFIX)
        .unwrap_or(public);
    if raw.len() == ML_KEM_768_PUBLIC_LENGTH {
        Ok(raw)
    } else {
        Err(CryptoError::InvalidKey)
    }
}

/// The ECDSA parameters of an algorithm; signatures are DER.
fn ecdsa_signing(algorithm: Algorithm) -> Result<&'static EcdsaSigningAlgorithm, CryptoError> {
    match algorithm {
        Algorithm::EcdsaP256 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::EcdsaP384 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => Err(CryptoError::InvalidKey),
    }
}

fn rsa_size(algorithm: Algorithm) -> Result<KeySize, CryptoError> {
    match algorithm {
        Algorithm::Rsa2048 => Ok(KeySize::Rsa2048),
        Algorithm::Rsa3072 => Ok(KeySize::Rsa3072),
        Algorithm::Rsa4096 => Ok(KeySize::Rsa4096),
        _ => Err(CryptoError::InvalidKey),
    }
}

fn encodings(pair: &Pair) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    let secret = match pair {
        Pair::Rsa(pair) => SecretBytes::copy_from(pair.as_der().map_err(failed)?.as_ref()),
        Pair::Ecdsa(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::Ed25519(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::MlDsa(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::MlKem(key) => SecretBytes::copy_from(key.key_bytes().map_err(failed)?.as_ref()),
    };
    Ok((secret, public_der(pair)?))
}

/// Parses an expanded decapsulation key. AWS-LC accepts any bytes of the right length, so the
/// public key inside is checked against its stored hash (FIPS 203, section 7.3), and one
/// encapsulation is tried.
fn ml_kem(secret: &[u8]) -> Result<DecapsulationKey, CryptoError> {
    let rejected = |_| CryptoError::InvalidKey;
    let unusable = |_| CryptoError::InvalidKey;
    let public = ml_kem_public(secret)?;
    let hash_start = ML_KEM_768_PUBLIC_OFFSET + ML_KEM_768_PUBLIC_LENGTH;
    let stored = secret
        .get(hash_start..hash_start + 32)
        .ok_or(CryptoError::InvalidKey)?;
    if digest::digest(&SHA3_256, public).as_ref() != stored {
        return Err(CryptoError::InvalidKey);
    }
    let key = DecapsulationKey::new(&ML_KEM_768, secret).map_err(rejected)?;
    let (ciphertext, shared) = EncapsulationKey::new(&ML_KEM_768, public)
        .map_err(rejected)?
        .encapsulate()
        .map_err(unusable)?;
    let found = key.decapsulate(ciphertext).map_err(unusable)?;
    if crate::digest::constant_time_eq(found.as_ref(), shared.as_ref()) {
        Ok(key)
    } else {
        Err(CryptoError::InvalidKey)
    }
}

fn ml_kem_public(secret: &[u8]) -> Result<&[u8], CryptoError> {
    if secret.len() != ML_KEM_768_SECRET_LENGTH {
        return Err(CryptoError::InvalidKey);
    }
    secret
        .get(ML_KEM_768_PUBLIC_OFFSET..ML_KEM_768_PUBLIC_OFFSET + ML_KEM_768_PUBLIC_LENGTH)
        .ok_or(CryptoError::InvalidKey)
}

fn ml_kem_spki(raw: &[u8]) -> Vec<u8> {
    [&ML_KEM_768_SPKI_PREFIX, raw].concat()
}
