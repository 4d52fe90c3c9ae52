//! One seal made, written under a name of its own, read back from the storage and really unwrapped.
//! Only then may a manifest name it. Whatever goes wrong, the seals that were there hold.

use std::sync::Arc;

use keyward_core::port::seal::{NewSeal, SealFault, SealKind};
use keyward_core::port::storage::ObjectName;
use keyward_crypto::SecretBytes;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::passphrase::PASSPHRASE_LENGTH_MAX;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Vault;
use super::control::derived;
use super::initialize::fresh_id;
use super::seal_fault::fault;
use super::seals::Loaded;
use crate::object_names;
use crate::seal::SealError;
use crate::seal::access::SealToOpen;
use crate::seal::key_file::KeyFileSeal;
use crate::seal::manifest::{FORMAT_OF_SEVERAL, Manifest, RootKeyName, SealEntry, digest_of};
use crate::seal::passphrase::{LENGTH_MIN, PassphraseSeal};
use crate::seal::service::ServiceSeal;
use crate::seal::stored::StoredSeal;
use crate::seal::{manifest, shares};

/// The root key that a seal is to hold.
pub(super) struct ToHold<'a> {
    pub(super) root: &'a Kek,
    pub(super) name: RootKeyName,
    pub(super) deployment: Uuid,
}

/// A seal that was made and is not written yet.
pub(super) struct Made {
    pub(super) stored: Vec<u8>,
    pub(super) key: Key,
    pub(super) shares: Vec<Zeroizing<String>>,
}

/// What a seal is proven with.
pub(super) enum Key {
    /// What this node has.
    OfThisNode,
    /// The sealing key, which people brought.
    Brought(SecretBytes),
    /// The passphrase, from which the sealing key is made again.
    Passphrase(Arc<SecretBytes>),
    /// The shares that were just made, as many as needed.
    Shares(Vec<Zeroizing<String>>),
}

impl Vault {
    /// Makes a seal.
    pub(super) async fn make(
        &self,
        id: Uuid,
        new: NewSeal,
        hold: &ToHold<'_>,
    ) -> Result<Made, SealFault> {
        let kind = new.kind();
        match new {
            NewSeal::KeyFile => {
                let key = {
                    let seals = self.seals.read();
                    let stored = seals
                        .list
                        .iter()
                        .filter_map(|seal| seal.stored.as_ref().ok());
                    self.access.free_key(stored, &*self.random)
                };
                let key = key.map_err(|error| fault(kind, error))?;
                let key = key.ok_or(SealFault::NoFreeKeyFile)?;
                self.of_key_file(&key, hold)
            }
            NewSeal::Service(kind) => self.of_service(kind, id, hold).await,
            NewSeal::Shares { threshold, total } => {
                let numbers = (threshold, total);
                let made = shares::make(
                    hold.root,
                    numbers,
                    hold.deployment,
                    hold.name,
                    &*self.random,
                )
                .map_err(|error| match error {
                    SealError::Shares(error) => SealFault::Invalid {
                        field: "threshold",
                        problem: error.to_string(),
                    },
                    error => fault(kind, error),
                })?;
                let enough = made.shares.iter().take(usize::from(threshold));
                Ok(Made {
                    stored: made.stored,
                    key: Key::Shares(enough.cloned().collect()),
                    shares: made.shares,
                })
            }
            NewSeal::Passphrase(passphrase) => {
                if !(LENGTH_MIN..=PASSPHRASE_LENGTH_MAX).contains(&passphrase.len()) {
                    return Err(SealFault::Invalid {
                        field: "passphrase",
                        problem: format!("must have {LENGTH_MIN} to {PASSPHRASE_LENGTH_MAX} bytes"),
                    });
                }
                let passphrase = Arc::new(passphrase);
                let failed = |error| fault(kind, error);
                let blank = PassphraseSeal::blank(id, &*self.random).map_err(failed)?;
                let key = derived(&blank, &passphrase).await.map_err(failed)?;
                let stored =
                    blank.holding(hold.root, &key, hold.deployment, hold.name, &*self.random);
                Ok(Made {
                    stored: stored.map_err(failed)?,
                    key: Key::Passphrase(passphrase),
                    shares: Vec::new(),
                })
            }
        }
    }

    /// Makes a seal that needs nobody once more: for another root key, by the same key file, or by
    /// whatever is the newest version of the service's key.
    pub(super) async fn make_again(
        &self,
        id: Uuid,
        kind: SealKind,
        seal: &SealToOpen,
        hold: &ToHold<'_>,
    ) -> Result<Made, SealFault> {
        match seal {
            SealToOpen::KeyFile(_) => {
                let key = self.access.sealing_key(kind, seal, hold.deployment).await;
                self.of_key_file(&key.map_err(|error| fault(kind, error))?, hold)
            }
            SealToOpen::Service(_) => self.of_service(kind, id, hold).await,
        }
    }

    fn of_key_file(&self, key: &SecretBytes, hold: &ToHold<'_>) -> Result<Made, SealFault> {
        let stored = KeyFileSeal::make(hold.root, key, hold.deployment, hold.name, &*self.random);
        Ok(Made {
            stored: stored.map_err(|error| fault(SealKind::KeyFile, error))?,
            key: Key::OfThisNode,
            shares: Vec::new(),
        })
    }

