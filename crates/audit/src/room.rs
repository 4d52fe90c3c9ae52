//! Room in the queue: how much fits, and how much of it is in use.

/// How much fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// Room in use.
#[derive(Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl Held {
    pub(crate) fn add(&mut self, size: usize) {
        self.entries += 1;
        self.bytes += size;
    }

    pub(crate) fn remove(&mut self, size: usize) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}
