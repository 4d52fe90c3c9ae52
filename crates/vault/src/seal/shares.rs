//! The seal that people open together: its sealing key is split among them, and any threshold of
//! shares recombines it. Every share is checked alone, against public commitments, before it
//! counts (invariant 11).

use data_encoding::{BASE64, HEXLOWER};
use keyward_core::port::seal::{SealKind, UnsealError};
use keyward_core::time::Timestamp;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::sharing::{self, Share, ShareError, ShareSet};
use keyward_crypto::{Random, SecretBytes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::SealError;
use super::manifest::{FORMAT, RootKeyName, check_format, encode, parse};
use super::wrapped_root::{Binding, unwrap, wrap};

const WHAT: &str = "the seal of the shares";

/// As it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    kind: SealKind,
    /// The public share set.
    share_set: String,
    wrapped_root: String,
}

/// A new seal: what is stored, and what is given to people.
pub(crate) struct NewSharesSeal {
    pub(crate) set_id: [u8; sharing::SET_ID_LENGTH],
    pub(crate) stored: Vec<u8>,
    pub(crate) shares: Vec<Zeroizing<String>>,
}

/// Splits a fresh sealing key and wraps the root key under it.
pub(crate) fn make(
    root: &Kek,
    (threshold, total): (u8, u8),
    deployment: Uuid,
    root_key: RootKeyName,
    random: &dyn Random,
) -> Result<NewSharesSeal, SealError> {
    let (sealing_key, set, shares) =
        sharing::split(threshold, total, random).map_err(SealError::Shares)?;
    let set_id = set.set_id();
    let stored = store(root, &sealing_key, &set, deployment, root_key, random)?;
    Ok(NewSharesSeal {
        set_id,
        stored,
        shares: shares.iter().map(Share::to_text).collect(),
    })
}

fn store(
    root: &Kek,
    sealing_key: &SecretBytes,
    set: &ShareSet,
    deployment: Uuid,
    root_key: RootKeyName,
    random: &dyn Random,
) -> Result<Vec<u8>, SealError> {
    let seal_id = HEXLOWER.encode(&set.set_id());
    let binding = Binding {
        deployment,
        root_key,
        kind: SealKind::Shares.name(),
        seal_id: &seal_id,
    };
    let stored = Stored {
        format: FORMAT,
        kind: SealKind::Shares,
        share_set: BASE64.encode(&set.to_bytes()),
        wrapped_root: wrap(root, sealing_key, &binding, random)?,
    };
    encode(&stored, WHAT)
}

/// A stored seal, and the shares given so far.
pub(crate) struct SharesSeal {
    set: ShareSet,
    wrapped_root: String,
    given: Vec<Share>,
    /// When the first of them was given to prove the seal. Those that are to unseal wait for each
    /// other as long as they must.
    proof_begun_at: Option<Timestamp>,
}

impl SharesSeal {
    /// Reads a stored seal.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, SealError> {
        let stored: Stored = parse(stored, WHAT)?;
        check_format(stored.format, WHAT)?;
        let set = BASE64
            .decode(stored.share_set.as_bytes())
            .ok()
            .and_then(|bytes| ShareSet::from_bytes(&bytes).ok())
            .ok_or(SealError::Damaged {
                what: "the public share set",
            })?;
        Ok(Self {
            set,
            wrapped_root: stored.wrapped_root,
            given: Vec::new(),
            proof_begun_at: None,
        })
    }

    pub(crate) fn threshold(&self) -> u8 {
        self.set.threshold()
    }

    pub(crate) fn total(&self) -> u8 {
        self.set.total()
    }

    pub(crate) fn progress(&self) -> u8 {
        self.given.len() as u8
    }

    /// Forgets the shares given so far, zeroized.
    pub(crate) fn reset(&mut self) {
        self.given.clear();
        self.proof_begun_at = None;
    }

    /// Forgets them if the first was given to prove the seal, and longer ago than this.
    pub(crate) fn forget_older(&mut self, seconds: i64, now: Timestamp) {
        let begun_at = self.proof_begun_at;
        if begun_at.is_some_and(|begun_at| now.seconds_since(begun_at) > seconds) {
            self.reset();
        }
    }

    /// Takes one share to prove the seal: see [`Self::take`].
    pub(crate) fn take_for_proof(
        &mut self,
        text: &str,
        now: Timestamp,
    ) -> Result<bool, UnsealError> {
        let are_enough = self.take(text)?;
        self.proof_begun_at.get_or_insert(now);
        Ok(are_enough)
    }

    /// Takes one share. It counts only if it is genuine and new; whether there are enough is the
    /// answer.
    pub(crate) fn take(&mut self, text: &str) -> Result<bool, UnsealError> {
        let share = Share::from_text(text.trim()).map_err(refused)?;
        self.set.verify(&share).map_err(refused)?;
        if self
            .given
            .iter()
            .any(|earlier| earlier.index() == share.index())
        {
            return Err(UnsealError::Duplicate {
                index: share.index(),
            });
        }
        self.given.push(share);
        Ok(self.progress() >= self.threshold())
    }

    /// Whether a share belongs to this set.
    pub(crate) fn knows(&self, text: &str) -> bool {
        Share::from_text(text.trim()).is_ok_and(|share| share.set_id() == self.set.set_id())
    }

    /// Takes over the shares that were given to the same set as it was read before.
    pub(crate) fn take_over(&mut self, before: Self) {
        if before.set.set_id() == self.set.set_id() {
            self.given = before.given;
            self.proof_begun_at = before.proof_begun_at;
        }
    }

    /// Recombines the sealing key from the shares given, which are forgotten, whatever the outcome.
    pub(crate) fn combine(&mut self) -> Result<SecretBytes, SealError> {
        self.proof_begun_at = None;
        let given = std::mem::take(&mut self.given);
        self.set.combine(&given).map_err(SealError::Shares)
    }

    /// Opens the root key.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        let seal_id = HEXLOWER.encode(&self.set.set_id());
        let binding = Binding {
            deployment,
            root_key,
            kind: SealKind::Shares.name(),
            seal_id: &seal_id,
        };
        unwrap(&self.wrapped_root, sealing_key, &binding)
    }

    /// The same shares holding another root key.
    pub(crate) fn holding(
        &self,
        root: &Kek,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        store(root, sealing_key, &self.set, deployment, root_key, random)
    }
}

fn refused(error: ShareError) -> UnsealError {
    match error {
        ShareError::WrongSet { .. } => UnsealError::WrongSet,
        ShareError::Forged { index } => UnsealError::Forged { index },
        ShareError::Duplicate { index } => UnsealError::Duplicate { index },
        _ => UnsealError::Malformed,
    }
}
