//! Public keys: read from SPKI, PEM or JWK and checked; written as PEM, JWK or SSH.

use ::pkcs8::der::asn1::{AnyRef, BitStringRef, UintRef};
use ::pkcs8::der::{Decode as _, Encode as _};
use ::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs1::RsaPublicKeyRef;

use super::error::{ExchangeError, malformed};
use super::kind::{Curve, EC_PUBLIC_KEY, Kind, RSA_ENCRYPTION, X_WING, kind};
use super::{Intent, LENGTH_MAX, UnknownFormat, jwk, pem, strength};
use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::hybrid;
use crate::material::KeyMaterial;
use crate::usage::{Usage, UsageSet};

/// JOSE has no name for X-Wing yet.
pub(super) const NO_JWK: ExchangeError = ExchangeError::FormatUnsupported {
    algorithm: Algorithm::X25519MlKem768,
    hint: "JOSE has no name for X-Wing; take spki or pkcs8",
};

/// A container of public keys that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKeyFormat {
    /// `SubjectPublicKeyInfo`, as DER or PEM.
    Spki,
    /// A JSON Web Key.
    Jwk,
}

impl PublicKeyFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Spki, Self::Jwk];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spki => "spki",
            Self::Jwk => "jwk",
        }
    }
}

impl std::str::FromStr for PublicKeyFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
            .ok_or(UnknownFormat)
    }
}

/// A public key of a known algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Vec<u8>,
}

impl PublicKey {
    /// What can be done with a public key.
    pub const USAGES: UsageSet = UsageSet::of(&[
        Usage::Verify,
        Usage::Encrypt,
        Usage::Wrap,
        Usage::Encapsulate,
    ]);

    /// Reads a public key, and checks that it is one of this algorithm, valid and strong enough.
    ///
    /// # Errors
    /// Those of [`super::read_private`].
    pub fn read(
        intent: Intent,
        format: PublicKeyFormat,
        bytes: &[u8],
    ) -> Result<Self, ExchangeError> {
        if bytes.len() > LENGTH_MAX {
            return Err(ExchangeError::TooLong { max: LENGTH_MAX });
        }
        let algorithm = intent.algorithm;
        if !algorithm.info().is_asymmetric() {
            return Err(ExchangeError::FormatUnsupported {
                algorithm,
                hint: "a symmetric key has no public half; import it wrapped",
            });
        }
        let parts = match format {
            PublicKeyFormat::Spki => PublicParts::from_spki(algorithm, &pem::public_der(bytes)?)?,
            PublicKeyFormat::Jwk => jwk::read_public(intent, bytes)?,
        };
        parts.check(algorithm)?;
        let der = parts.to_spki(algorithm)?;
        let key = Self { algorithm, der };
        // The library has the last word.
        key.to_material()?;
        Ok(key)
    }

    /// A public key that was checked before: `SubjectPublicKeyInfo` DER.
    pub const fn stored(algorithm: Algorithm, der: Vec<u8>) -> Self {
        Self { algorithm, der }
    }

    /// `SubjectPublicKeyInfo` DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As material without a secret.
    ///
    /// # Errors
    /// [`ExchangeError::Invalid`].
    pub fn to_material(&self) -> Result<KeyMaterial, ExchangeError> {
        KeyMaterial::from_public(self.algorithm, &self.der).map_err(|error| match error {
            CryptoError::InvalidKey => ExchangeError::Invalid {
                why: "the point is not on the curve, or a number is out of range",
            },
            other => ExchangeError::Engine(other),
        })
    }

