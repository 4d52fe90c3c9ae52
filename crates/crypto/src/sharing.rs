//! Splitting a sealing key among custodians, so that a threshold of them recombines it and a
//! wrong share is named. Feldman's verifiable secret sharing over P-256; format and reasons:
//! `docs/formats/share.md`. Knows neither custodians nor what the key seals.
//!
//! Feldman's commitments reveal `g^secret`, which is harmless only for a uniformly random scalar.
//! So a random scalar is split, and the sealing key derived from it.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::group::{Group, GroupEncoding};
use p256::{ProjectivePoint, Scalar};
use vsss_rs::{
    DefaultShare, FeldmanVerifierSet, IdentifierPrimeField, Polynomial, ReadableShareSet,
    ShareVerifierGroup,
};
use zeroize::{Zeroize, Zeroizing};

use crate::digest::{hkdf_sha256, sha256_parts};
use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::SecretBytes;

mod adapter;
mod error;
mod share;

pub use error::ShareError;
pub use share::Share;

/// Smallest threshold.
pub const THRESHOLD_MIN: u8 = 2;
/// Largest number of shares.
pub const SHARES_MAX: u8 = 32;
/// Length of a set id, in bytes.
pub const SET_ID_LENGTH: usize = 16;

const POINT_LENGTH: usize = 33;
const MAGIC: &[u8; 4] = b"KWSS";
const FORMAT_VERSION: u8 = 1;
const SET_LABEL: &[u8] = b"keyward/share-set/1";
const SEAL_INFO: &[u8] = b"keyward/seal/shares/1";

type Element = IdentifierPrimeField<Scalar>;
type CurveShare = DefaultShare<Element, Element>;
type Commitment = ShareVerifierGroup<ProjectivePoint>;

/// What everyone may know of a split: enough to check any share, alone. The set id is a digest of
/// the rest, so that a custodian's share also names the commitments it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSet {
    set_id: [u8; SET_ID_LENGTH],
    threshold: u8,
    total: u8,
    commitments: Vec<[u8; POINT_LENGTH]>,
}

/// Draws a secret and splits it into `total` shares, any `threshold` of which recombine it.
/// Returns the 32-byte sealing key, the public set and the shares 1 to `total`.
///
/// # Errors
/// [`ShareError::BadParameters`] unless 2 ≤ threshold ≤ total ≤ 32; [`ShareError::Crypto`] when
/// randomness fails.
pub fn split(
    threshold: u8,
    total: u8,
    random: &dyn Random,
) -> Result<(SecretBytes, ShareSet, Vec<Share>), ShareError> {
    check_parameters(threshold, total)?;
    let polynomial = SecretPolynomial::draw(threshold, random)?;
    let commitments = polynomial.commitments();
    let set_id = set_id(threshold, total, &commitments);
    let set = ShareSet {
        set_id,
        threshold,
        total,
        commitments,
    };
    let shares = (1..=total)
        .map(|index| Share::new(threshold, index, set_id, polynomial.at(index)))
        .collect();
    let key = sealing_key(polynomial.secret(), &set_id)?;
    Ok((key, set, shares))
}

impl ShareSet {
    /// The set's id.
    pub fn set_id(&self) -> [u8; SET_ID_LENGTH] {
        self.set_id
    }

    /// How many shares recombine the secret.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many shares there are.
    pub fn total(&self) -> u8 {
        self.total
    }

    /// The commitments to the polynomial's coefficients, SEC1 compressed points; the first is to
    /// the secret itself.
    pub fn commitments(&self) -> &[[u8; POINT_LENGTH]] {
        &self.commitments
    }

