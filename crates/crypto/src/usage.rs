//! What a key may be used for, as names and as a set. Knows nothing of states or permissions.

use std::fmt;
use std::str::FromStr;

/// One thing a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Usage {
    /// Protect a message's secrecy.
    Encrypt,
    /// Undo `Encrypt`.
    Decrypt,
    /// Sign a message or digest.
    Sign,
    /// Check a signature.
    Verify,
    /// Compute a message authentication code.
    Mac,
    /// Check a message authentication code.
    VerifyMac,
    /// Encrypt another key.
    Wrap,
    /// Undo `Wrap`.
    Unwrap,
    /// Make a fresh key and return it both plain and wrapped.
    DataKey,
    /// Derive a key from this one.
    Derive,
    /// Make and encapsulate a shared secret.
    Encapsulate,
    /// Undo `Encapsulate`.
    Decapsulate,
    /// Agree on a key with the holder of another key pair.
    Agree,
}

/// A name that is no usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown usage; the usages are encrypt, decrypt, sign, verify, mac, verify_mac, wrap, unwrap, data_key, derive, encapsulate, decapsulate, agree"
)]
pub struct UnknownUsage;

impl Usage {
    /// Every usage, in the order of their bits.
    pub const ALL: &'static [Self] = &[
        Self::Encrypt,
        Self::Decrypt,
        Self::Sign,
        Self::Verify,
        Self::Mac,
        Self::VerifyMac,
        Self::Wrap,
        Self::Unwrap,
        Self::DataKey,
        Self::Derive,
        Self::Encapsulate,
        Self::Decapsulate,
        Self::Agree,
    ];

    /// The canonical name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Mac => "mac",
            Self::VerifyMac => "verify_mac",
            Self::Wrap => "wrap",
            Self::Unwrap => "unwrap",
            Self::DataKey => "data_key",
            Self::Derive => "derive",
            Self::Encapsulate => "encapsulate",
            Self::Decapsulate => "decapsulate",
            Self::Agree => "agree",
        }
    }

    const fn bit(self) -> u16 {
        1 << (self as u8)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Usage {
    type Err = UnknownUsage;

    fn from_str(name: &str) -> Result<Self, UnknownUsage> {
        Self::ALL
            .iter()
            .copied()
            .find(|usage| usage.name() == name)
            .ok_or(UnknownUsage)
    }
}

/// A set of usages; bit `n` stands for the `n`th of [`Usage::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct UsageSet(u16);

impl UsageSet {
    /// No usage.
    pub const EMPTY: Self = Self(0);

    /// The set of the usages given.
    pub const fn of(usages: &[Usage]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < usages.len() {
            bits |= usages[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// The set whose [`UsageSet::bits`] are these, or `None` when a bit stands for no usage.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::of(Usage::ALL).0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits, as they are stored.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether `usage` is in the set.
    pub const fn contains(self, usage: Usage) -> bool {
        self.0 & usage.bit() != 0
    }

    /// Adds a usage.
    pub const fn insert(&mut self, usage: Usage) {
        self.0 |= usage.bit();
    }

    /// The usages of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The usages of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every usage here is in `other` too.
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether there is no usage.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The usages, in the order of [`Usage::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Usage> {
        Usage::ALL
            .iter()
            .copied()
            .filter(move |usage| self.contains(*usage))
    }

    /// The canonical names, in the order of [`Usage::ALL`].
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Usage::name).collect()
    }
}

impl fmt::Debug for UsageSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Usage> for UsageSet {
    fn from_iter<I: IntoIterator<Item = Usage>>(usages: I) -> Self {
        let mut set = Self::EMPTY;
        for usage in usages {
            set.insert(usage);
        }
        set
    }
}
