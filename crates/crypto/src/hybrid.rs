//! Sealing to a public key that holds as long as either X25519 or ML-KEM-768 does: HPKE base mode
//! (RFC 9180, draft-ietf-hpke-pq) with the X-Wing KEM (0x647a), HKDF-SHA-256 (0x0001) and
//! AES-256-GCM (0x0002), from the `hpke` crate. Knows neither keys of tenants nor suites.
//!
//! `enc(1120) ‖ ciphertext ‖ tag(16)`. Base mode authenticates no sender: whoever has the public
//! key can seal.

use std::convert::Infallible;

use hpke::aead::{AeadTag, AesGcm256};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, XWing};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::error::CryptoError;
use crate::random::{self, Random};
use crate::secret::SecretBytes;

/// Length of the secret key, in bytes: the seed from which both halves follow.
pub const SECRET_LENGTH: usize = 32;
/// Length of the raw public key, in bytes.
pub const PUBLIC_LENGTH: usize = 1216;
/// Length of the encapsulated key at the head of a sealed message, in bytes.
pub const ENCAPSULATED_LENGTH: usize = 1120;
/// How much longer a sealed message is than its plaintext, in bytes.
pub const OVERHEAD: usize = ENCAPSULATED_LENGTH + TAG_LENGTH;
/// Longest message that is sealed in one call, in bytes.
pub const MESSAGE_LENGTH_MAX: usize = 64 << 20;

const TAG_LENGTH: usize = 16;
/// What one encapsulation draws: the message of ML-KEM and the ephemeral scalar of X25519.
const ENCAPSULATION_RANDOM_LENGTH: usize = 64;
/// `SubjectPublicKeyInfo` up to the key bytes: OID 1.3.6.1.4.1.62253.25722, no parameters
/// (draft-connolly-cfrg-xwing-kem, section 5.8).
const SPKI_PREFIX: [u8; 24] = [
    0x30, 0x82, 0x04, 0xd4, 0x30, 0x0d, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xe6, 0x2d,
    0x81, 0xc8, 0x7a, 0x03, 0x82, 0x04, 0xc1, 0x00,
];

type Tag = AeadTag<AesGcm256>;

/// The secret half. Zeroized on drop; neither printable nor clonable.
pub struct HybridSecret {
    key: <XWing as hpke::Kem>::PrivateKey,
}

/// The public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HybridPublic {
    key: <XWing as hpke::Kem>::PublicKey,
}

impl HybridSecret {
    /// A fresh key.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`], [`CryptoError::NotInFipsModule`].
    pub fn generate(random: &dyn Random) -> Result<Self, CryptoError> {
        let seed = random::secret_array(random)?;
        Self::from_seed(seed.as_slice())
    }

    /// The key with this seed of 32 bytes; every seed is a key.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for another length, [`CryptoError::NotInFipsModule`].
    pub fn from_seed(seed: &[u8]) -> Result<Self, CryptoError> {
        Algorithm::X25519MlKem768.ensure_available()?;
        let key = Deserializable::from_bytes(seed).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { key })
    }

    /// The seed, to be stored by who keeps the key.
    #[must_use]
    pub fn to_seed(&self) -> SecretBytes {
        let mut seed = SecretBytes::zeroed(SECRET_LENGTH);
        self.key.write_exact(seed.expose_mut());
        seed
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> HybridPublic {
        HybridPublic {
            key: XWing::sk_to_pk(&self.key),
        }
    }

    /// Undoes [`HybridPublic::seal`] with the same `info` and `aad`.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`], [`CryptoError::MessageTooLong`];
    /// [`CryptoError::AuthenticationFailed`] for another key, info or aad, or altered bytes.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, CryptoError> {
        let (encapsulated, rest) = sealed
            .split_at_checked(ENCAPSULATED_LENGTH)
            .ok_or(CryptoError::Truncated)?;
        let length = rest
            .len()
            .checked_sub(TAG_LENGTH)
            .ok_or(CryptoError::Truncated)?;
        within_limit(length)?;
        let (ciphertext, tag) = rest.split_at(length);
        let failed = |_| CryptoError::AuthenticationFailed;
        let encapsulated = Deserializable::from_bytes(encapsulated).map_err(failed)?;
        let tag = Tag::from_bytes(tag).map_err(failed)?;
        let mut plaintext = SecretBytes::copy_from(ciphertext);
        hpke::single_shot_open_inout_detached::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.key,
            &encapsulated,
            info,
            InOutBuf::from(plaintext.expose_mut()),
            aad,
            &tag,
        )
        .map_err(failed)?;
        Ok(plaintext)
    }
}

