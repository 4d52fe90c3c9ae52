//! Bytes that must not linger: zeroized when dropped, never printed, compared in constant time.
//! This module does not know what the bytes mean.

use std::fmt;

use keyward_memory::LockedBytes;
use zeroize::{Zeroize, Zeroizing};

use crate::digest::constant_time_eq;

/// Secret bytes, zeroized on drop: in locked memory if they are few, as keys are, and were put
/// there from the beginning. Not `Clone`: copies are made by [`SecretBytes::duplicate`], so that
/// they can be found.
pub struct SecretBytes {
    bytes: Bytes,
}

enum Bytes {
    Locked(LockedBytes),
    Heap(Zeroizing<Vec<u8>>),
}

impl SecretBytes {
    /// Takes ownership of `bytes`, where they are. The vector must not have been reallocated while
    /// it held secrets.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Bytes::Heap(Zeroizing::new(bytes)),
        }
    }

    /// `length` zero bytes, to be filled through [`SecretBytes::expose_mut`].
    pub fn zeroed(length: usize) -> Self {
        if length > LockedBytes::LENGTH_MAX {
            return Self::new(vec![0; length]);
        }
        Self {
            bytes: Bytes::Locked(LockedBytes::zeroed(length)),
        }
    }

    /// Copies a slice; the original stays the caller's to wipe.
    pub fn copy_from(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.expose_mut().copy_from_slice(bytes);
        copy
    }

    /// The bytes. Named so that every reading of a secret can be searched for.
    pub fn expose(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Locked(bytes) => bytes,
            Bytes::Heap(bytes) => bytes,
        }
    }

    /// The bytes, writable, of fixed length.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        match &mut self.bytes {
            Bytes::Locked(bytes) => bytes,
            Bytes::Heap(bytes) => bytes,
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// Compares without a data-dependent branch; the lengths are not secret.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        constant_time_eq(self.expose(), other)
    }

    /// An explicit copy.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copy_from(self.expose())
    }

    /// Shortens to `length` bytes, wiping what is cut off. Longer lengths change nothing.
    pub(crate) fn shorten(&mut self, length: usize) {
        match &mut self.bytes {
            Bytes::Locked(bytes) => bytes.shorten(length),
            Bytes::Heap(bytes) => {
                if let Some(tail) = bytes.get_mut(length..) {
                    tail.zeroize();
                }
                bytes.truncate(length);
            }
        }
    }
}

/// Runs what leaves secrets on the stack, in places that only the library beneath knows, and
/// overwrites that part of the stack.
pub(crate) fn scrubbed<T>(work: impl FnOnce() -> T) -> T {
    let done = below(work);
    overwrite();
    done
}

/// A frame of its own, so that everything `work` puts on the stack lies where the frame of
/// [`overwrite`] will be.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    let mut room = [0_u8; 16 * 1024];
    std::hint::black_box(&mut room);
    room.zeroize();
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
