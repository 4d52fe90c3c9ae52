//! A value, or bytes, in locked memory.
#![allow(unsafe_code)] // a typed view of a room that is ours alone

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use zeroize::Zeroize;

use crate::arena::Room;
use crate::slots::{GRANULE, RUN_MAX};

/// A value that lives in locked memory while there is room, and on the heap otherwise. It is
/// dropped as usual, and then its bytes are wiped. It never moves, so that no copies of it are
/// left behind; it prints nothing of itself.
pub struct Locked<T> {
    value: NonNull<T>,
    room: Room,
    owns: PhantomData<T>,
}

// SAFETY: it owns its value, as a box does.
unsafe impl<T: Send> Send for Locked<T> {}
// SAFETY: as above; shared access gives `&T` only.
unsafe impl<T: Sync> Sync for Locked<T> {}

impl<T> Locked<T> {
    /// Moves a value there. Where it came from is not wiped: for bytes, prefer
    /// [`Locked::filled`].
    pub fn new(value: T) -> Self {
        const { assert!(align_of::<T>() <= 64, "rooms are aligned to 64 bytes") };
        let room = Room::take(size_of::<T>());
        let place = room.start().cast::<T>();
        // SAFETY: the room is large and aligned enough, and nobody else's.
        unsafe { place.write(value) };
        Self {
            value: place,
            room,
            owns: PhantomData,
        }
    }

    /// Whether it lies in locked pages.
    pub fn is_locked(&self) -> bool {
        self.room.is_locked()
    }
}

impl<const N: usize> Locked<[u8; N]> {
    /// Bytes that are written in place, so that they were never anywhere else.
    ///
    /// # Errors
    /// Whatever `fill` says.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut locked = Self::new([0; N]);
        fill(&mut locked)?;
        Ok(locked)
    }

    /// A copy of bytes that stay their owner's to wipe.
    pub fn copy_of(bytes: &[u8; N]) -> Self {
        let mut locked = Self::new([0; N]);
        locked.copy_from_slice(bytes);
        locked
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written in `new`, dropped only with `self`.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: the value is there and is dropped once; the room wipes its bytes after this.
        unsafe { self.value.drop_in_place() };
    }
}

/// Bytes in locked memory while there is room, and on the heap otherwise; wiped on drop. Their
/// number never grows.
pub struct LockedBytes {
    length: usize,
    room: Room,
}

// SAFETY: the room is its own.
unsafe impl Send for LockedBytes {}
// SAFETY: as above; shared access gives `&[u8]` only.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// The most that finds a place in locked pages; more is put on the heap.
    pub const LENGTH_MAX: usize = GRANULE * RUN_MAX;

    /// So many zeros.
    pub fn zeroed(length: usize) -> Self {
        Self {
            length,
            room: Room::take(length),
        }
    }

    /// Forgets what is behind the first `length` bytes. More changes nothing.
    pub fn shorten(&mut self, length: usize) {
        if let Some(tail) = self.get_mut(length..) {
            tail.zeroize();
            self.length = length;
        }
    }

    /// Whether they lie in locked pages.
    pub fn is_locked(&self) -> bool {
        self.room.is_locked()
    }
}

impl Deref for LockedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: rooms are handed out zeroed, and this one is at least `length` long.
        unsafe { std::slice::from_raw_parts(self.room.start().as_ptr(), self.length) }
    }
}

impl DerefMut for LockedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.room.start().as_ptr(), self.length) }
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LockedBytes(..)")
    }
}

impl<T> fmt::Debug for Locked<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Locked(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counts(Arc<AtomicUsize>);

    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_is_dropped_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let locked = Locked::new(Counts(count.clone()));
        assert_eq!(count.load(Ordering::Relaxed), 0);
        drop(locked);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn values_do_not_overlap_and_print_nothing() {
        let values: Vec<Locked<[u8; 100]>> = (0..100).map(|i| Locked::copy_of(&[i; 100])).collect();
        for (i, value) in (0..100).zip(&values) {
            assert_eq!(**value, [i; 100]);
        }
        assert_eq!(format!("{:?}", values[0]), "Locked(..)");
    }

    #[test]
    fn bytes_are_zero_at_first_and_can_be_shortened() {
        for length in [
            0,
            1,
            64,
            65,
            LockedBytes::LENGTH_MAX,
            LockedBytes::LENGTH_MAX + 1,
        ] {
            let mut bytes = LockedBytes::zeroed(length);
            assert_eq!(*bytes, vec![0; length]);
            bytes.fill(7);
            bytes.shorten(length + 1);
            assert_eq!(bytes.len(), length);
            bytes.shorten(length / 2);
            assert_eq!(*bytes, vec![7; length / 2]);
        }
        assert_eq!(format!("{:?}", LockedBytes::zeroed(9)), "LockedBytes(..)");
    }

    #[test]
    fn what_is_given_back_was_wiped() {
        // Whoever gets the room next finds zeros in it.
        for _ in 0..1000 {
            let mut bytes = LockedBytes::zeroed(100);
            assert_eq!(*bytes, [0; 100]);
            bytes.fill(0xff);
        }
    }

    #[test]
    fn what_is_too_large_for_the_arena_still_works() {
        let mut large = Locked::new([7_u8; 10_000]);
        assert!(!large.is_locked());
        large[9_999] = 8;
        assert_eq!(large[9_998..], [7, 8]);
    }
}
