//! From a passphrase to a key: Argon2id (RFC 9106). What it costs to try one passphrase is stored
//! beside what the key protects, and bounded when it is read: a stored number must neither make
//! guessing cheap nor take a server's memory.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use crate::error::CryptoError;
use crate::secret::SecretBytes;

/// Length of the salt, in bytes.
pub const SALT_LENGTH: usize = 16;
/// Longest passphrase, in bytes.
pub const PASSPHRASE_LENGTH_MAX: usize = 1024;
/// Length of the key, in bytes.
const KEY_LENGTH: usize = 32;

/// What one try costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl PassphraseCost {
    /// The second recommended choice of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 4,
    };

    /// Whether it neither makes guessing cheap (below 19 MiB) nor takes a server's memory (above
    /// 1 GiB).
    #[must_use]
    pub const fn is_within_bounds(self) -> bool {
        matches!(self.memory_kib, 19_456..=1_048_576)
            && matches!(self.passes, 1..=16)
            && matches!(self.lanes, 1..=16)
    }
}

/// The key of a passphrase.
///
/// # Errors
/// [`CryptoError::PassphraseLength`] for an empty passphrase or one above
/// [`PASSPHRASE_LENGTH_MAX`]; [`CryptoError::PassphraseCost`] for a cost out of bounds;
/// [`CryptoError::PassphraseNotInFipsModule`] in a build for the FIPS module, which has no Argon2id;
/// [`CryptoError::EngineFailed`].
pub fn derive_key(
    passphrase: &SecretBytes,
    salt: &[u8; SALT_LENGTH],
    cost: PassphraseCost,
) -> Result<SecretBytes, CryptoError> {
    if cfg!(feature = "fips") {
        return Err(CryptoError::PassphraseNotInFipsModule);
    }
    if passphrase.is_empty() || passphrase.len() > PASSPHRASE_LENGTH_MAX {
        return Err(CryptoError::PassphraseLength {
            max: PASSPHRASE_LENGTH_MAX,
        });
    }
    if !cost.is_within_bounds() {
        return Err(CryptoError::PassphraseCost);
    }
    let PassphraseCost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(KEY_LENGTH))
        .map_err(|_| CryptoError::PassphraseCost)?;
    let mut memory = vec![Block::default(); params.block_count()];
    let mut key = SecretBytes::zeroed(KEY_LENGTH);
    let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            passphrase.expose(),
            salt,
            key.expose_mut(),
            memory.as_mut_slice(),
        );
    memory.zeroize();
    derived.map_err(|_| CryptoError::EngineFailed)?;
    Ok(key)
}
