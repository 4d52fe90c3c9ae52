//! `PrivateKeyInfo` (RFC 5208, RFC 5958), and what each algorithm puts inside: RFC 8017 for RSA,
//! RFC 5915 for curves, RFC 8410 for Ed25519 and X25519, RFC 9881 and RFC 9935 for lattices.

use ::pkcs8::der::asn1::{AnyRef, OctetStringRef};
use ::pkcs8::der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use ::pkcs8::spki::AlgorithmIdentifierRef;
use ::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use aws_lc_rs::signature::PqdsaKeyPair;
use sec1::EcPrivateKey;

use super::error::{ExchangeError, malformed};
use super::kind::{Curve, EC_PUBLIC_KEY, Kind, Lattice, RSA_ENCRYPTION, X_WING, kind};
use super::parts::{Parts, same_expanded_ml_kem};
use super::pem::private_der;
use crate::algorithm::Algorithm;
use crate::digest::constant_time_eq;
use crate::material::asymmetric::ml_dsa_signing;
use crate::secret::SecretBytes;

/// Reads DER, or PEM around it.
pub(super) fn read(algorithm: Algorithm, bytes: &[u8]) -> Result<Parts, ExchangeError> {
    let der = private_der(bytes)?;
    let info = PrivateKeyInfoRef::from_der(der.expose())
        .map_err(|_| malformed("this is no PKCS#8 PrivateKeyInfo; openssl pkcs8 -topk8 -nocrypt -outform DER makes one of an older container"))?;
    let inner = info.private_key.as_bytes();
    let outer_public = match info.public_key {
        Some(bits) => Some(bits.as_bytes().ok_or(malformed("a broken public key"))?),
        None => None,
    };
    match kind(algorithm) {
        Kind::Symmetric => Err(ExchangeError::FormatUnsupported {
            algorithm,
            hint: "take raw or jwk",
        }),
        Kind::Rsa => {
            expect(algorithm, &info.algorithm, RSA_ENCRYPTION)?;
            let key = pkcs1::RsaPrivateKeyRef::from_der(inner)
                .map_err(|_| malformed("this is no RSAPrivateKey"))?;
            if key.other_prime_infos.is_some() {
                return Err(ExchangeError::MultiPrime);
            }
            Ok(Parts::Rsa(SecretBytes::copy_from(inner)))
        }
        Kind::Curve(curve) => {
            expect(algorithm, &info.algorithm, EC_PUBLIC_KEY)?;
            read_curve(algorithm, curve, info.algorithm, inner)
        }
        Kind::Okp(okp) => {
            expect(algorithm, &info.algorithm, okp.oid)?;
            let seed = <&OctetStringRef>::from_der(inner)
                .map_err(|_| malformed("this is no CurvePrivateKey"))?;
            Parts::seed(32, seed.as_bytes(), outer_public)
        }
        Kind::XWing => {
            expect(algorithm, &info.algorithm, X_WING)?;
            Parts::seed(32, inner, outer_public)
        }
        Kind::MlDsa(lattice) => {
            expect(algorithm, &info.algorithm, lattice.oid)?;
            read_ml_dsa(algorithm, lattice, inner, outer_public)
        }
        Kind::MlKem(lattice) => {
            expect(algorithm, &info.algorithm, lattice.oid)?;
            read_ml_kem(lattice, inner, outer_public)
        }
    }
}

/// Writes DER, version 1.
pub(super) fn write(algorithm: Algorithm, parts: &Parts) -> Result<SecretBytes, ExchangeError> {
    let kind = kind(algorithm);
    let unsupported = || ExchangeError::FormatUnsupported {
        algorithm,
        hint: "take raw or jwk",
    };
    match (kind, parts) {
        (Kind::Rsa, Parts::Rsa(inner)) => info(RSA_ENCRYPTION, Some(AnyRef::NULL), inner.expose()),
        (Kind::Curve(curve), Parts::Scalar { scalar, public }) => {
            let parameters = encoded(&curve.oid)?;
            let parameters = AnyRef::from_der(parameters.expose()).map_err(|_| NOT_WRITTEN)?;
            let key = encoded(&EcPrivateKey {
                private_key: scalar.expose(),
                parameters: None,
                public_key: public.as_deref(),
            })?;
            info(EC_PUBLIC_KEY, Some(parameters), key.expose())
        }
        (Kind::Okp(okp), Parts::Seed { seed, .. }) => {
            let inner = OctetStringRef::new(seed.expose()).map_err(|_| NOT_WRITTEN)?;
            info(okp.oid, None, encoded(&inner)?.expose())
        }
        (Kind::XWing, Parts::Seed { seed, .. }) => info(X_WING, None, seed.expose()),
        (Kind::MlDsa(lattice) | Kind::MlKem(lattice), Parts::Seed { seed, .. }) => {
            // `seed [0] IMPLICIT OCTET STRING`, of 32 or 64 bytes.
            let mut inner = SecretBytes::zeroed(seed.len() + 2);
            let (head, body) = inner.expose_mut().split_at_mut(2);
            head.copy_from_slice(&[0x80, seed.len() as u8]);
            body.copy_from_slice(seed.expose());
            info(lattice.oid, None, inner.expose())
        }
        (Kind::MlKem(lattice), Parts::Expanded(key)) => {
            let inner = OctetStringRef::new(key.expose()).map_err(|_| NOT_WRITTEN)?;
            info(lattice.oid, None, encoded(&inner)?.expose())
        }
        _ => Err(unsupported()),
    }
}

const NOT_WRITTEN: ExchangeError = malformed("it does not fit into PKCS#8");

