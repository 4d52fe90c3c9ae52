//! How one item is done: the version, the provider's call, the text that leaves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_crypto::envelope::{Ciphertext, Mac, Signature};
use keyward_crypto::prepared::{SignatureEncoding, SignatureScheme};
use keyward_crypto::secret::SecretBytes;
use keyward_crypto::usage::Usage;

use super::item::{Context, UseItem, UseOutcome, UseResult};
use super::{Done, Spent, Use};
use crate::error::OpError;
use crate::hot::HotVersion;
use crate::noun::action::Action;
use crate::port::key_provider::{CryptoAnswer, CryptoCall, ProviderError};

/// Longest input text: ciphertexts of the largest message, in base64.
const TEXT_MAX: usize = 8 << 20;

/// An item of another verb.
const NOT_THIS: OpError = OpError::Invalid {
    field: "items",
    problem: std::borrow::Cow::Borrowed("does not fit the action"),
};

impl Use<'_> {
    /// Does one item.
    pub(super) async fn item(&self, item: UseItem) -> Result<Done, OpError> {
        use UseItem as I;
        match (self.action, item) {
            (Action::KeyEncrypt, item @ I::Encrypt { .. })
            | (Action::KeyDecrypt, item @ I::Decrypt { .. })
            | (Action::KeyRewrap, item @ I::Rewrap { .. })
            | (Action::KeyWrap, item @ I::Wrap { .. })
            | (Action::KeyUnwrap, item @ I::Unwrap { .. })
            | (Action::KeyDataKey, item @ I::DataKey { .. }) => self.sealing(item).await,
            (Action::KeySign, item @ I::Sign { .. })
            | (Action::KeyVerify, item @ I::Verify { .. })
            | (Action::KeyMac, item @ I::Mac { .. })
            | (Action::KeyVerifyMac, item @ I::VerifyMac { .. }) => self.vouching(item).await,
            (Action::KeyDerive, item @ I::Derive { .. })
            | (Action::KeyAgree, item @ I::Agree { .. })
            | (Action::KeyEncapsulate, item @ I::Encapsulate { .. })
            | (Action::KeyDecapsulate, item @ I::Decapsulate { .. }) => self.sharing(item).await,
            _ => Err(NOT_THIS),
        }
    }

    /// Encrypts and wraps, and undoes it.
    async fn sealing(&self, item: UseItem) -> Result<Done, OpError> {
        match item {
            UseItem::Encrypt {
                plaintext,
                context,
                oaep,
                version,
            } => {
                self.ensure_usage(Usage::Encrypt)?;
                let (version, spent) = self.protecting(version, plaintext.len()).await?;
                let call = CryptoCall::Encrypt {
                    plaintext: plaintext.expose(),
                    context: &context,
                    oaep,
                };
                let sealed = self.bytes(version, call).await?;
                Ok(self.ciphertext(version, sealed, vec![spent], UseResult::Ciphertext))
            }
            UseItem::Decrypt {
                ciphertext,
                context,
            } => self.decrypt(&ciphertext, &context).await,
            UseItem::Rewrap {
                ciphertext,
                context,
            } => self.rewrap(&ciphertext, &context).await,
            UseItem::Wrap {
                key,
                context,
                oaep,
                version,
            } => {
                self.ensure_usage(Usage::Wrap)?;
                let (version, spent) = self.protecting(version, key.len()).await?;
                let call = CryptoCall::Wrap {
                    key: &key,
                    context: &context,
                    oaep,
                };
                let wrapped = self.bytes(version, call).await?;
                Ok(self.ciphertext(version, wrapped, vec![spent], UseResult::Wrapped))
            }
            UseItem::Unwrap { wrapped, context } => self.unwrap(&wrapped, &context).await,
            UseItem::DataKey {
                size_bytes,
                context,
                with_plaintext,
            } => self.data_key(size_bytes, &context, with_plaintext).await,
            _ => Err(NOT_THIS),
        }
    }

    /// Signs and MACs, and verifies.
    async fn vouching(&self, item: UseItem) -> Result<Done, OpError> {
        match item {
            UseItem::Sign {
                message,
                prehashed,
                scheme,
                encoding,
                version,
            } => {
                self.sign((&message, prehashed), (scheme, encoding), version)
                    .await
            }
            UseItem::Verify {
                message,
                prehashed,
                scheme,
                encoding,
                signature,
                version,
            } => {
                let message = (&message[..], prehashed);
                self.verify(message, (scheme, encoding), &signature, version)
                    .await
            }
            UseItem::Mac { message, version } => self.mac(&message, version).await,
            UseItem::VerifyMac {
                message,
                mac,
                version,
            } => self.verify_mac(&message, &mac, version).await,
            _ => Err(NOT_THIS),
        }
    }

    /// Derives, agrees and encapsulates.
    async fn sharing(&self, item: UseItem) -> Result<Done, OpError> {
        match item {
            UseItem::Derive {
                how,
                size_bytes,
                version,
            } => self.derive(&how, size_bytes, version).await,
            UseItem::Agree {
                peer,
                how,
                size_bytes,
                with_raw,
                version,
            } => {
                let done = self.agree(&peer, &how, size_bytes, version).await?;
                Ok(done.with_raw(with_raw))
            }
            UseItem::Encapsulate { version } => self.encapsulate(version).await,
            UseItem::Decapsulate { encapsulation } => self.decapsulate(&encapsulation).await,
            _ => Err(NOT_THIS),
        }
    }

    async fn decrypt(&self, text: &str, context: &Context) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Decrypt)?;
        let input = self.own_ciphertext(text)?;
        let (version, spent) = self.processing(input.version).await?;
        let call = CryptoCall::Decrypt {
            ciphertext: &input.sealed,
            context,
        };
        let plaintext = self.secret(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Plaintext(plaintext)))
    }

    async fn unwrap(&self, text: &str, context: &Context) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Unwrap)?;
        let input = self.own_ciphertext(text)?;
        let (version, spent) = self.processing(input.version).await?;
        let call = CryptoCall::Unwrap {
            wrapped: &input.sealed,
            context,
        };
        let key = self.secret(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Key(key)))
    }

    async fn decapsulate(&self, text: &str) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Decapsulate)?;
        let input = self.own_ciphertext(text)?;
        let (version, spent) = self.processing(input.version).await?;
        let call = CryptoCall::Decapsulate {
            encapsulation: &input.sealed,
        };
        let secret = self.secret(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Key(secret)))
    }

    /// Opens with the old version and protects with the primary; the plaintext stays here.
    async fn rewrap(&self, text: &str, context: &Context) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Decrypt)?;
        self.ensure_usage(Usage::Encrypt)?;
        let input = self.own_ciphertext(text)?;
        let (old, processed) = self.processing(input.version).await?;
        let call = CryptoCall::Decrypt {
            ciphertext: &input.sealed,
            context,
        };
        let plaintext = self.secret(old, call).await?;
        let (new, protected) = self.protecting(None, plaintext.len()).await?;
        let call = CryptoCall::Encrypt {
            plaintext: plaintext.expose(),
            context,
            oaep: None,
        };
        let sealed = self.bytes(new, call).await?;
        Ok(self.ciphertext(
            new,
            sealed,
            vec![processed, protected],
            UseResult::Ciphertext,
        ))
    }

    async fn data_key(
        &self,
        size_bytes: usize,
        context: &Context,
        with_plaintext: bool,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::DataKey)?;
        ensure_key_size(size_bytes)?;
        let (version, spent) = self.protecting(None, size_bytes).await?;
        let call = CryptoCall::DataKey {
            size_bytes,
            context,
        };
        let (wrapped, plaintext) = self.pair(version, call).await?;
        Ok(self.ciphertext(version, wrapped, vec![spent], |wrapped| {
            UseResult::DataKey {
                wrapped,
                plaintext: with_plaintext.then_some(plaintext),
            }
        }))
    }

    async fn sign(
        &self,
        (message, prehashed): (&[u8], bool),
        (scheme, encoding): (Option<SignatureScheme>, SignatureEncoding),
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Sign)?;
        let scheme = self.scheme(scheme)?;
        let (version, spent) = self.protecting(version, message.len()).await?;
        let raw = self
            .bytes(
                version,
                CryptoCall::Sign {
                    scheme,
                    encoding,
                    message,
                    prehashed,
                },
            )
            .await?;
        let text = Signature {
            key_id: self.key.id.uuid(),
            version: version.version,
            signature: raw.clone(),
        }
        .to_string();
        Ok(done(
            version,
            vec![spent],
            UseResult::Signature { text, raw, scheme },
        ))
    }

    async fn verify(
        &self,
        (message, prehashed): (&[u8], bool),
        (scheme, encoding): (Option<SignatureScheme>, SignatureEncoding),
        signature: &str,
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Verify)?;
        let scheme = self.scheme(scheme)?;
        let (number, signature) = if signature.starts_with("kw1") {
            let parsed = Signature::parse(signature, TEXT_MAX)?;
            self.ensure_own(parsed.key_id)?;
            (parsed.version, parsed.signature)
        } else {
            (
                version.unwrap_or(self.key.primary),
                plain("signature", signature)?,
            )
        };
        let (version, spent) = self.processing(number).await?;
        let call = CryptoCall::Verify {
            scheme,
            encoding,
            message,
            prehashed,
            signature: &signature,
        };
        let valid = self.valid(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Valid(valid)))
    }

    async fn mac(&self, message: &[u8], version: Option<u32>) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Mac)?;
        let (version, spent) = self.protecting(version, message.len()).await?;
        let raw = self.bytes(version, CryptoCall::Mac { message }).await?;
        let text = Mac {
            key_id: self.key.id.uuid(),
            version: version.version,
            tag: raw.clone(),
        }
        .to_string();
        Ok(done(version, vec![spent], UseResult::Mac { text, raw }))
    }

    async fn verify_mac(
        &self,
        message: &[u8],
        mac: &str,
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::VerifyMac)?;
        let (number, tag) = if mac.starts_with("kw1") {
            let parsed = Mac::parse(mac, TEXT_MAX)?;
            self.ensure_own(parsed.key_id)?;
            (parsed.version, parsed.tag)
        } else {
            (version.unwrap_or(self.key.primary), plain("mac", mac)?)
        };
        let (version, spent) = self.processing(number).await?;
        let valid = self
            .valid(version, CryptoCall::VerifyMac { message, mac: &tag })
            .await?;
        Ok(done(version, vec![spent], UseResult::Valid(valid)))
    }

    async fn encapsulate(&self, version: Option<u32>) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Encapsulate)?;
        let (version, spent) = self.protecting(version, 32).await?;
        let (encapsulation, secret) = self.pair(version, CryptoCall::Encapsulate).await?;
        Ok(
            self.ciphertext(version, encapsulation, vec![spent], |encapsulation| {
                UseResult::Encapsulated {
                    encapsulation,
                    secret,
                }
            }),
        )
    }

    fn scheme(&self, asked: Option<SignatureScheme>) -> Result<SignatureScheme, OpError> {
        let algorithm = self.key.algorithm;
        let scheme = match asked {
            Some(scheme) => Some(scheme).filter(|scheme| scheme.fits(algorithm)),
            None => SignatureScheme::default_for(algorithm),
        };
        scheme.ok_or_else(|| OpError::Unsupported {
            problem: format!("{} does not sign with this scheme", algorithm.name()),
        })
    }

    fn own_ciphertext(&self, text: &str) -> Result<Ciphertext, OpError> {
        let parsed = Ciphertext::parse(text, TEXT_MAX)?;
        self.ensure_own(parsed.key_id)?;
        Ok(parsed)
    }

    fn ensure_own(&self, key: uuid::Uuid) -> Result<(), OpError> {
        if key == self.key.id.uuid() {
            Ok(())
        } else {
            Err(OpError::OtherKey)
        }
    }

    fn ciphertext(
        &self,
        version: &HotVersion,
        sealed: Vec<u8>,
        spent: Vec<Spent>,
        result: impl FnOnce(String) -> UseResult,
    ) -> Done {
        let text = Ciphertext {
            key_id: self.key.id.uuid(),
            version: version.version,
            sealed,
        }
        .to_string();
        done(version, spent, result(text))
    }

    pub(super) async fn answer(
        &self,
        version: &HotVersion,
        call: CryptoCall<'_>,
    ) -> Result<CryptoAnswer, OpError> {
        let opens = matches!(
            call,
            CryptoCall::Decrypt { .. } | CryptoCall::Unwrap { .. } | CryptoCall::Decapsulate { .. }
        );
        match self.provider.perform(&self.material(version), call).await {
            Err(ProviderError::InvalidInput { reason }) if opens => {
                Err(OpError::MalformedCiphertext { reason })
            }
            answer => Ok(answer?),
        }
    }

    async fn bytes(&self, version: &HotVersion, call: CryptoCall<'_>) -> Result<Vec<u8>, OpError> {
        match self.answer(version, call).await? {
            CryptoAnswer::Bytes(bytes) => Ok(bytes),
            _ => Err(OpError::Crypto),
        }
    }

    pub(super) async fn secret(
        &self,
        version: &HotVersion,
        call: CryptoCall<'_>,
    ) -> Result<SecretBytes, OpError> {
        match self.answer(version, call).await? {
            CryptoAnswer::Secret(secret) => Ok(secret),
            _ => Err(OpError::Crypto),
        }
    }

    async fn pair(
        &self,
        version: &HotVersion,
        call: CryptoCall<'_>,
    ) -> Result<(Vec<u8>, SecretBytes), OpError> {
        match self.answer(version, call).await? {
            CryptoAnswer::Pair(bytes, secret) => Ok((bytes, secret)),
            _ => Err(OpError::Crypto),
        }
    }

    async fn valid(&self, version: &HotVersion, call: CryptoCall<'_>) -> Result<bool, OpError> {
        match self.answer(version, call).await? {
            CryptoAnswer::Valid(valid) => Ok(valid),
            _ => Err(OpError::Crypto),
        }
    }
}

pub(super) fn done(version: &HotVersion, spent: Vec<Spent>, result: UseResult) -> Done {
    Done {
        outcome: UseOutcome {
            version: version.version,
            result,
        },
        spent,
    }
}

fn plain(field: &'static str, text: &str) -> Result<Vec<u8>, OpError> {
    STANDARD
        .decode(text)
        .map_err(|_| OpError::invalid(field, "is neither kw1… nor base64"))
}

pub(super) fn ensure_key_size(size_bytes: usize) -> Result<(), OpError> {
    if (16..=64).contains(&size_bytes) {
        Ok(())
    } else {
        Err(OpError::invalid("size_bytes", "must be 16 to 64"))
    }
}