    /// `SubjectPublicKeyInfo` as PEM (RFC 7468).
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] for what does not fit into PEM.
    pub fn pem(&self) -> Result<String, ExchangeError> {
        pem::public_pem(&self.der)
    }

    /// A JSON Web Key for these usages, with this key id.
    ///
    /// # Errors
    /// [`ExchangeError::Malformed`] for stored bytes that are no key of the algorithm.
    pub fn jwk(&self, usages: UsageSet, kid: &str) -> Result<serde_json::Value, ExchangeError> {
        if let Kind::XWing = kind(self.algorithm) {
            return Err(NO_JWK);
        }
        let parts = PublicParts::from_spki(self.algorithm, &self.der)?;
        Ok(jwk::write_public(self.algorithm, &parts, usages, kid))
    }

    /// A line of `authorized_keys` (RFC 4253, RFC 5656, RFC 8709).
    ///
    /// # Errors
    /// [`ExchangeError::FormatUnsupported`] for algorithms that SSH does not know.
    pub fn ssh(&self, comment: &str) -> Result<String, ExchangeError> {
        let unsupported = ExchangeError::FormatUnsupported {
            algorithm: self.algorithm,
            hint: "SSH knows RSA, P-256, P-384, P-521 and Ed25519",
        };
        let parts = PublicParts::from_spki(self.algorithm, &self.der)?;
        let (name, fields) = match (kind(self.algorithm), &parts) {
            (_, PublicParts::Rsa { modulus, exponent }) => (
                "ssh-rsa".to_owned(),
                vec![ssh_integer(exponent), ssh_integer(modulus)],
            ),
            (Kind::Curve(curve), PublicParts::Bits(point)) => {
                let curve = curve.ssh.ok_or(unsupported)?;
                let fields = vec![curve.as_bytes().to_vec(), point.clone()];
                (format!("ecdsa-sha2-{curve}"), fields)
            }
            (Kind::Okp(okp), PublicParts::Bits(point)) => {
                (okp.ssh.ok_or(unsupported)?.to_owned(), vec![point.clone()])
            }
            _ => return Err(unsupported),
        };
        let mut blob = Vec::new();
        for field in std::iter::once(name.as_bytes().to_vec()).chain(fields) {
            blob.extend_from_slice(&(field.len() as u32).to_be_bytes());
            blob.extend_from_slice(&field);
        }
        Ok(format!("{name} {} {comment}\n", STANDARD.encode(blob)))
    }
}

/// `mpint` (RFC 4251, section 5): big endian, a leading zero where the sign would be.
fn ssh_integer(bytes: &[u8]) -> Vec<u8> {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut out = vec![0; usize::from(sign)];
    out.extend_from_slice(bytes);
    out
}

/// A public key without its container.
pub(super) enum PublicParts {
    /// Big endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// An uncompressed point, or the bytes of the algorithm's own encoding.
    Bits(Vec<u8>),
}