impl HybridPublic {
    /// The key in these bytes: 1,216 raw ones, or `SubjectPublicKeyInfo` DER.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] for another length or algorithm, or an ML-KEM key whose
    /// coefficients are not reduced (FIPS 203, section 7.2).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        Algorithm::X25519MlKem768.ensure_available()?;
        let raw = bytes.strip_prefix(&SPKI_PREFIX).unwrap_or(bytes);
        let key = Deserializable::from_bytes(raw).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { key })
    }

    /// The raw bytes: those of ML-KEM-768, then those of X25519.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.key.to_bytes().to_vec()
    }

    /// `SubjectPublicKeyInfo` DER.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.key.to_bytes()].concat()
    }

    /// Seals to this key. `info` names the purpose, `aad` is authenticated beside the message;
    /// both must be repeated to open.
    ///
    /// # Errors
    /// [`CryptoError::MessageTooLong`], [`CryptoError::RandomFailed`],
    /// [`CryptoError::EngineFailed`].
    pub fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, CryptoError> {
        within_limit(plaintext.len())?;
        let failed = |_| CryptoError::EngineFailed;
        let mut drawn = Drawn::draw(random)?;
        let mut sealed = vec![0; OVERHEAD + plaintext.len()];
        let (head, body) = sealed.split_at_mut(ENCAPSULATED_LENGTH);
        let (ciphertext, tag) = body.split_at_mut(plaintext.len());
        let buffer = InOutBuf::new(plaintext, ciphertext).map_err(|_| CryptoError::EngineFailed)?;
        let (encapsulated, made) = hpke::single_shot_seal_inout_detached_with_rng::<
            AesGcm256,
            HkdfSha256,
            XWing,
        >(
            &OpModeS::Base, &self.key, info, buffer, aad, &mut drawn
        )
        .map_err(failed)?;
        if drawn.asked_for_more {
            return Err(CryptoError::EngineFailed);
        }
        encapsulated.write_exact(head);
        made.write_exact(tag);
        Ok(sealed)
    }
}

fn within_limit(length: usize) -> Result<(), CryptoError> {
    if length > MESSAGE_LENGTH_MAX {
        return Err(CryptoError::MessageTooLong {
            max: MESSAGE_LENGTH_MAX,
        });
    }
    Ok(())
}

/// Randomness drawn before the library asks, because its generators cannot fail and ours can. It
/// gives every byte once; what it cannot give is noticed afterwards, and nothing is sealed.
struct Drawn {
    bytes: Zeroizing<[u8; ENCAPSULATION_RANDOM_LENGTH]>,
    used: usize,
    asked_for_more: bool,
}

impl Drawn {
    fn draw(random: &dyn Random) -> Result<Self, CryptoError> {
        let mut bytes = Zeroizing::new([0; ENCAPSULATION_RANDOM_LENGTH]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self {
            bytes,
            used: 0,
            asked_for_more: false,
        })
    }

    fn give(&mut self, out: &mut [u8]) {
        let end = self.used + out.len();
        match self.bytes.get(self.used..end) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                self.used = end;
            }
            None => self.asked_for_more = true,
        }
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.give(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.give(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.give(out);
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}
