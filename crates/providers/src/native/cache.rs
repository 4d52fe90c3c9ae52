//! Prepared keys in memory: bounded in number and bytes, each for a limited time, zeroized when
//! its last user lets go. Knows nothing of where keys come from.
//!
//! Shards, each behind a short lock, so that uses of different keys do not meet; all versions of a
//! key are in one. What must go is chosen by the clock algorithm (Corbató, 1968): a hand goes round
//! and takes the first entry that was not used since it last passed.

use std::collections::HashMap;
use std::sync::Arc;

use keyward_core::ids::KeyId;
use keyward_core::port::key_provider::{MaterialRef, ProviderError};
use keyward_core::time::Timestamp;
use keyward_crypto::PreparedKey;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Shards of a large cache.
const SHARDS_MAX: usize = 64;
/// Entries below which a shard is not worth it.
const SHARD_ENTRIES_MIN: usize = 16;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Keys kept at most.
    pub entries_max: usize,
    /// Bytes they may take, estimated.
    pub size_bytes_max: usize,
    /// Seconds after which a key is loaded, and so verified, again.
    pub age_seconds_max: i64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            entries_max: 65_536,
            size_bytes_max: 64 << 20,
            age_seconds_max: 600,
        }
    }
}

pub(super) struct KeyCache {
    shards: Box<[Mutex<Shard>]>,
    /// Of one shard.
    limits: CacheLimits,
}

/// A load that is under way; all who need the key wait for the same one.
pub(super) type Loading = Arc<OnceCell<Arc<PreparedKey>>>;

type CacheKey = (KeyId, u32);

#[derive(Default)]
struct Shard {
    index: HashMap<CacheKey, usize>,
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    hand: usize,
    size_bytes: usize,
    loading: HashMap<MaterialRef, Loading>,
}

struct Entry {
    /// The very reference the key was loaded for.
    material: MaterialRef,
    key: Arc<PreparedKey>,
    loaded_at: Timestamp,
    size_bytes: usize,
    used: bool,
}

impl KeyCache {
    pub(super) fn new(limits: CacheLimits) -> Self {
        let wanted = (limits.entries_max / SHARD_ENTRIES_MIN).clamp(1, SHARDS_MAX);
        // A power of two, so that no shard is over the whole's bounds.
        let shards = 1 << wanted.ilog2();
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            limits: CacheLimits {
                entries_max: limits.entries_max / shards,
                size_bytes_max: limits.size_bytes_max / shards,
                age_seconds_max: limits.age_seconds_max,
            },
        }
    }

    /// The key for exactly this reference, if it is here and young enough.
    pub(super) fn find(&self, material: &MaterialRef, now: Timestamp) -> Option<Arc<PreparedKey>> {
        let mut shard = self.shard(material.spec.key).lock();
        let name = cache_key(material);
        let slot = *shard.index.get(&name)?;
        let entry = shard.slots[slot].as_mut()?;
        if is_expired(entry, now, self.limits) {
            shard.remove(name);
            return None;
        }
        // Another record under the same key and version: let the vault judge it.
        if entry.material != *material {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.key))
    }

    /// Joins the load of this reference, or begins it.
    pub(super) fn begin_load(&self, material: &MaterialRef) -> Loading {
        let mut shard = self.shard(material.spec.key).lock();
        Arc::clone(shard.loading.entry(material.clone()).or_default())
    }

    /// Ends a load. The first to end it puts the key into the cache, unless the key was forgotten
    /// in the meantime: then the load is no longer the cache's.
    pub(super) fn end_load(
        &self,
        material: &MaterialRef,
        loading: &Loading,
        loaded: &Result<Arc<PreparedKey>, ProviderError>,
        now: Timestamp,
    ) {
        let mut shard = self.shard(material.spec.key).lock();
        let is_ours = shard
            .loading
            .get(material)
            .is_some_and(|current| Arc::ptr_eq(current, loading));
        if !is_ours {
            return;
        }
        shard.loading.remove(material);
        if let Ok(key) = loaded {
            shard.insert(material, key, now, self.limits);
        }
    }

    /// Drops every version of a key, and disowns loads of it that are under way.
    pub(super) fn forget(&self, key: KeyId) {
        let mut shard = self.shard(key).lock();
        let names: Vec<CacheKey> = shard
            .index
            .keys()
            .filter(|(found, _)| *found == key)
            .copied()
            .collect();
        for name in names {
            shard.remove(name);
        }
        shard.loading.retain(|material, _| material.spec.key != key);
    }

    /// Drops everything.
    pub(super) fn forget_all(&self) {
        for shard in &self.shards {
            *shard.lock() = Shard::default();
        }
    }

    /// Drops what is too old, and loads that nobody waits for any more.
    pub(super) fn drop_expired(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let expired: Vec<CacheKey> = shard
                .slots
                .iter()
                .flatten()
                .filter(|entry| is_expired(entry, now, self.limits))
                .map(|entry| cache_key(&entry.material))
                .collect();
            for name in expired {
                shard.remove(name);
            }
            shard
                .loading
                .retain(|_, loading| Arc::strong_count(loading) > 1);
        }
    }

    /// Entries and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(entries, bytes), shard| {
            let shard = shard.lock();
            (entries + shard.index.len(), bytes + shard.size_bytes)
        })
    }

    /// Key ids are random: their last bytes spread them.
    fn shard(&self, key: KeyId) -> &Mutex<Shard> {
        let low = key.uuid().as_u128() as usize;
        &self.shards[low % self.shards.len()]
    }
}

impl Shard {
    fn insert(
        &mut self,
        material: &MaterialRef,
        key: &Arc<PreparedKey>,
        now: Timestamp,
        limits: CacheLimits,
    ) {
        let name = cache_key(material);
        self.remove(name);
        let size_bytes = key.resident_bytes() + size_of::<Entry>();
        if limits.entries_max == 0 || size_bytes > limits.size_bytes_max {
            return;
        }
        while self.index.len() >= limits.entries_max
            || self.size_bytes + size_bytes > limits.size_bytes_max
        {
            self.evict_one();
        }
        let entry = Entry {
            material: material.clone(),
            key: Arc::clone(key),
            loaded_at: now,
            size_bytes,
            used: false,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(entry);
        self.index.insert(name, slot);
        self.size_bytes += size_bytes;
    }

    /// Moves the hand until it finds an entry that was not used since it last passed.
    fn evict_one(&mut self) {
        while !self.index.is_empty() {
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(entry) if entry.used => entry.used = false,
                Some(entry) => {
                    let name = cache_key(&entry.material);
                    self.remove(name);
                    return;
                }
                None => {}
            }
        }
    }

    fn remove(&mut self, name: CacheKey) {
        if let Some(slot) = self.index.remove(&name)
            && let Some(entry) = self.slots[slot].take()
        {
            self.size_bytes -= entry.size_bytes;
            self.free.push(slot);
        }
    }
}

fn cache_key(material: &MaterialRef) -> CacheKey {
    (material.spec.key, material.spec.version)
}

fn is_expired(entry: &Entry, now: Timestamp, limits: CacheLimits) -> bool {
    now.seconds_since(entry.loaded_at) >= limits.age_seconds_max
}