/// DER in a buffer of its final size.
fn encoded<E: ::pkcs8::der::Encode + ?Sized>(value: &E) -> Result<SecretBytes, ExchangeError> {
    value
        .to_der()
        .map(SecretBytes::new)
        .map_err(|_| NOT_WRITTEN)
}

pub(super) fn info(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    inner: &[u8],
) -> Result<SecretBytes, ExchangeError> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    let inner = OctetStringRef::new(inner).map_err(|_| NOT_WRITTEN)?;
    encoded(&PrivateKeyInfoRef::new(algorithm, inner))
}

fn expect(
    algorithm: Algorithm,
    found: &AlgorithmIdentifierRef<'_>,
    oid: ObjectIdentifier,
) -> Result<(), ExchangeError> {
    if found.oid == oid {
        return Ok(());
    }
    Err(ExchangeError::WrongAlgorithm {
        expected: algorithm,
        what: "the container names another algorithm",
    })
}

fn read_curve(
    algorithm: Algorithm,
    curve: &Curve,
    identifier: AlgorithmIdentifierRef<'_>,
    inner: &[u8],
) -> Result<Parts, ExchangeError> {
    let other = ExchangeError::WrongAlgorithm {
        expected: algorithm,
        what: "the key is on another curve",
    };
    let named = identifier
        .parameters_oid()
        .map_err(|_| malformed("the curve must be named, not described"))?;
    if named != curve.oid {
        return Err(other);
    }
    let key = EcPrivateKey::from_der(inner).map_err(|_| malformed("this is no ECPrivateKey"))?;
    let inside = key.parameters.and_then(sec1::EcParameters::named_curve);
    if inside.is_some_and(|inside| inside != curve.oid) {
        return Err(other);
    }
    Parts::scalar(curve, key.private_key, key.public_key)
}

/// `CHOICE { seed [0] OCTET STRING, expandedKey OCTET STRING, both SEQUENCE { seed, expandedKey } }`.
struct Choice<'a> {
    seed: Option<&'a [u8]>,
    expanded: Option<&'a [u8]>,
}

const SEED_TAG: Tag = Tag::ContextSpecific {
    constructed: false,
    number: TagNumber(0),
};

fn choice(inner: &[u8]) -> Result<Choice<'_>, ExchangeError> {
    let broken = |_| malformed("this is no lattice private key of RFC 9881 or RFC 9935");
    let any = AnyRef::from_der(inner).map_err(broken)?;
    match any.tag() {
        SEED_TAG => Ok(Choice {
            seed: Some(any.value()),
            expanded: None,
        }),
        Tag::OctetString => Ok(Choice {
            seed: None,
            expanded: Some(any.value()),
        }),
        Tag::Sequence => {
            let mut reader = SliceReader::new(any.value()).map_err(broken)?;
            let seed = <&OctetStringRef>::decode(&mut reader).map_err(broken)?;
            let expanded = <&OctetStringRef>::decode(&mut reader).map_err(broken)?;
            if !reader.is_finished() {
                return Err(malformed("something follows the lattice private key"));
            }
            Ok(Choice {
                seed: Some(seed.as_bytes()),
                expanded: Some(expanded.as_bytes()),
            })
        }
        _ => Err(malformed(
            "this is no lattice private key of RFC 9881 or RFC 9935",
        )),
    }
}

const SEED_AND_EXPANDED_DIFFER: ExchangeError = ExchangeError::Invalid {
    why: "the expanded key does not follow from the seed",
};

fn read_ml_kem(
    lattice: &Lattice,
    inner: &[u8],
    public: Option<&[u8]>,
) -> Result<Parts, ExchangeError> {
    let Choice { seed, expanded } = choice(inner)?;
    match (seed, expanded) {
        (Some(seed), expanded) => {
            let parts = Parts::seed(lattice.seed, seed, public)?;
            if let (Some(expanded), Parts::Seed { seed, .. }) = (expanded, &parts)
                && !same_expanded_ml_kem(lattice, seed, expanded)?
            {
                return Err(SEED_AND_EXPANDED_DIFFER);
            }
            Ok(parts)
        }
        (None, Some(expanded)) if expanded.len() == lattice.expanded => {
            Ok(Parts::Expanded(SecretBytes::copy_from(expanded)))
        }
        _ => Err(malformed("the expanded key has not its algorithm's length")),
    }
}

fn read_ml_dsa(
    algorithm: Algorithm,
    lattice: &Lattice,
    inner: &[u8],
    public: Option<&[u8]>,
) -> Result<Parts, ExchangeError> {
    let Choice { seed, expanded } = choice(inner)?;
    let Some(seed) = seed else {
        return Err(malformed(
            "it holds the expanded key only, which has no way back to its seed; export the seed form of RFC 9881",
        ));
    };
    let parts = Parts::seed(lattice.seed, seed, public)?;
    if let Some(expanded) = expanded {
        let signing = ml_dsa_signing(algorithm).map_err(ExchangeError::Engine)?;
        let broken = |_| malformed("this is no ML-DSA seed");
        let pair = PqdsaKeyPair::from_seed(signing, seed).map_err(broken)?;
        let follows = pair.private_key();
        let follows = aws_lc_rs::encoding::AsRawBytes::as_raw_bytes(&follows)
            .map_err(|_| SEED_AND_EXPANDED_DIFFER)?;
        if !constant_time_eq(follows.as_ref(), expanded) {
            return Err(SEED_AND_EXPANDED_DIFFER);
        }
    }
    Ok(parts)
}
