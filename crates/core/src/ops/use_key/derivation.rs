//! Keys from keys: derivation, and agreement with a peer.

use keyward_crypto::prepared::{Derivation, Kdf};
use keyward_crypto::usage::Usage;

use super::item::{DeriveHow, UseResult};
use super::verbs::{done, ensure_key_size};
use super::{Done, Spent, Use};
use crate::error::OpError;
use crate::hot::HotVersion;
use crate::port::key_provider::{CryptoAnswer, CryptoCall};

impl Use<'_> {
    pub(super) async fn derive(
        &self,
        how: &DeriveHow,
        size_bytes: usize,
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Derive)?;
        ensure_key_size(size_bytes)?;
        let derivation = how.checked()?;
        let (version, spent) = self.deriving(version, size_bytes).await?;
        let call = CryptoCall::Derive {
            derivation,
            size_bytes,
        };
        let key = self.secret(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Key(key)))
    }

    pub(super) async fn agree(
        &self,
        peer: &[u8],
        how: &DeriveHow,
        size_bytes: usize,
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Agree)?;
        ensure_key_size(size_bytes)?;
        let derivation = how.checked()?;
        if how.kdf == Kdf::Sp800108Counter {
            return Err(OpError::invalid(
                "kdf",
                "must be keyward or hkdf: the counter mode needs a uniform key",
            ));
        }
        let (version, spent) = self.deriving(version, size_bytes).await?;
        let call = CryptoCall::Agree {
            peer,
            derivation,
            size_bytes,
        };
        match self.answer(version, call).await? {
            CryptoAnswer::Agreed { key, raw } => {
                let raw = Some(raw);
                Ok(done(version, vec![spent], UseResult::Agreed { key, raw }))
            }
            _ => Err(OpError::Crypto),
        }
    }

    /// The version that derives. One that is named processes: what was derived before a rotation
    /// can be derived again after it.
    async fn deriving(
        &self,
        version: Option<u32>,
        size_bytes: usize,
    ) -> Result<(&HotVersion, Spent), OpError> {
        match version {
            Some(number) => self.processing(number).await,
            None => self.protecting(None, size_bytes).await,
        }
    }
}

impl Done {
    /// Drops the agreed secret itself unless it was asked for.
    pub(super) fn with_raw(mut self, wanted: bool) -> Self {
        if let UseResult::Agreed { raw, .. } = &mut self.outcome.result
            && !wanted
        {
            *raw = None;
        }
        self
    }
}

impl DeriveHow {
    /// The inputs of the function; those of another function must not be there.
    fn checked(&self) -> Result<Derivation<'_>, OpError> {
        let Self {
            kdf,
            label,
            context,
            salt,
            info,
        } = self;
        let unwanted = match kdf {
            Kdf::Hkdf => [("label", label), ("context", context)],
            Kdf::Keyward | Kdf::Sp800108Counter => [("salt", salt), ("info", info)],
        };
        for (field, given) in unwanted {
            if !given.is_empty() {
                return Err(OpError::invalid(
                    field,
                    "is not for this kdf: hkdf takes salt and info, the others label and context",
                ));
            }
        }
        Ok(match kdf {
            Kdf::Keyward => Derivation::Keyward { label, context },
            Kdf::Hkdf => Derivation::Hkdf { salt, info },
            Kdf::Sp800108Counter => Derivation::Sp800108Counter { label, context },
        })
    }
}
