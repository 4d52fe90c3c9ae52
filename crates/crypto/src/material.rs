//! The bytes of one key: generated, imported, stored, identified. Using a key is the business of
//! [`crate::prepared`]; where the bytes are kept is nobody's here.
//!
//! Canonical secret encodings: raw bytes for symmetric keys; PKCS#8 version 1 DER (RFC 5208) for
//! RSA, ECDSA, ECDH, Ed25519, X25519 and ML-DSA (there with the 32-byte seed inside, RFC 9881); the
//! expanded decapsulation key of FIPS 203 for ML-KEM; the 32-byte seed for the hybrid. Public keys
//! are `SubjectPublicKeyInfo` DER (RFC 5280; RFC 9935 for ML-KEM).

use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Family};
use crate::digest::{constant_time_eq, hmac_sha256, sha256};
use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::SecretBytes;

pub(crate) mod asymmetric;
pub(crate) mod exchange;
pub(crate) mod ml_kem;

/// Layout of [`KeyMaterial::encode`].
const FORMAT: u8 = 1;
/// Longest secret or public part, in bytes.
const PART_LENGTH_MAX: usize = 64 * 1024;

/// One key: its algorithm, its secret and, if it has one, its public half.
/// Zeroized on drop; neither printable nor clonable.
pub struct KeyMaterial {
    algorithm: Algorithm,
    secret: SecretBytes,
    public: Option<Vec<u8>>,
}

impl KeyMaterial {
    /// A fresh key. Symmetric keys are drawn from `random`; asymmetric ones from the generator of
    /// the library, which alone knows how to test them.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`], [`CryptoError::EngineFailed`],
    /// [`CryptoError::NotInFipsModule`].
    pub fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<Self, CryptoError> {
        algorithm.ensure_available()?;
        if let Some((length, _)) = symmetric_lengths(algorithm) {
            let secret = random::secret(random, length)?;
            return Ok(Self {
                algorithm,
                secret,
                public: None,
            });
        }
        let (secret, public) = asymmetric::generate(algorithm, random)?;
        Ok(Self {
            algorithm,
            secret,
            public: Some(public),
        })
    }

    /// A key made elsewhere, in the canonical secret encoding (Ed25519 also as PKCS#8 version 2).
    /// It is parsed and checked, and tried once if that is what checking takes.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`], [`CryptoError::NotInFipsModule`].
    pub fn import(algorithm: Algorithm, secret: &SecretBytes) -> Result<Self, CryptoError> {
        algorithm.ensure_available()?;
        if let Some((min, max)) = symmetric_lengths(algorithm) {
            if !(min..=max).contains(&secret.len()) {
                return Err(CryptoError::InvalidKey);
            }
            return Ok(Self {
                algorithm,
                secret: secret.duplicate(),
                public: None,
            });
        }
        let (secret, public) = asymmetric::import(algorithm, secret.expose())?;
        Ok(Self {
            algorithm,
            secret,
            public: Some(public),
        })
    }

    /// A key of which only the public half is known: `SubjectPublicKeyInfo` DER, checked before.
    /// It is stored like any other, with no secret in it.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for symmetric algorithms and for what the library does not
    /// parse.
    pub fn from_public(algorithm: Algorithm, public: &[u8]) -> Result<Self, CryptoError> {
        crate::prepared::PreparedKey::from_public(algorithm, public)?;
        Ok(Self {
            algorithm,
            secret: SecretBytes::zeroed(0),
            public: Some(public.to_vec()),
        })
    }