    /// `"KWSS" ‖ 1 ‖ threshold ‖ total ‖ set id(16) ‖ threshold points(33 each)`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(23 + self.commitments.len() * POINT_LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[FORMAT_VERSION, self.threshold, self.total]);
        bytes.extend_from_slice(&self.set_id);
        bytes.extend(self.commitments.iter().flatten());
        bytes
    }

    /// Undoes [`ShareSet::to_bytes`]; every point must be on the curve and not at infinity, the
    /// set id must be the digest of the rest, and nothing may follow.
    ///
    /// # Errors
    /// [`ShareError::MalformedSet`], [`ShareError::UnknownFormatVersion`],
    /// [`ShareError::BadParameters`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ShareError::MalformedSet)?;
        let (&version, rest) = rest.split_first().ok_or(ShareError::MalformedSet)?;
        if version != FORMAT_VERSION {
            return Err(ShareError::UnknownFormatVersion(version));
        }
        let (&[threshold, total], rest) =
            rest.split_first_chunk().ok_or(ShareError::MalformedSet)?;
        check_parameters(threshold, total)?;
        let (set_id_found, rest) = rest
            .split_first_chunk::<SET_ID_LENGTH>()
            .ok_or(ShareError::MalformedSet)?;
        let (points, trailing) = rest.as_chunks::<POINT_LENGTH>();
        if !trailing.is_empty() || points.len() != usize::from(threshold) {
            return Err(ShareError::MalformedSet);
        }
        for point in points {
            parse_point(point)?;
        }
        if set_id(threshold, total, points) != *set_id_found {
            return Err(ShareError::MalformedSet);
        }
        Ok(Self {
            set_id: *set_id_found,
            threshold,
            total,
            commitments: points.to_vec(),
        })
    }

    /// Checks one share against the commitments, without any other share.
    ///
    /// # Errors
    /// [`ShareError::WrongSet`], [`ShareError::Forged`].
    pub fn verify(&self, share: &Share) -> Result<(), ShareError> {
        let index = share.index();
        if share.set_id() != self.set_id {
            return Err(ShareError::WrongSet { index });
        }
        if share.threshold() != self.threshold || !(1..=self.total).contains(&index) {
            return Err(ShareError::Forged { index });
        }
        let mut curve_share = curve_share(share)?;
        let verdict = self.verifiers()?.verify_share(&curve_share);
        curve_share.value.0.zeroize();
        verdict.map_err(|_| ShareError::Forged { index })
    }

    /// Recombines the sealing key from shares of distinct indices, at least the threshold of
    /// them. Every share is verified first, and the result against the commitments last.
    ///
    /// # Errors
    /// [`ShareError::TooFew`], [`ShareError::Duplicate`], those of [`ShareSet::verify`],
    /// [`ShareError::WrongSecret`].
    pub fn combine(&self, shares: &[Share]) -> Result<SecretBytes, ShareError> {
        for (position, share) in shares.iter().enumerate() {
            self.verify(share)?;
            let index = share.index();
            if shares[..position]
                .iter()
                .any(|earlier| earlier.index() == index)
            {
                return Err(ShareError::Duplicate { index });
            }
        }
        if shares.len() < usize::from(self.threshold) {
            return Err(ShareError::TooFew {
                found: shares.len(),
                threshold: self.threshold,
            });
        }
        let mut points: Vec<CurveShare> = Vec::with_capacity(shares.len());
        for share in shares {
            points.push(curve_share(share)?);
        }
        let combined = points.combine();
        for point in &mut points {
            point.value.0.zeroize();
        }
        let mut secret = combined.map_err(|_| ShareError::WrongSecret)?.0;
        let matches = compress(&(ProjectivePoint::GENERATOR * secret)) == self.commitments[0];
        let key = sealing_key(secret, &self.set_id);
        secret.zeroize();
        if matches {
            key
        } else {
            Err(ShareError::WrongSecret)
        }
    }

    fn verifiers(&self) -> Result<Vec<Commitment>, ShareError> {
        let points = self
            .commitments
            .iter()
            .map(|point| parse_point(point).map(vsss_rs::ValueGroup))
            .collect::<Result<Vec<Commitment>, ShareError>>()?;
        let generator = vsss_rs::ValueGroup(ProjectivePoint::GENERATOR);
        Ok(<Vec<Commitment> as FeldmanVerifierSet<
            CurveShare,
            Commitment,
        >>::feldman_set_with_generator_and_verifiers(
            generator, &points,
        ))
    }
}

/// A polynomial whose value at 0 is the secret; wiped on drop, which the library's own is not.
struct SecretPolynomial {
    terms: Vec<CurveShare>,
}

