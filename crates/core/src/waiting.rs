//! An address that came while the server was sealed: the reference that stands for it in the log, the form in
//! which it waits, and what a node remembers of those of this sealed life. Knows no disk and no vault:
//! `ops::people` leads it there (docs/formats/waiting-addresses.md).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::lock::Mutex;
use keyward_crypto::digest::hmac_sha256;
use keyward_crypto::hybrid::{HybridPublic, HybridSecret};
use keyward_crypto::random::Random;
use zeroize::Zeroizing;

use crate::ids::TenantId;
use crate::people::{Subject, Whose, canonical};

/// What a reference begins with. No network address has such a letter before a colon.
pub(crate) const REFERENCE: &str = "s:";
/// Addresses that wait on a node at once; what comes then is withheld.
pub(crate) const WAITING_MAX: usize = 1000;

/// What begins one that waits: the version of its format.
const FORMAT: &[u8] = b"KWA1";
/// What it is sealed for.
const PURPOSE: &[u8] = b"keyward/waiting-address/1";
/// Length of what is sealed, in bytes, so that none tells by its length what it is.
const PLAIN_BYTES: usize = 160;
/// Bytes of a reference that nobody can guess.
const NAME_BYTES: usize = 16;
/// How many write or wait to write at most; who comes then does not wait.
const AT_A_TIME: usize = 16;

/// An address and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// In whose book it belongs.
    pub(crate) whose: Whose,
    /// The address.
    pub(crate) address: String,
}

/// A new name, under which one waits and with which it is in the log.
pub(crate) fn new_name(random: &dyn Random) -> Option<String> {
    let mut bytes = [0; NAME_BYTES];
    random.fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// As what the address that waits under a name stands in the log.
pub(crate) fn reference(name: &str) -> String {
    format!("{REFERENCE}{name}")
}

impl Waiting {
    /// As it waits under a name; none if it is longer than any address is, or cannot be sealed.
    pub(crate) fn sealed(
        &self,
        key: &HybridPublic,
        name: &str,
        random: &dyn Random,
    ) -> Option<Vec<u8>> {
        let home = self.whose.home.map(|home| home.to_string());
        let home = home.as_deref().unwrap_or("-");
        let subject = self.whose.subject.name();
        let mut plain = Zeroizing::new([0; PLAIN_BYTES]);
        let mut place = 0;
        for part in [&*subject, " ", home, " ", &*self.address] {
            let end = place + part.len();
            plain.get_mut(place..end)?.copy_from_slice(part.as_bytes());
            place = end;
        }
        let sealed = key.seal(PURPOSE, reference(name).as_bytes(), &plain[..], random);
        Some([FORMAT, &sealed.ok()?].concat())
    }

    /// What waits under a name; none if it is damaged, another's, or nothing that a server writes: whoever has
    /// the public key can seal what he likes.
    pub(crate) fn open(key: &HybridSecret, name: &str, bytes: &[u8]) -> Option<Self> {
        let sealed = bytes.strip_prefix(FORMAT)?;
        let plain = key.open(PURPOSE, reference(name).as_bytes(), sealed);
        let plain = plain.ok()?;
        if plain.len() != PLAIN_BYTES {
            return None;
        }
        let text = std::str::from_utf8(plain.expose()).ok()?;
        let mut parts = text.trim_end_matches('\0').split(' ');
        let (subject, home, address) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || address.parse::<IpAddr>().is_err() {
            return None;
        }
        let home: Option<TenantId> = match home {
            "-" => None,
            home => Some(home.parse().ok()?),
        };
        let subject = Subject::of_name(subject)?;
        if let Subject::Strangers(day) = &subject
            && (home.is_some() || !is_day(day))
        {
            return None;
        }
        Some(Self {
            whose: Whose { home, subject },
            address: canonical(address),
        })
    }
}

/// Whether a text is a day as `Timestamp::day` writes it.
fn is_day(text: &str) -> bool {
    let of_digit = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.bytes().map(of_digit).eq(*b"0000-00-00")
}

/// What a node remembers of addresses that wait.
#[derive(Default)]
pub(crate) struct WaitingDesk {
    life: Lock<Life>,
    /// The key to which it is sealed, as this process last had it.
    key: Lock<Option<Arc<HybridPublic>>>,
    /// One writer at a time.
    pub(crate) turn: Mutex<()>,
    writers: AtomicUsize,
    paused_until: AtomicI64,
    moving_paused_until: AtomicI64,
    /// Counts the times something may have come to wait.
    unsettled: AtomicU64,
    /// Up to which of them everything was taken to the vault.
    settled: AtomicU64,
    /// Whether the key lies where a sealed server finds it, since the server was unsealed.
    is_laid: AtomicBool,
    /// Whether the key to which it is sealed was another's when the server was unsealed.
    was_replaced: AtomicBool,
    /// One who takes them to the vault at a time; and what he remembers for the next.
    pub(crate) moving: Mutex<Moving>,
}

/// What is remembered of what was taken to the vault, or was not.
#[derive(Default)]
pub(crate) struct Moving {
    /// What does not open: it is not tried again.
    pub(crate) unopened: BTreeSet<String>,
    /// Behind which name it goes on, where not everything was looked at.
    pub(crate) after: Option<String>,
}

/// What is remembered until the server is sealed again.
#[derive(Default)]
struct Life {
    /// Under which whose and from where is remembered.
    key: Option<Zeroizing<[u8; 32]>>,
    names: HashMap<[u8; 32], Arc<str>>,
    /// How many wait, once that was looked at.
    waiting: Option<usize>,
}

/// A place among those who write.
pub(crate) struct Writer<'a>(&'a WaitingDesk);

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::AcqRel);
    }
}

