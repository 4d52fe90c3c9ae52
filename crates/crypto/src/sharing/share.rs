//! One share, and its text for people: `kwshare1-` and 87 lowercase base32 characters.
//!
//! ```text
//! threshold(1) ‖ index(1) ‖ set id(16) ‖ value(32) ‖ checksum(4)
//! ```
//! The checksum is the CRC-32 (IEEE 802.3) of `kwshare1-` and the 50 bytes before it, big endian:
//! it finds typing errors, not forgers; those are found by [`super::ShareSet::verify`].

use std::fmt;

use data_encoding::BASE32_NOPAD;
use p256::Scalar;
use p256::elliptic_curve::PrimeField;
use zeroize::Zeroizing;

use super::{SET_ID_LENGTH, SHARES_MAX, ShareError, THRESHOLD_MIN};

const PREFIX: &str = "kwshare1-";
const BODY_LENGTH: usize = 2 + SET_ID_LENGTH + 32;
const ENCODED_LENGTH: usize = BODY_LENGTH + 4;
const TEXT_LENGTH: usize = 87;

/// A custodian's part of a secret. Zeroized on drop; not clonable; prints only its index.
pub struct Share {
    threshold: u8,
    index: u8,
    set_id: [u8; SET_ID_LENGTH],
    value: Zeroizing<[u8; 32]>,
}

impl Share {
    pub(super) fn new(
        threshold: u8,
        index: u8,
        set_id: [u8; SET_ID_LENGTH],
        value: Zeroizing<[u8; 32]>,
    ) -> Self {
        Self {
            threshold,
            index,
            set_id,
            value,
        }
    }

    /// Which share of its set, from 1.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// How many shares recombine the secret.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The set it belongs to.
    pub fn set_id(&self) -> [u8; SET_ID_LENGTH] {
        self.set_id
    }

    /// The text to give to the custodian.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; ENCODED_LENGTH]);
        bytes[0] = self.threshold;
        bytes[1] = self.index;
        bytes[2..18].copy_from_slice(&self.set_id);
        bytes[18..BODY_LENGTH].copy_from_slice(self.value.as_slice());
        let checksum = checksum(&bytes[..BODY_LENGTH]);
        bytes[BODY_LENGTH..].copy_from_slice(&checksum);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + TEXT_LENGTH));
        text.push_str(PREFIX);
        BASE32_NOPAD.encode_append(bytes.as_slice(), &mut text);
        text.make_ascii_lowercase();
        text
    }

    /// Undoes [`Share::to_text`]. Strict: no spaces, no capitals, one text for one share.
    ///
    /// # Errors
    /// [`ShareError::Malformed`], [`ShareError::UnknownShareVersion`], [`ShareError::Checksum`].
    pub fn from_text(text: &str) -> Result<Self, ShareError> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            let other_version = text.starts_with("kwshare") && text.contains('-');
            return Err(if other_version {
                ShareError::UnknownShareVersion
            } else {
                ShareError::Malformed
            });
        };
        if encoded.len() != TEXT_LENGTH || encoded.bytes().any(|letter| letter.is_ascii_uppercase())
        {
            return Err(ShareError::Malformed);
        }
        let capitals = Zeroizing::new(encoded.to_ascii_uppercase());
        // Spare bits at the end that are not zero are refused by the decoder.
        let bytes = BASE32_NOPAD
            .decode(capitals.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| ShareError::Malformed)?;
        let (body, found) = bytes
            .split_at_checked(BODY_LENGTH)
            .ok_or(ShareError::Malformed)?;
        if checksum(body) != found {
            return Err(ShareError::Checksum);
        }
        let mut set_id = [0; SET_ID_LENGTH];
        set_id.copy_from_slice(&body[2..18]);
        let mut value = Zeroizing::new([0; 32]);
        value.copy_from_slice(&body[18..]);
        let share = Self::new(body[0], body[1], set_id, value);
        if share.is_plausible() {
            Ok(share)
        } else {
            Err(ShareError::Malformed)
        }
    }

    pub(super) fn value(&self) -> &[u8; 32] {
        &self.value
    }

    /// Numbers in range, and the value below the order of the group.
    fn is_plausible(&self) -> bool {
        (THRESHOLD_MIN..=SHARES_MAX).contains(&self.threshold)
            && (1..=SHARES_MAX).contains(&self.index)
            && bool::from(Scalar::from_repr((*self.value).into()).is_some())
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Share({} of a set, redacted)", self.index)
    }
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(PREFIX.as_bytes());
    hasher.update(body);
    hasher.finalize().to_be_bytes()
}