impl SecretPolynomial {
    fn draw(threshold: u8, random: &dyn Random) -> Result<Self, ShareError> {
        let length = usize::from(threshold);
        let secret = IdentifierPrimeField(draw_scalar(random)?);
        let mut polynomial = Self {
            terms: <Vec<CurveShare> as Polynomial<CurveShare>>::create(length),
        };
        let mut source = adapter::Source::new(random);
        polynomial
            .terms
            .fill(&secret, &mut source, length)
            .map_err(|_| ShareError::Crypto(CryptoError::EngineFailed))?;
        source.check()?;
        Ok(polynomial)
    }

    fn secret(&self) -> Scalar {
        self.terms[0].value.0
    }

    /// Commitments to the secret and to every further coefficient.
    fn commitments(&self) -> Vec<[u8; POINT_LENGTH]> {
        self.terms
            .iter()
            .enumerate()
            .map(|(degree, term)| {
                if degree == 0 {
                    term.value.0
                } else {
                    term.identifier.0
                }
            })
            .map(|coefficient| compress(&(ProjectivePoint::GENERATOR * coefficient)))
            .collect()
    }

    fn at(&self, index: u8) -> Zeroizing<[u8; 32]> {
        let x = IdentifierPrimeField(Scalar::from(u64::from(index)));
        let mut value = self.terms.evaluate(&x, self.terms.len()).0;
        let bytes = Zeroizing::new(value.to_repr().into());
        value.zeroize();
        bytes
    }
}

impl Drop for SecretPolynomial {
    fn drop(&mut self) {
        for term in &mut self.terms {
            term.value.0.zeroize();
            term.identifier.0.zeroize();
        }
    }
}

/// A uniform nonzero scalar, by rejection.
fn draw_scalar(random: &dyn Random) -> Result<Scalar, ShareError> {
    // One draw is refused with probability 2^-32; a source that fails 16 times is broken.
    for _ in 0..16 {
        let bytes = random::secret_array(random)?;
        if let Ok(scalar) = parse_scalar(&bytes)
            && scalar != Scalar::ZERO
        {
            return Ok(scalar);
        }
    }
    Err(ShareError::Crypto(CryptoError::RandomFailed))
}

fn sealing_key(
    mut secret: Scalar,
    set_id: &[u8; SET_ID_LENGTH],
) -> Result<SecretBytes, ShareError> {
    let mut bytes: [u8; 32] = secret.to_repr().into();
    let mut key = SecretBytes::zeroed(32);
    let derived = hkdf_sha256(&bytes, set_id, SEAL_INFO, key.expose_mut());
    bytes.zeroize();
    secret.zeroize();
    derived?;
    Ok(key)
}

fn check_parameters(threshold: u8, total: u8) -> Result<(), ShareError> {
    if THRESHOLD_MIN <= threshold && threshold <= total && total <= SHARES_MAX {
        Ok(())
    } else {
        Err(ShareError::BadParameters { threshold, total })
    }
}

fn set_id(threshold: u8, total: u8, commitments: &[[u8; POINT_LENGTH]]) -> [u8; SET_ID_LENGTH] {
    let digest = sha256_parts(&[SET_LABEL, &[threshold, total], commitments.as_flattened()]);
    let mut id = [0; SET_ID_LENGTH];
    id.copy_from_slice(&digest[..SET_ID_LENGTH]);
    id
}

fn curve_share(share: &Share) -> Result<CurveShare, ShareError> {
    Ok(DefaultShare {
        identifier: IdentifierPrimeField(Scalar::from(u64::from(share.index()))),
        value: IdentifierPrimeField(parse_scalar(share.value())?),
    })
}

fn parse_scalar(bytes: &[u8; 32]) -> Result<Scalar, ShareError> {
    Option::from(Scalar::from_repr((*bytes).into())).ok_or(ShareError::Malformed)
}

fn parse_point(bytes: &[u8; POINT_LENGTH]) -> Result<ProjectivePoint, ShareError> {
    let point: Option<ProjectivePoint> = ProjectivePoint::from_bytes(&(*bytes).into()).into();
    point
        .filter(|point| !bool::from(point.is_identity()))
        .ok_or(ShareError::MalformedSet)
}

fn compress(point: &ProjectivePoint) -> [u8; POINT_LENGTH] {
    point.to_bytes().into()
}
