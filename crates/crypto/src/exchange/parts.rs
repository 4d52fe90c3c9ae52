//! A private key taken apart, between the container it came in and our material.

use zeroize::Zeroizing;

use super::error::{ExchangeError, malformed};
use super::kind::{Curve, Kind, Lattice, kind};
use super::{pkcs8, strength};
use crate::algorithm::Algorithm;
use crate::digest::constant_time_eq;
use crate::error::CryptoError;
use crate::material::KeyMaterial;
use crate::secret::SecretBytes;

/// A private or symmetric key without its container.
pub(super) enum Parts {
    /// The bytes of a symmetric key.
    Symmetric(SecretBytes),
    /// `RSAPrivateKey` DER (RFC 8017, appendix A.1.2).
    Rsa(SecretBytes),
    /// A scalar, big endian, as long as the field; and the point, if the container had it.
    Scalar {
        scalar: SecretBytes,
        public: Option<Vec<u8>>,
    },
    /// A seed; and the public key, if the container had it.
    Seed {
        seed: SecretBytes,
        public: Option<Vec<u8>>,
    },
    /// An expanded key on lattices.
    Expanded(SecretBytes),
}

impl Parts {
    /// The parts of a key without a container.
    pub(super) fn from_raw(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, ExchangeError> {
        match kind(algorithm) {
            Kind::Symmetric => Ok(Self::Symmetric(SecretBytes::copy_from(bytes))),
            Kind::Rsa => Err(ExchangeError::FormatUnsupported {
                algorithm,
                hint: "take pkcs8 or jwk",
            }),
            Kind::Curve(curve) => Self::scalar(curve, bytes, None),
            Kind::Okp(_) | Kind::XWing => Self::seed(32, bytes, None),
            Kind::MlKem(lattice) if bytes.len() == lattice.expanded => {
                Ok(Self::Expanded(SecretBytes::copy_from(bytes)))
            }
            Kind::MlKem(lattice) | Kind::MlDsa(lattice) => Self::seed(lattice.seed, bytes, None),
        }
    }

    pub(super) fn scalar(
        curve: &Curve,
        bytes: &[u8],
        public: Option<&[u8]>,
    ) -> Result<Self, ExchangeError> {
        if bytes.len() != curve.bytes {
            return Err(malformed("the private scalar has not the curve's length"));
        }
        Ok(Self::Scalar {
            scalar: SecretBytes::copy_from(bytes),
            public: public.map(<[u8]>::to_vec),
        })
    }

    pub(super) fn seed(
        length: usize,
        bytes: &[u8],
        public: Option<&[u8]>,
    ) -> Result<Self, ExchangeError> {
        if bytes.len() != length {
            return Err(malformed("the private key has not its algorithm's length"));
        }
        Ok(Self::Seed {
            seed: SecretBytes::copy_from(bytes),
            public: public.map(<[u8]>::to_vec),
        })
    }

    /// The key as material: parsed by the library, and what the container said of its public
    /// half compared with what follows from the private one.
    pub(super) fn into_material(self, algorithm: Algorithm) -> Result<KeyMaterial, ExchangeError> {
        strength::private(algorithm, &self)?;
        let parts = self.with_point(algorithm)?;
        let said = match &parts {
            Self::Scalar { public, .. } | Self::Seed { public, .. } => public.clone(),
            _ => None,
        };
        let canonical = match (kind(algorithm), parts) {
            (Kind::Symmetric, Self::Symmetric(bytes))
            | (Kind::MlKem(_), Self::Expanded(bytes))
            | (Kind::XWing, Self::Seed { seed: bytes, .. }) => bytes,
            (Kind::MlKem(lattice), Self::Seed { seed, .. }) => expand_ml_kem(lattice, &seed)?,
            (_, parts) => pkcs8::write(algorithm, &parts)?,
        };
        let material = import(algorithm, &canonical)?;
        strength::works(&material)?;
        if let Some(said) = said {
            let spki = material.public().unwrap_or_default();
            if super::public::key_bits(spki)? != said {
                return Err(ExchangeError::Invalid {
                    why: "the public half does not belong to the private one",
                });
            }
        }
        Ok(material)
    }

    /// The point of a scalar that came without one: what is stored has it, whoever made the key.
    fn with_point(self, algorithm: Algorithm) -> Result<Self, ExchangeError> {
        let Self::Scalar {
            scalar,
            public: None,
        } = self
        else {
            return Ok(self);
        };
        let parts = Self::Scalar {
            scalar,
            public: None,
        };
        let material = import(algorithm, &pkcs8::write(algorithm, &parts)?)?;
        let point = super::public::key_bits(material.public().unwrap_or_default())?.to_vec();
        let Self::Scalar { scalar, .. } = parts else {
            return Ok(parts);
        };
        Ok(Self::Scalar {
            scalar,
            public: Some(point),
        })
    }

    /// Takes our material apart.
    pub(super) fn of_material(material: &KeyMaterial) -> Result<Self, ExchangeError> {
        let bytes = material.secret();
        match kind(material.algorithm()) {
            Kind::Symmetric => Ok(Self::Symmetric(bytes.duplicate())),
            Kind::MlKem(_) => Ok(Self::Expanded(bytes.duplicate())),
            Kind::XWing => Self::seed(32, bytes.expose(), None),
            _ => pkcs8::read(material.algorithm(), bytes.expose()),
        }
    }

    /// The key without a container.
    pub(super) fn to_raw(&self, algorithm: Algorithm) -> Result<SecretBytes, ExchangeError> {
        match self {
            Self::Symmetric(bytes)
            | Self::Expanded(bytes)
            | Self::Scalar { scalar: bytes, .. }
            | Self::Seed { seed: bytes, .. } => Ok(bytes.duplicate()),
            Self::Rsa(_) => Err(ExchangeError::FormatUnsupported {
                algorithm,
                hint: "take pkcs8 or jwk",
            }),
        }
    }
}

fn import(algorithm: Algorithm, canonical: &SecretBytes) -> Result<KeyMaterial, ExchangeError> {
    KeyMaterial::import(algorithm, canonical).map_err(|error| match error {
        CryptoError::InvalidKey if !algorithm.info().is_asymmetric() => ExchangeError::Invalid {
            why: "a symmetric key of another length than its algorithm's",
        },
        CryptoError::InvalidKey => ExchangeError::Invalid {
            why: "its parts do not belong together, or are out of range",
        },
        other => ExchangeError::Engine(other),
    })
}

/// The expanded decapsulation key of a seed (FIPS 203, algorithm 16; RFC 9935, section 6).
/// AWS-LC takes expanded keys only.
fn expand_ml_kem(lattice: &Lattice, seed: &SecretBytes) -> Result<SecretBytes, ExchangeError> {
    let seed = Zeroizing::new(
        <[u8; 64]>::try_from(seed.expose())
            .map_err(|_| malformed("an ML-KEM seed has 64 bytes"))?,
    );
    let mut array = ml_kem::Seed::default();
    array.copy_from_slice(seed.as_slice());
    let array = Zeroizing::new(array);
    Ok(match lattice.expanded {
        1632 => expanded(&ml_kem::DecapsulationKey512::from_seed(*array)),
        2400 => expanded(&ml_kem::DecapsulationKey768::from_seed(*array)),
        _ => expanded(&ml_kem::DecapsulationKey1024::from_seed(*array)),
    })
}

// The expanded form is what AWS-LC stores; the crate would rather have us keep seeds.
#[allow(deprecated)]
fn expanded<K: ml_kem::ExpandedKeyEncoding>(key: &K) -> SecretBytes {
    let bytes = Zeroizing::new(key.to_expanded_bytes());
    SecretBytes::copy_from(bytes.as_slice())
}

/// Whether the expanded key of the container is the one that follows from its seed.
pub(super) fn same_expanded_ml_kem(
    lattice: &Lattice,
    seed: &SecretBytes,
    given: &[u8],
) -> Result<bool, ExchangeError> {
    Ok(constant_time_eq(
        expand_ml_kem(lattice, seed)?.expose(),
        given,
    ))
}
