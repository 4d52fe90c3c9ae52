//! The seals of a deployment, kept: added, removed, proven, wrapped anew; and the root key beneath
//! them, replaced.
//!
//! A seal counts when it has really been unwrapped. Removing one demands that another has been
//! unwrapped just now. Every change is one replacement of the manifest: before it the old seals
//! hold, after it the new ones.

use std::fmt;

use async_trait::async_trait;
use keyward_crypto::SecretBytes;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{SealKind, SealServiceError, UnsealError};
use crate::port::storage::StorageError;
use crate::time::Timestamp;

/// How a seal stood when it was last really unwrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SealStanding {
    /// Not tried since this node started.
    #[default]
    Unknown,
    /// It unwrapped to the root key.
    Proven {
        /// When.
        at: Timestamp,
    },
    /// It did not.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, and what to do.
        why: String,
    },
}

/// One seal, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealInfo {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub kind: SealKind,
    /// Which key of the service holds it; the fingerprint of its key file.
    pub key: Option<String>,
    /// Which version of that key.
    pub key_version: Option<String>,
    /// Made and not proven yet: it does not count.
    pub pending: bool,
    /// The seal that it replaces once it is proven.
    pub replaces: Option<Uuid>,
    /// Shares needed.
    pub threshold: Option<u8>,
    /// Shares made.
    pub total: Option<u8>,
    /// Shares given so far.
    pub progress: u8,
    /// Whether it has its part in the root key rotation under way.
    pub has_part: bool,
    /// How it stood.
    pub standing: SealStanding,
}

/// How far a rotation of the root key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootRotation {
    /// The next root key is made; every seal has to take part before it can be committed.
    Collecting {
        /// The next root key.
        next: Uuid,
        /// The seals that have not.
        missing: Vec<Uuid>,
    },
    /// The new root key is in force; key-encryption keys are on their way to it.
    Rewrapping {
        /// The root key before.
        previous: Uuid,
        /// What the last slices found, since this node started.
        seen: RootRewrap,
    },
}

/// Key-encryption keys wrapped under the new root key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootRewrap {
    /// Objects looked at.
    pub examined: u64,
    /// Of these: wrapped anew.
    pub changed: u64,
    /// Refused, or named by the registry and missing; the log names them. The root key before stays
    /// until there are none.
    pub failed: u64,
    /// Whether nothing needs the root key before any more: it can go.
    pub done: bool,
    /// Whether nothing is under the root key before, and it stays a while for nodes that have not
    /// heard of the rotation yet.
    pub waits: bool,
}

/// The seals and the root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealOverview {
    /// The root key in force.
    pub root_key: Uuid,
    /// Its version.
    pub root_key_version: u32,
    /// The seals, in the order in which they are tried.
    pub seals: Vec<SealInfo>,
    /// The rotation under way.
    pub rotation: Option<RootRotation>,
}

/// A seal to be made.
pub enum NewSeal {
    /// By the next key file of the configuration that seals nothing yet; made if it is not there.
    KeyFile,
    /// By shares. It is pending until as many as needed are given back.
    Shares {
        /// How many of them unseal.
        threshold: u8,
        /// How many are made.
        total: u8,
    },
    /// By a passphrase.
    Passphrase(SecretBytes),
    /// By the key service of this kind that the configuration names.
    Service(SealKind),
}

impl NewSeal {
    /// Its kind.
    pub const fn kind(&self) -> SealKind {
        match self {
            Self::KeyFile => SealKind::KeyFile,
            Self::Shares { .. } => SealKind::Shares,
            Self::Passphrase(_) => SealKind::Passphrase,
            Self::Service(kind) => *kind,
        }
    }
}

/// What a seal is wrapped anew with: its kind stays.
#[derive(Default)]
pub struct SealRenewal {
    /// The new passphrase, for a seal with one.
    pub passphrase: Option<SecretBytes>,
    /// How many of the new shares unseal; as before if not said.
    pub threshold: Option<u8>,
    /// How many new shares are made; as before if not said.
    pub total: Option<u8>,
}

/// What somebody brings to prove a seal.
pub enum SealProof {
    /// Nothing: the node opens the seal by itself.
    Nothing,
    /// One holder's share.
    Share(Zeroizing<String>),
    /// The passphrase.
    Passphrase(SecretBytes),
}

/// A seal that was made.
pub struct MadeSeal {
    /// The seal.
    pub seal: SealInfo,
    /// The shares to be given to people, once; none with other kinds.
    pub shares: Vec<Zeroizing<String>>,
}

impl fmt::Debug for MadeSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MadeSeal").field(&self.seal).finish()
    }
}

