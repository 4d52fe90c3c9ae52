//! The locked pages: taken from the system once, and handed out in parts that do not overlap. This
//! and the typed view in `locked` are the only unsafe code of the product.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use crate::slots::{GRANULE, Slots};

/// The most that is locked, whatever the system allows.
const SIZE_MAX: usize = 16 << 20;
/// Less than this is not worth an arena.
const SIZE_MIN: usize = 64 << 10;
/// What is assumed where pages are not larger; a guard is one of them at each end.
const PAGE: usize = 4096;

/// How far secrets are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Bytes of locked pages; 0 where the system allowed none.
    pub capacity: usize,
    /// Bytes of them in use.
    pub used: usize,
    /// Secrets now on the heap, because the arena was full or absent, or they are too large.
    pub outside: usize,
    /// Whether there are guard pages before and behind.
    pub guarded: bool,
    /// Whether core dumps leave the pages out.
    pub undumped: bool,
    /// Whether a child process finds zeros in them.
    pub wiped_on_fork: bool,
}

/// Room on the heap, aligned as in the arena.
#[derive(Clone)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; GRANULE],
}

/// Pages that stay until the process ends.
struct Arena {
    base: NonNull<u8>,
    slots: Mutex<Slots>,
    capacity: usize,
    guarded: bool,
    undumped: bool,
    wiped_on_fork: bool,
}

// SAFETY: `base` points to pages that are never unmapped; who may write where is decided by
// `slots`, under its lock.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

static ARENA: OnceLock<Option<Arena>> = OnceLock::new();
static OUTSIDE: AtomicUsize = AtomicUsize::new(0);

/// How far secrets are locked now.
pub fn report() -> Report {
    let outside = OUTSIDE.load(Ordering::Relaxed);
    match arena() {
        None => Report {
            capacity: 0,
            used: 0,
            outside,
            guarded: false,
            undumped: false,
            wiped_on_fork: false,
        },
        Some(arena) => Report {
            capacity: arena.capacity,
            used: arena.lock().used() * GRANULE,
            outside,
            guarded: arena.guarded,
            undumped: arena.undumped,
            wiped_on_fork: arena.wiped_on_fork,
        },
    }
}

fn arena() -> Option<&'static Arena> {
    ARENA.get_or_init(Arena::make).as_ref()
}

/// A part of the arena, or of the heap, that nobody else has.
#[derive(Debug)]
pub(crate) struct Room {
    start: NonNull<u8>,
    bytes: usize,
    /// The first granule, in the arena.
    granule: Option<usize>,
}

impl Room {
    /// Zeroed room of `bytes`, aligned to a cache line, in locked pages if there is any left.
    pub(crate) fn take(bytes: usize) -> Self {
        let run = bytes.div_ceil(GRANULE).max(1);
        let found = arena().and_then(|arena| {
            let granule = arena.lock().take(run)?;
            // SAFETY: the bitmap has 64 granules for each 4,096 bytes of the arena, so that the
            // offset lies inside of it.
            let start = unsafe { arena.base.add(granule * GRANULE) };
            Some(Self {
                start,
                bytes: run * GRANULE,
                granule: Some(granule),
            })
        });
        found.unwrap_or_else(|| Self::on_heap(run * GRANULE))
    }

    fn on_heap(bytes: usize) -> Self {
        OUTSIDE.fetch_add(1, Ordering::Relaxed);
        let lines = vec![
            Line {
                _bytes: [0; GRANULE]
            };
            bytes / GRANULE
        ]
        .into_boxed_slice();
        Self {
            start: NonNull::from(Box::leak(lines)).cast(),
            bytes,
            granule: None,
        }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Whether it lies in locked pages.
    pub(crate) fn is_locked(&self) -> bool {
        self.granule.is_some()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let cells = self.start.cast::<MaybeUninit<u8>>().as_ptr();
        // SAFETY: the room is `bytes` long and nobody else's; what is in it need not be read.
        let bytes = unsafe { std::slice::from_raw_parts_mut(cells, self.bytes) };
        zeroize::Zeroize::zeroize(bytes);
        if let (Some(granule), Some(arena)) = (self.granule, arena()) {
            arena.lock().give_back(granule, self.bytes / GRANULE);
            return;
        }
        OUTSIDE.fetch_sub(1, Ordering::Relaxed);
        let lines = NonNull::slice_from_raw_parts(self.start.cast::<Line>(), self.bytes / GRANULE);
        // SAFETY: leaked in `on_heap` from a box of this type and length, dropped once.
        drop(unsafe { Box::from_raw(lines.as_ptr()) });
    }
}

impl Arena {
    /// As much as half of the process's limit, or what of it the system grants.
    fn make() -> Option<Self> {
        let limit = getrlimit(Resource::Memlock).current;
        let half = limit.map_or(SIZE_MAX, |limit| {
            usize::try_from(limit / 2).unwrap_or(SIZE_MAX)
        });
        let mut size = half.min(SIZE_MAX) / SIZE_MIN * SIZE_MIN;
        while size >= SIZE_MIN {
            if let Some(arena) = Self::of(size) {
                return Some(arena);
            }
            size = size / 2 / SIZE_MIN * SIZE_MIN;
        }
        None
    }

    fn of(size: usize) -> Option<Self> {
        let page = rustix::param::page_size().max(PAGE);
        let whole = size + 2 * page;
        // SAFETY: a new mapping, wherever the system likes; nothing else is touched.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                whole,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let first = NonNull::new(mapped.ok()?.cast::<u8>())?;
        // SAFETY: one page into a mapping of at least three.
        let base = unsafe { first.add(page) };
        let pages = base.as_ptr().cast::<c_void>();
        // SAFETY: the pages were mapped above, `size` bytes from `base`, and are ours.
        if unsafe { rustix::mm::mlock(pages, size) }.is_err() {
            // SAFETY: the whole mapping, which nobody has seen yet.
            let _ = unsafe { rustix::mm::munmap(first.as_ptr().cast(), whole) };
            return None;
        }
        // SAFETY: base + size is the last page's start, inside the mapping.
        let behind = unsafe { base.add(size) };
        Some(Self {
            base,
            slots: Mutex::new(Slots::new(size / GRANULE)),
            capacity: size,
            guarded: guard(first, page) && guard(behind, page),
            undumped: advise(pages, size, Advice::LinuxDontDump),
            wiped_on_fork: advise(pages, size, Advice::LinuxWipeOnFork),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        // The bitmap is whole at every instant; a panic elsewhere does not harm it.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a page untouchable: what runs over the end of a buffer stops here.
fn guard(start: NonNull<u8>, page: usize) -> bool {
    // SAFETY: a page of our own mapping that nothing points into.
    unsafe { rustix::mm::mprotect(start.as_ptr().cast(), page, MprotectFlags::empty()) }.is_ok()
}

fn advise(pages: *mut c_void, size: usize, advice: Advice) -> bool {
    // SAFETY: neither advice changes what this process reads or writes in its own pages.
    unsafe { rustix::mm::madvise(pages, size, advice) }.is_ok()
}