impl PublicParts {
    pub(super) fn from_spki(algorithm: Algorithm, der: &[u8]) -> Result<Self, ExchangeError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der)
            .map_err(|_| malformed("this is no SubjectPublicKeyInfo"))?;
        let bits = spki
            .subject_public_key
            .as_bytes()
            .ok_or(malformed("a broken public key"))?;
        let (oid, curve) = match kind(algorithm) {
            Kind::Symmetric => {
                return Err(ExchangeError::FormatUnsupported {
                    algorithm,
                    hint: "a symmetric key has no public half",
                });
            }
            Kind::Rsa => (RSA_ENCRYPTION, None),
            Kind::Curve(curve) => (EC_PUBLIC_KEY, Some(curve)),
            Kind::Okp(okp) => (okp.oid, None),
            Kind::XWing => (X_WING, None),
            Kind::MlKem(lattice) | Kind::MlDsa(lattice) => (lattice.oid, None),
        };
        if spki.algorithm.oid != oid {
            return Err(ExchangeError::WrongAlgorithm {
                expected: algorithm,
                what: "the container names another algorithm",
            });
        }
        if let Some(curve) = curve {
            expect_curve(algorithm, curve, &spki.algorithm)?;
        }
        if oid != RSA_ENCRYPTION {
            return Ok(Self::Bits(bits.to_vec()));
        }
        let key =
            RsaPublicKeyRef::from_der(bits).map_err(|_| malformed("this is no RSAPublicKey"))?;
        Ok(Self::Rsa {
            modulus: key.modulus.as_bytes().to_vec(),
            exponent: key.public_exponent.as_bytes().to_vec(),
        })
    }

    fn to_spki(&self, algorithm: Algorithm) -> Result<Vec<u8>, ExchangeError> {
        const FAILED: ExchangeError = malformed("it does not fit into SubjectPublicKeyInfo");
        let failed = |_| FAILED;
        let mut curve_der = Vec::new();
        let mut inner = Vec::new();
        let (oid, parameters, bits) = match (kind(algorithm), self) {
            (Kind::Rsa, Self::Rsa { modulus, exponent }) => {
                let key = RsaPublicKeyRef {
                    modulus: UintRef::new(modulus).map_err(failed)?,
                    public_exponent: UintRef::new(exponent).map_err(failed)?,
                };
                key.encode_to_vec(&mut inner).map_err(failed)?;
                (RSA_ENCRYPTION, Some(AnyRef::NULL), &inner)
            }
            (Kind::Curve(curve), Self::Bits(bits)) => {
                curve.oid.encode_to_vec(&mut curve_der).map_err(failed)?;
                let parameters = AnyRef::from_der(&curve_der).map_err(failed)?;
                (EC_PUBLIC_KEY, Some(parameters), bits)
            }
            (Kind::Okp(okp), Self::Bits(bits)) => (okp.oid, None, bits),
            (Kind::XWing, Self::Bits(bits)) => (X_WING, None, bits),
            (Kind::MlKem(lattice) | Kind::MlDsa(lattice), Self::Bits(bits)) => {
                (lattice.oid, None, bits)
            }
            _ => return Err(FAILED),
        };
        let spki = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid, parameters },
            subject_public_key: BitStringRef::from_bytes(bits).map_err(failed)?,
        };
        spki.to_der().map_err(failed)
    }

    fn check(&self, algorithm: Algorithm) -> Result<(), ExchangeError> {
        let wrong_length = malformed("the public key has not its algorithm's length");
        match (kind(algorithm), self) {
            (Kind::Rsa, Self::Rsa { modulus, exponent }) => {
                strength::rsa_modulus_and_exponent(modulus, exponent, algorithm)
            }
            (Kind::Curve(curve), Self::Bits(bits)) => match bits.split_first() {
                Some((4, rest)) if rest.len() == curve.bytes * 2 => Ok(()),
                Some((2 | 3, rest)) if rest.len() == curve.bytes => Err(malformed(
                    "the point is compressed; give it uncompressed: openssl ec -conv_form uncompressed",
                )),
                _ => Err(wrong_length),
            },
            (Kind::Okp(okp), Self::Bits(bits)) if bits.len() == 32 => {
                if okp.jwk == "Ed25519" {
                    strength::ed25519_point(bits)
                } else {
                    strength::x25519_point(bits)
                }
            }
            (Kind::MlKem(lattice) | Kind::MlDsa(lattice), Self::Bits(bits))
                if bits.len() == lattice.public =>
            {
                Ok(())
            }
            // The last 32 bytes are those of X25519.
            (Kind::XWing, Self::Bits(bits)) if bits.len() == hybrid::PUBLIC_LENGTH => {
                strength::x25519_point(bits.get(bits.len() - 32..).unwrap_or_default())
            }
            _ => Err(wrong_length),
        }
    }
}

fn expect_curve(
    algorithm: Algorithm,
    curve: &Curve,
    found: &AlgorithmIdentifierRef<'_>,
) -> Result<(), ExchangeError> {
    let named = found
        .parameters_oid()
        .map_err(|_| malformed("the curve must be named, not described"))?;
    if named == curve.oid {
        return Ok(());
    }
    Err(ExchangeError::WrongAlgorithm {
        expected: algorithm,
        what: "the key is on another curve",
    })
}

/// The bits of a `SubjectPublicKeyInfo` that we made.
pub(super) fn key_bits(der: &[u8]) -> Result<&[u8], ExchangeError> {
    SubjectPublicKeyInfoRef::from_der(der)
        .ok()
        .and_then(|spki| spki.subject_public_key.as_bytes())
        .ok_or(malformed("this is no SubjectPublicKeyInfo"))
}
