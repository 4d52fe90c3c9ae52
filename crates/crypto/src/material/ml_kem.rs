//! The encodings of ML-KEM keys (FIPS 203; RFC 9935 for public keys), and the checks that AWS-LC
//! leaves to its caller.

use aws_lc_rs::digest::{self, SHA3_256};
use aws_lc_rs::kem::{
    self, AlgorithmId, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024,
};

use crate::algorithm::Algorithm;
use crate::digest::constant_time_eq;
use crate::error::CryptoError;

/// Where things are in the keys of one parameter set, in bytes (FIPS 203, table 3 and algorithm
/// 16): the decapsulation key is 384·k secret bytes, the encapsulation key, its SHA3-256, and 32
/// more secret bytes.
pub(crate) struct ParameterSet {
    pub(crate) engine: &'static kem::Algorithm<AlgorithmId>,
    spki_prefix: [u8; 22],
    public_length: usize,
    public_offset: usize,
    secret_length: usize,
}

/// `SubjectPublicKeyInfo` up to the key bytes: lengths, and the last arc of the OID
/// 2.16.840.1.101.3.4.4.x; no parameters.
const fn spki_prefix(whole: u16, arc: u8, bit_string: u16) -> [u8; 22] {
    let ([w1, w2], [b1, b2]) = (whole.to_be_bytes(), bit_string.to_be_bytes());
    [
        0x30, 0x82, w1, w2, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04,
        arc, 0x03, 0x82, b1, b2, 0x00,
    ]
}

static ML_KEM_512_SET: ParameterSet = ParameterSet {
    engine: &ML_KEM_512,
    spki_prefix: spki_prefix(818, 1, 801),
    public_length: 800,
    public_offset: 768,
    secret_length: 1632,
};
static ML_KEM_768_SET: ParameterSet = ParameterSet {
    engine: &ML_KEM_768,
    spki_prefix: spki_prefix(1202, 2, 1185),
    public_length: 1184,
    public_offset: 1152,
    secret_length: 2400,
};
static ML_KEM_1024_SET: ParameterSet = ParameterSet {
    engine: &ML_KEM_1024,
    spki_prefix: spki_prefix(1586, 3, 1569),
    public_length: 1568,
    public_offset: 1536,
    secret_length: 3168,
};

impl ParameterSet {
    pub(crate) fn of(algorithm: Algorithm) -> Result<&'static Self, CryptoError> {
        match algorithm {
            Algorithm::MlKem512 => Ok(&ML_KEM_512_SET),
            Algorithm::MlKem768 => Ok(&ML_KEM_768_SET),
            Algorithm::MlKem1024 => Ok(&ML_KEM_1024_SET),
            _ => Err(CryptoError::InvalidKey),
        }
    }

    /// The public key's DER of an expanded decapsulation key.
    pub(crate) fn public_der(&self, secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok([&self.spki_prefix[..], self.public_part(secret)?].concat())
    }

    /// The raw encapsulation key in `SubjectPublicKeyInfo`; raw keys pass as well.
    pub(crate) fn raw_public<'a>(&self, public: &'a [u8]) -> Result<&'a [u8], CryptoError> {
        let raw = public.strip_prefix(&self.spki_prefix).unwrap_or(public);
        if raw.len() == self.public_length {
            Ok(raw)
        } else {
            Err(CryptoError::InvalidKey)
        }
    }

    fn public_part<'a>(&self, secret: &'a [u8]) -> Result<&'a [u8], CryptoError> {
        if secret.len() != self.secret_length {
            return Err(CryptoError::InvalidKey);
        }
        secret
            .get(self.public_offset..self.public_offset + self.public_length)
            .ok_or(CryptoError::InvalidKey)
    }
}

/// Parses an expanded decapsulation key. AWS-LC accepts any bytes of the right length, so the
/// public key inside is checked against its stored hash (FIPS 203, section 7.3), and one
/// encapsulation is tried.
pub(crate) fn parse(
    parameters: &ParameterSet,
    secret: &[u8],
) -> Result<DecapsulationKey, CryptoError> {
    let rejected = |_| CryptoError::InvalidKey;
    let unusable = |_| CryptoError::InvalidKey;
    let public = parameters.public_part(secret)?;
    let hash_start = parameters.public_offset + parameters.public_length;
    let stored = secret
        .get(hash_start..hash_start + 32)
        .ok_or(CryptoError::InvalidKey)?;
    if digest::digest(&SHA3_256, public).as_ref() != stored {
        return Err(CryptoError::InvalidKey);
    }
    let key = DecapsulationKey::new(parameters.engine, secret).map_err(rejected)?;
    let (ciphertext, shared) = EncapsulationKey::new(parameters.engine, public)
        .map_err(rejected)?
        .encapsulate()
        .map_err(unusable)?;
    let found = key.decapsulate(ciphertext).map_err(unusable)?;
    if constant_time_eq(found.as_ref(), shared.as_ref()) {
        Ok(key)
    } else {
        Err(CryptoError::InvalidKey)
    }
}

/// Parses a public key. Parsing checks the length only; encapsulation checks the modulus (FIPS
/// 203, section 7.2).
pub(crate) fn parse_public(
    parameters: &ParameterSet,
    public: &[u8],
) -> Result<EncapsulationKey, CryptoError> {
    let key = EncapsulationKey::new(parameters.engine, parameters.raw_public(public)?)
        .map_err(|_| CryptoError::InvalidKey)?;
    key.encapsulate().map_err(|_| CryptoError::InvalidKey)?;
    Ok(key)
}