    async fn of_service(
        &self,
        kind: SealKind,
        id: Uuid,
        hold: &ToHold<'_>,
    ) -> Result<Made, SealFault> {
        let failed = |error| fault(kind, error);
        let service = self.access.service(kind).map_err(failed)?;
        let made = ServiceSeal::make(
            &**service,
            hold.root,
            id,
            hold.deployment,
            hold.name,
            &*self.random,
        );
        Ok(Made {
            stored: made.await.map_err(failed)?,
            key: Key::OfThisNode,
            shares: Vec::new(),
        })
    }

    /// Writes a seal that was made, reads it again and unwraps it. On an error nothing names it.
    pub(super) async fn write_and_prove(
        &self,
        id: Uuid,
        kind: SealKind,
        made: Made,
        hold: &ToHold<'_>,
    ) -> Result<SealEntry, SealFault> {
        let wrapping = fresh_id(&*self.random).map_err(|error| fault(kind, error))?;
        let name = object_names::seal(kind, id, wrapping)?;
        let written = self.backend.write_if_absent(&name, made.stored).await;
        let proven = match written {
            Ok(()) => self.prove_written(&name, kind, &made.key, hold).await,
            Err(error) => Err(error.into()),
        };
        match proven {
            Ok(sha256) => Ok(SealEntry {
                id: Some(id),
                sha256: Some(sha256),
                ..SealEntry::new(kind, &name)
            }),
            Err(error) => {
                self.take_back(&name).await;
                Err(error)
            }
        }
    }

    /// Deletes what nothing names.
    pub(super) async fn take_back(&self, name: &ObjectName) {
        if let Err(error) = self.backend.delete(name).await {
            tracing::warn!(%error, "a seal that does not count could not be deleted");
        }
    }

    /// Unwraps a seal from what the storage returns, and says how that is told again.
    pub(super) async fn prove_written(
        &self,
        name: &ObjectName,
        kind: SealKind,
        key: &Key,
        hold: &ToHold<'_>,
    ) -> Result<String, SealFault> {
        let did_not = |error: SealError| match error {
            SealError::Storage(error) => SealFault::Storage(error),
            error => SealFault::DidNotOpen {
                kind,
                why: error.to_string(),
            },
        };
        let bytes = self.backend.read(name).await?;
        let gone = SealError::Damaged {
            what: "the seal was not there after it was written",
        };
        let bytes = bytes.ok_or(gone).map_err(did_not)?;
        let mut stored = StoredSeal::parse(kind, &bytes).map_err(did_not)?;
        let sealing_key = self.key_of(kind, &mut stored, key, hold.deployment).await;
        let opened = sealing_key.and_then(|key| stored.open(&key, hold.deployment, hold.name));
        match opened {
            Ok(root) if root.ct_eq(hold.root) => Ok(digest_of(&bytes)),
            Ok(_) => Err(did_not(SealError::AnotherRootKey)),
            Err(error) => Err(did_not(error)),
        }
    }

    async fn key_of(
        &self,
        kind: SealKind,
        stored: &mut StoredSeal,
        key: &Key,
        deployment: Uuid,
    ) -> Result<SecretBytes, SealError> {
        let unfit = SealError::Damaged {
            what: "the seal is of another kind than it was made",
        };
        match (key, stored) {
            (Key::OfThisNode, stored) => {
                let seal = SealToOpen::of(stored).ok_or(unfit)?;
                self.access.sealing_key(kind, &seal, deployment).await
            }
            (Key::Brought(key), _) => Ok(key.duplicate()),
            (Key::Passphrase(passphrase), StoredSeal::Passphrase(seal)) => {
                derived(seal, passphrase).await
            }
            (Key::Shares(given), StoredSeal::Shares(seal)) => {
                for share in given {
                    seal.take(share).map_err(|_| SealError::Damaged {
                        what: "a share that was just made",
                    })?;
                }
                seal.combine()
            }
            _ => Err(unfit),
        }
    }

    /// Replaces the manifest. A lost answer is found out by reading. The error says whether anything
    /// changed: see [`SealFault`].
    pub(super) async fn replace_manifest(
        &self,
        before: &Loaded,
        mut next: Manifest,
    ) -> Result<Loaded, SealFault> {
        use keyward_core::port::storage::StorageError::{
            Conflict, Missing, Throttled, Unavailable,
        };
        next.format = FORMAT_OF_SEVERAL;
        let bytes = next.encode().map_err(|error| fault_of_manifest(&error))?;
        let name = object_names::root_manifest()?;
        let swapped = self
            .backend
            .compare_and_swap(&name, &before.bytes, bytes.clone())
            .await;
        match swapped {
            Ok(()) => {}
            Err(Conflict | Missing) => return Err(SealFault::Conflict),
            Err(error @ (Unavailable { .. } | Throttled { .. })) => {
                let unknown = |why: String| SealFault::OutcomeUnknown { why };
                let found = self.backend.read(&name).await;
                match found.map_err(|error| unknown(error.to_string()))? {
                    Some(found) if found == bytes => {}
                    Some(found) if found == *before.bytes => return Err(error.into()),
                    _ => return Err(unknown("the seals were changed since".to_owned())),
                }
            }
            Err(error) => return Err(error.into()),
        }
        let in_force = |fault: SealFault| SealFault::InForceButUnread {
            why: fault.to_string(),
        };
        self.read_again().await.map_err(in_force)
    }
}

fn fault_of_manifest(_: &SealError) -> SealFault {
    SealFault::Damaged {
        what: "the manifest",
    }
}

/// Whether there is room for another seal.
pub(super) fn ensure_room(manifest: &Manifest) -> Result<(), SealFault> {
    if manifest.seals.len() < manifest::SEALS_MAX {
        return Ok(());
    }
    Err(SealFault::TooMany {
        max: manifest::SEALS_MAX,
    })
}
