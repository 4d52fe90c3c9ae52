//! The seal that somebody opens with a passphrase: its sealing key is what Argon2id makes of it.
//! Whoever has the storage can try passphrases at the cost stored here, so a passphrase is a few
//! random words at least.

use data_encoding::BASE64;
use keyward_core::port::seal::SealKind;
use keyward_crypto::keywrap::Kek;
use keyward_crypto::passphrase::{PassphraseCost, SALT_LENGTH, derive_key};
use keyward_crypto::{CryptoError, Random, SecretBytes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SealError;
use super::manifest::{FORMAT, RootKeyName, check_format, encode, parse};
use super::wrapped_root::{Binding, try_unwrap, wrap};

/// Shortest passphrase, in bytes.
pub(crate) const LENGTH_MIN: usize = 12;
const WHAT: &str = "the seal of the passphrase";

/// The root key under a passphrase, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassphraseSeal {
    format: u32,
    kind: SealKind,
    seal: Uuid,
    argon2id: Cost,
    wrapped_root: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl PassphraseSeal {
    /// A seal that holds nothing yet, with a salt of its own.
    pub(crate) fn blank(seal: Uuid, random: &dyn Random) -> Result<Self, SealError> {
        let mut salt = [0; SALT_LENGTH];
        random.fill(&mut salt)?;
        let cost = PassphraseCost::RECOMMENDED;
        Ok(Self {
            format: FORMAT,
            kind: SealKind::Passphrase,
            seal,
            argon2id: Cost {
                memory_kib: cost.memory_kib,
                passes: cost.passes,
                lanes: cost.lanes,
                salt: BASE64.encode(&salt),
            },
            wrapped_root: String::new(),
        })
    }

    /// Reads a stored seal.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, SealError> {
        let seal: Self = parse(stored, WHAT)?;
        check_format(seal.format, WHAT)?;
        seal.salt()?;
        if !seal.cost().is_within_bounds() {
            return Err(SealError::Damaged {
                what: "the cost of the passphrase",
            });
        }
        Ok(seal)
    }

    /// The sealing key of a passphrase. Takes its time and its memory: not for a thread that others
    /// wait on.
    pub(crate) fn sealing_key(&self, passphrase: &SecretBytes) -> Result<SecretBytes, SealError> {
        Ok(derive_key(passphrase, &self.salt()?, self.cost())?)
    }

    /// Opens it. A wrong passphrase is told from altered bytes.
    pub(crate) fn open(
        &self,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
    ) -> Result<Kek, SealError> {
        let seal_id = self.seal.to_string();
        let binding = Binding {
            deployment,
            root_key,
            kind: SealKind::Passphrase.name(),
            seal_id: &seal_id,
        };
        try_unwrap(&self.wrapped_root, sealing_key, &binding).map_err(|error| match error {
            CryptoError::CommitmentMismatch => SealError::WrongPassphrase,
            _ => SealError::Damaged { what: WHAT },
        })
    }

    /// The same passphrase holding a root key.
    pub(crate) fn holding(
        &self,
        root: &Kek,
        sealing_key: &SecretBytes,
        deployment: Uuid,
        root_key: RootKeyName,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        let seal_id = self.seal.to_string();
        let binding = Binding {
            deployment,
            root_key,
            kind: SealKind::Passphrase.name(),
            seal_id: &seal_id,
        };
        let wrapped_root = wrap(root, sealing_key, &binding, random)?;
        let stored = Self {
            wrapped_root,
            ..self.clone()
        };
        encode(&stored, WHAT)
    }

    const fn cost(&self) -> PassphraseCost {
        PassphraseCost {
            memory_kib: self.argon2id.memory_kib,
            passes: self.argon2id.passes,
            lanes: self.argon2id.lanes,
        }
    }

    fn salt(&self) -> Result<[u8; SALT_LENGTH], SealError> {
        let damaged = SealError::Damaged {
            what: "the salt of the passphrase",
        };
        let bytes = BASE64.decode(self.argon2id.salt.as_bytes());
        bytes
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(damaged)
    }
}
