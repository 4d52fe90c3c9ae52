//! Randomness as a parameter. The only real source here is AWS-LC's; a seeded one exists only in
//! test code.

use zeroize::Zeroizing;

use crate::error::CryptoError;
use crate::secret::SecretBytes;

/// A source of bytes that nobody can predict.
pub trait Random: Send + Sync {
    /// Fills `out` wholly.
    ///
    /// # Errors
    /// [`CryptoError::RandomFailed`]; `out` must then not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError>;
}

/// The generator of AWS-LC (a CTR-DRBG of NIST SP 800-90A, seeded by the operating system).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        aws_lc_rs::rand::fill(out).map_err(|_| CryptoError::RandomFailed)
    }
}

/// Draws `length` secret bytes.
///
/// # Errors
/// [`CryptoError::RandomFailed`].
pub fn secret(random: &dyn Random, length: usize) -> Result<SecretBytes, CryptoError> {
    let mut bytes = SecretBytes::zeroed(length);
    random.fill(bytes.expose_mut())?;
    Ok(bytes)
}

/// Draws 32 secret bytes on the stack.
pub(crate) fn secret_array(random: &dyn Random) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// Draws public bytes: a salt, a nonce, an id.
pub(crate) fn array<const N: usize>(random: &dyn Random) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