/// Why the seals were not changed. Nothing was, but with [`SealFault::InForceButUnread`], and with
/// [`SealFault::OutcomeUnknown`] perhaps.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// No such seal.
    #[error("no such seal")]
    NoSuchSeal,
    /// It is the last.
    #[error(
        "this is the last seal: without it nothing could ever be opened; add another one first"
    )]
    LastSeal,
    /// No other seal has been unwrapped just now.
    #[error(
        "no other seal has been opened just now, so this one stays; mend another one, or have its \
         holders run `keyward seal prove`, and remove this one within {within_minutes} minutes"
    )]
    NotProven {
        /// For how long a proof counts.
        within_minutes: i64,
    },
    /// The configuration does not say how to reach it.
    #[error("this node is not configured for {kind} seals; see the section [{section}]")]
    NotConfigured {
        /// Which kind.
        kind: SealKind,
        /// Where it is configured.
        section: &'static str,
    },
    /// Every configured key file seals something already.
    #[error(
        "every key file of the configuration seals already; name another one in \
         seal.second_key_file and start again"
    )]
    NoFreeKeyFile,
    /// As many seals as there can be.
    #[error("there are {max} seals, the most there can be; remove one first")]
    TooMany {
        /// The most.
        max: usize,
    },
    /// A rotation of the root key collects its parts.
    #[error("a rotation of the root key is under way; commit or cancel it first")]
    RotationUnderWay,
    /// A seal is not proven yet.
    #[error("a seal is not proven yet; have its holders prove it, or remove it, first")]
    SealPending,
    /// No rotation is under way.
    #[error("no rotation of the root key is under way")]
    NoRotation,
    /// Not every seal has taken part.
    #[error(
        "{missing} seal(s) have not taken part; have their holders run `keyward seal prove`, mend \
         those that need nobody and start again, or remove them after cancelling"
    )]
    PartsMissing {
        /// How many.
        missing: usize,
    },
    /// A field does not fit.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// It was written, read again, and did not open. It does not count.
    #[error("the {kind} seal did not open: {why}")]
    DidNotOpen {
        /// Which kind.
        kind: SealKind,
        /// Why.
        why: String,
    },
    /// The key service did not do its part.
    #[error("the {kind} seal's service: {source}")]
    Service {
        /// Which kind.
        kind: SealKind,
        /// What happened.
        source: SealServiceError,
    },
    /// A share or passphrase was refused.
    #[error(transparent)]
    Proof(#[from] UnsealError),
    /// Another node or request changed the seals at the same time.
    #[error("the seals were changed at the same time; look at them again and retry")]
    Conflict,
    /// It was changed, and what is stored now could not be read.
    #[error(
        "the change is in force, and the seals could not be read again: {why}; look at them before \
         anything else, and do not repeat it"
    )]
    InForceButUnread {
        /// Why not.
        why: String,
    },
    /// The storage neither said whether it was changed nor what is stored.
    #[error("whether the change was made is open: {why}; look at the seals before repeating it")]
    OutcomeUnknown {
        /// Why nobody knows.
        why: String,
    },
    /// What is stored of a seal or of the root key is not what it should be.
    #[error("what is stored was altered or is of another release: {what}")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The cryptographic library.
    #[error("the cryptographic library failed; nothing was changed")]
    Crypto,
}

/// The seals, kept while unsealed.
#[async_trait]
pub trait SealKeeping: Send + Sync {
    /// The seals as this node knows them; none before initialisation.
    fn overview(&self) -> Option<SealOverview>;

    /// Really unwraps every seal that needs nobody and compares what comes out with the root key;
    /// finishes deletions that an earlier change left. What is found is in [`Self::overview`].
    async fn check_seals(&self, now: Timestamp) -> Result<(), SealFault>;

    /// Really unwraps one seal with what somebody brings. With the last proof needed a pending seal
    /// counts, and in a rotation of the root key the seal has taken part.
    async fn prove_seal(
        &self,
        seal: Uuid,
        proof: SealProof,
        now: Timestamp,
    ) -> Result<SealInfo, SealFault>;

    /// Makes another seal. It counts once it has been unwrapped: at once if it needs nobody or only
    /// what was brought, after its holders' proof if it is of shares.
    async fn add_seal(&self, new: NewSeal, now: Timestamp) -> Result<MadeSeal, SealFault>;

    /// Removes a seal, if another one has been unwrapped just now.
    async fn remove_seal(&self, seal: Uuid, now: Timestamp) -> Result<(), SealFault>;

    /// Wraps the root key anew in one seal: a new key file, passphrase, set of shares, or the newest
    /// version of the service's key.
    async fn renew_seal(
        &self,
        seal: Uuid,
        renewal: SealRenewal,
        now: Timestamp,
    ) -> Result<MadeSeal, SealFault>;

    /// Makes the next root key, or goes on with it, and gives the seals that need nobody their part.
    async fn begin_root_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault>;

    /// Forgets the next root key.
    async fn cancel_root_rotation(&self) -> Result<(), SealFault>;

    /// Puts the next root key in force. Every seal holds it by now.
    async fn commit_root_rotation(&self, now: Timestamp) -> Result<SealOverview, SealFault>;

    /// Follows what other nodes have done, and wraps the next key-encryption keys that are still
    /// under the root key before. Nothing if there is no such key.
    async fn rewrap_under_root(
        &self,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<RootRewrap>, SealFault>;

    /// Whether this node has sealed itself because the root key in its memory is in force no more,
    /// and nothing in its memory leads to the one that is.
    fn is_outdated(&self) -> bool;

    /// Drops the root key before, if [`Self::rewrap_under_root`] has just proven that nothing needs
    /// it. Whether it did.
    async fn drop_previous_root(&self) -> Result<bool, SealFault>;
}