    /// Whether only the public half is here.
    pub fn is_public_only(&self) -> bool {
        self.public.is_some() && self.secret.is_empty()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The canonical secret encoding.
    pub fn secret(&self) -> &SecretBytes {
        &self.secret
    }

    /// The public key as `SubjectPublicKeyInfo` DER; `None` for symmetric keys.
    pub fn public(&self) -> Option<&[u8]> {
        self.public.as_deref()
    }

    /// The bytes to store: `format(1) ‖ algorithm code(2) ‖ secret length(4) ‖ secret ‖ public
    /// length(4) ‖ public`, numbers big endian. A key of which only the public half is known has
    /// a secret of no bytes.
    pub fn encode(&self) -> SecretBytes {
        let public = self.public.as_deref().unwrap_or_default();
        let code = self.algorithm.info().code.to_be_bytes();
        let secret_length = (self.secret.len() as u32).to_be_bytes();
        let public_length = (public.len() as u32).to_be_bytes();
        let parts: [&[u8]; 6] = [
            &[FORMAT],
            &code,
            &secret_length,
            self.secret.expose(),
            &public_length,
            public,
        ];
        let mut bytes = SecretBytes::zeroed(parts.iter().map(|part| part.len()).sum());
        let mut rest = bytes.expose_mut();
        for part in parts {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
        bytes
    }

    /// Undoes [`KeyMaterial::encode`]. The stored bytes are trusted to be a key that was checked
    /// before it was stored; [`crate::prepared::PreparedKey::new`] still parses them wholly.
    ///
    /// # Errors
    /// [`CryptoError::UnknownMaterialFormat`], [`CryptoError::WrongAlgorithm`],
    /// [`CryptoError::InvalidKey`].
    pub fn decode(algorithm: Algorithm, bytes: &SecretBytes) -> Result<Self, CryptoError> {
        let (format, rest) = bytes
            .expose()
            .split_first()
            .ok_or(CryptoError::InvalidKey)?;
        if *format != FORMAT {
            return Err(CryptoError::UnknownMaterialFormat(*format));
        }
        let (code, rest) = rest
            .split_first_chunk::<2>()
            .ok_or(CryptoError::InvalidKey)?;
        if u16::from_be_bytes(*code) != algorithm.info().code {
            return Err(CryptoError::WrongAlgorithm {
                expected: algorithm,
            });
        }
        let (secret, rest) = part(rest)?;
        let (public, rest) = part(rest)?;
        if !rest.is_empty() || public.is_empty() == algorithm.info().is_asymmetric() {
            return Err(CryptoError::InvalidKey);
        }
        if let Some((min, max)) = symmetric_lengths(algorithm)
            && !(min..=max).contains(&secret.len())
        {
            return Err(CryptoError::InvalidKey);
        }
        let public = algorithm.info().is_asymmetric().then(|| public.to_vec());
        Ok(Self {
            algorithm,
            secret: SecretBytes::copy_from(secret),
            public,
        })
    }

    /// 32 bytes that identify the key and may be shown. Asymmetric: SHA-256 of the public key's
    /// DER. Symmetric: HKDF-SHA-256(key, salt = `keyward/fingerprint/1`, info = algorithm name),
    /// from which nothing follows about a key of 128 bits or more, and which no use of the key can produce.
    pub fn fingerprint(&self) -> [u8; 32] {
        if let Some(public) = &self.public {
            return sha256(public);
        }
        // The two steps of RFC 5869, for one block: extract, then expand.
        let prk = Zeroizing::new(hmac_sha256(b"keyward/fingerprint/1", self.secret.expose()));
        let mut info = self.algorithm.name().as_bytes().to_vec();
        info.push(1);
        hmac_sha256(prk.as_slice(), &info)
    }

    /// Whether two materials are the same key, compared in constant time.
    pub fn same_key(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm
            && constant_time_eq(self.secret.expose(), other.secret.expose())
    }
}

/// Shortest (and generated) and longest secret of a symmetric algorithm, in bytes; `None` for
/// asymmetric ones.
fn symmetric_lengths(algorithm: Algorithm) -> Option<(usize, usize)> {
    let size = algorithm.info().size_bits as usize / 8;
    match (algorithm.info().family, algorithm) {
        (_, Algorithm::HmacSha256 | Algorithm::HmacSha384) => Some((size, 64)),
        (Family::Aead | Family::KeyWrap | Family::Mac, _) => Some((size, size)),
        _ => None,
    }
}

/// Reads one length-prefixed part.
fn part(bytes: &[u8]) -> Result<(&[u8], &[u8]), CryptoError> {
    let (length, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(CryptoError::InvalidKey)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > PART_LENGTH_MAX {
        return Err(CryptoError::InvalidKey);
    }
    rest.split_at_checked(length).ok_or(CryptoError::InvalidKey)
}
