//! Bytes that must not linger: zeroized when dropped, never printed, compared in constant time.
//! This module does not know what the bytes mean.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::digest::constant_time_eq;

/// Secret bytes on the heap, zeroized on drop. Not `Clone`: copies are made by
/// [`SecretBytes::duplicate`], so that they can be found.
pub struct SecretBytes {
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretBytes {
    /// Takes ownership of `bytes`. The vector must not have been reallocated while it held secrets.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
        }
    }

    /// `length` zero bytes, to be filled through [`SecretBytes::expose_mut`].
    pub fn zeroed(length: usize) -> Self {
        Self::new(vec![0; length])
    }

    /// Copies a slice; the original stays the caller's to wipe.
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The bytes. Named so that every reading of a secret can be searched for.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, writable, of fixed length.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Compares without a data-dependent branch; the lengths are not secret.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        constant_time_eq(&self.bytes, other)
    }

    /// An explicit copy.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copy_from(&self.bytes)
    }

    /// Shortens to `length` bytes, wiping what is cut off. Longer lengths change nothing.
    pub(crate) fn shorten(&mut self, length: usize) {
        if let Some(tail) = self.bytes.get_mut(length..) {
            tail.zeroize();
        }
        self.bytes.truncate(length);
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretBytes({} bytes)", self.len())
    }
}
