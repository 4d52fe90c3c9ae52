//! Making and parsing key pairs with AWS-LC, and the encodings around them. Shared by material
//! (which stores pairs) and prepared keys (which use them); holds no state.

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::kem::DecapsulationKey;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING,
    ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm, RsaKeyPair,
};

use super::exchange;
use super::ml_kem::{self, ParameterSet};
use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::hybrid::HybridSecret;
use crate::random::Random;
use crate::secret::SecretBytes;

/// A parsed key pair.
pub(crate) enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    MlKem(DecapsulationKey),
    Agreement(agreement::PrivateKey),
    Hybrid(Box<HybridSecret>),
}

/// A fresh pair: canonical secret, public key DER. Only the hybrid draws from `random`.
pub(crate) fn generate(
    algorithm: Algorithm,
    random: &dyn Random,
) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    use Algorithm as A;
    let failed = |_| CryptoError::EngineFailed;
    let pair = match algorithm {
        A::Rsa2048 | A::Rsa3072 | A::Rsa4096 => {
            Pair::Rsa(RsaKeyPair::generate(rsa_size(algorithm)?).map_err(failed)?)
        }
        A::EcdsaP256 | A::EcdsaP384 | A::EcdsaP521 | A::EcdsaSecp256k1 => {
            Pair::Ecdsa(EcdsaKeyPair::generate(ecdsa_signing(algorithm)?).map_err(failed)?)
        }
        A::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        A::MlDsa44 | A::MlDsa65 | A::MlDsa87 => {
            Pair::MlDsa(PqdsaKeyPair::generate(ml_dsa_signing(algorithm)?).map_err(failed)?)
        }
        A::MlKem512 | A::MlKem768 | A::MlKem1024 => {
            let parameters = ParameterSet::of(algorithm)?;
            Pair::MlKem(DecapsulationKey::generate(parameters.engine).map_err(failed)?)
        }
        A::X25519 | A::EcdhP256 | A::EcdhP384 | A::EcdhP521 => {
            let curve = exchange::curve(algorithm)?;
            Pair::Agreement(agreement::PrivateKey::generate(curve).map_err(failed)?)
        }
        A::X25519MlKem768 => Pair::Hybrid(Box::new(HybridSecret::generate(random)?)),
        _ => return Err(CryptoError::InvalidKey),
    };
    encodings(algorithm, &pair)
}

/// Parses a foreign secret key, checks it, and returns the canonical secret and public key DER.
pub(crate) fn import(
    algorithm: Algorithm,
    secret: &[u8],
) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    encodings(algorithm, &parse(algorithm, secret)?)
}

/// Parses a secret key in its canonical encoding.
///
/// # Errors
/// [`CryptoError::InvalidKey`], also for RSA keys of another size than the algorithm's name.
pub(crate) fn parse(algorithm: Algorithm, secret: &[u8]) -> Result<Pair, CryptoError> {
    use Algorithm as A;
    let rejected = |_| CryptoError::InvalidKey;
    Ok(match algorithm {
        A::Rsa2048 | A::Rsa3072 | A::Rsa4096 => {
            let pair = RsaKeyPair::from_pkcs8(secret).map_err(rejected)?;
            if pair.public_modulus_len() * 8 != algorithm.info().size_bits as usize {
                return Err(CryptoError::InvalidKey);
            }
            Pair::Rsa(pair)
        }
        A::EcdsaP256 | A::EcdsaP384 | A::EcdsaP521 | A::EcdsaSecp256k1 => Pair::Ecdsa(
            EcdsaKeyPair::from_pkcs8(ecdsa_signing(algorithm)?, secret).map_err(rejected)?,
        ),
        A::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(secret).map_err(rejected)?),
        A::MlDsa44 | A::MlDsa65 | A::MlDsa87 => Pair::MlDsa(
            PqdsaKeyPair::from_pkcs8(ml_dsa_signing(algorithm)?, secret).map_err(rejected)?,
        ),
        A::MlKem512 | A::MlKem768 | A::MlKem1024 => {
            Pair::MlKem(ml_kem::parse(ParameterSet::of(algorithm)?, secret)?)
        }
        A::X25519 | A::EcdhP256 | A::EcdhP384 | A::EcdhP521 => {
            Pair::Agreement(exchange::parse(algorithm, secret)?)
        }
        A::X25519MlKem768 => Pair::Hybrid(Box::new(HybridSecret::from_seed(secret)?)),
        _ => return Err(CryptoError::InvalidKey),
    })
}

/// The public key's DER of a parsed pair.
pub(crate) fn public_der(algorithm: Algorithm, pair: &Pair) -> Result<Vec<u8>, CryptoError> {
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
            let bytes = SecretBytes::copy_from(key.key_bytes().map_err(failed)?.as_ref());
            ParameterSet::of(algorithm)?.public_der(bytes.expose())?
        }
        Pair::Agreement(key) => exchange::public_der(key)?,
        Pair::Hybrid(key) => key.public().to_spki(),
    })
}

/// The ECDSA parameters of an algorithm; signatures are DER.
fn ecdsa_signing(algorithm: Algorithm) -> Result<&'static EcdsaSigningAlgorithm, CryptoError> {
    match algorithm {
        Algorithm::EcdsaP256 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::EcdsaP384 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::EcdsaP521 => Ok(&ECDSA_P521_SHA512_ASN1_SIGNING),
        Algorithm::EcdsaSecp256k1 => Ok(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => Err(CryptoError::InvalidKey),
    }
}

/// The ML-DSA parameters of an algorithm.
pub(crate) fn ml_dsa_signing(
    algorithm: Algorithm,
) -> Result<&'static PqdsaSigningAlgorithm, CryptoError> {
    match algorithm {
        Algorithm::MlDsa44 => Ok(&ML_DSA_44_SIGNING),
        Algorithm::MlDsa65 => Ok(&ML_DSA_65_SIGNING),
        Algorithm::MlDsa87 => Ok(&ML_DSA_87_SIGNING),
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

fn encodings(algorithm: Algorithm, pair: &Pair) -> Result<(SecretBytes, Vec<u8>), CryptoError> {
    let failed = |_| CryptoError::EngineFailed;
    let secret = match pair {
        Pair::Rsa(pair) => SecretBytes::copy_from(pair.as_der().map_err(failed)?.as_ref()),
        Pair::Ecdsa(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::Ed25519(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::MlDsa(pair) => SecretBytes::copy_from(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
        Pair::MlKem(key) => SecretBytes::copy_from(key.key_bytes().map_err(failed)?.as_ref()),
        Pair::Agreement(key) => exchange::secret_der(algorithm, key)?,
        Pair::Hybrid(key) => key.to_seed(),
    };
    Ok((secret, public_der(algorithm, pair)?))
}