fn held<T>(lock: &Lock<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WaitingDesk {
    /// By what somebody's address is remembered: a digest under a key that never leaves the memory.
    pub(crate) fn digest(&self, random: &dyn Random, it: &Waiting) -> Option<[u8; 32]> {
        let mut life = held(&self.life);
        if life.key.is_none() {
            let mut key = Zeroizing::new([0; 32]);
            random.fill(&mut *key).ok()?;
            life.key = Some(key);
        }
        let home = it.whose.home.map(|home| home.to_string());
        let subject = it.whose.subject.name();
        let input = [&*subject, home.as_deref().unwrap_or("-"), &*it.address].join(" ");
        let key = life.key.as_ref()?;
        Some(hmac_sha256(&key[..], Zeroizing::new(input).as_bytes()))
    }

    /// The name under which it waits since earlier in this sealed life.
    pub(crate) fn known(&self, digest: &[u8; 32]) -> Option<Arc<str>> {
        held(&self.life).names.get(digest).cloned()
    }

    /// Remembers one that is durable.
    pub(crate) fn know(&self, digest: [u8; 32], name: &str) {
        held(&self.life).names.insert(digest, name.into());
    }

    /// How many wait, if that was looked at.
    pub(crate) fn waiting(&self) -> Option<usize> {
        held(&self.life).waiting
    }

    /// Counts so many from now on.
    pub(crate) fn set_waiting(&self, count: usize) {
        held(&self.life).waiting = Some(count);
    }

    /// A place among those who write; none if there are too many.
    pub(crate) fn writer(&self) -> Option<Writer<'_>> {
        let before = self.writers.fetch_add(1, Ordering::AcqRel);
        let writer = Writer(self);
        (before < AT_A_TIME).then_some(writer)
    }

    /// The key to which it is sealed, if this process had it.
    pub(crate) fn key(&self) -> Option<Arc<HybridPublic>> {
        held(&self.key).clone()
    }

    /// Seals to this key from now on.
    pub(crate) fn set_key(&self, key: Arc<HybridPublic>) {
        *held(&self.key) = Some(key);
    }

    /// Whether the place did not answer just now.
    pub(crate) fn is_paused(&self, now: i64) -> bool {
        now < self.paused_until.load(Ordering::Acquire)
    }

    /// Leaves the place alone for a while.
    pub(crate) fn pause(&self, until: i64) {
        self.paused_until.store(until, Ordering::Release);
    }

    /// Whether taking to the vault failed just now.
    pub(crate) fn is_moving_paused(&self, now: i64) -> bool {
        now < self.moving_paused_until.load(Ordering::Acquire)
    }

    /// Has the clock not try it for a while.
    pub(crate) fn pause_moving(&self, until: i64) {
        self.moving_paused_until.store(until, Ordering::Release);
    }

    /// Whether there is nothing to be taken to the vault.
    pub(crate) fn is_settled(&self) -> bool {
        // At the beginning nobody knows: what is counted begins with one.
        self.settled.load(Ordering::Acquire) == self.unsettled()
    }

    /// How often something may have come to wait; to be asked with the writers' turn, before it is looked what
    /// waits.
    pub(crate) fn unsettled(&self) -> u64 {
        self.unsettled.load(Ordering::Acquire) + 1
    }

    /// There may be something to be taken.
    pub(crate) fn unsettle(&self) {
        self.unsettled.fetch_add(1, Ordering::AcqRel);
    }

    /// Everything is taken that had come by then.
    pub(crate) fn settle(&self, unsettled: u64) {
        self.settled.store(unsettled, Ordering::Release);
    }

    /// Whether the key was compared in this unsealed life, and lies where it is looked for.
    pub(crate) fn is_laid(&self) -> bool {
        self.is_laid.load(Ordering::Acquire)
    }

    /// Says so.
    pub(crate) fn set_laid(&self) {
        self.is_laid.store(true, Ordering::Release);
    }

    /// Whether the key was another's in this unsealed life.
    pub(crate) fn has_replaced(&self) -> bool {
        self.was_replaced.load(Ordering::Acquire)
    }

    /// Says so.
    pub(crate) fn note_replaced(&self) {
        self.was_replaced.store(true, Ordering::Release);
    }

    /// The server is sealed: what comes from now on gets new references.
    pub(crate) fn forget_life(&self) {
        *held(&self.life) = Life::default();
        self.pause(0);
        self.pause_moving(0);
        self.unsettle();
        self.is_laid.store(false, Ordering::Release);
        self.was_replaced.store(false, Ordering::Release);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
