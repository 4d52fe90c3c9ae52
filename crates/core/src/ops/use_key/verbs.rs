//! How one item is done: the version, the provider's call, the text that leaves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_crypto::envelope::{Ciphertext, Mac, Signature};
use keyward_crypto::prepared::SignatureScheme;
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

impl Use<'_> {
    /// Does one item.
    pub(super) async fn item(&self, item: UseItem) -> Result<Done, OpError> {
        match (self.action, item) {
            (
                Action::KeyEncrypt,
                UseItem::Encrypt {
                    plaintext,
                    context,
                    version,
                },
            ) => {
                self.ensure_usage(Usage::Encrypt)?;
                let (version, spent) = self.protecting(version, plaintext.len()).await?;
                let call = CryptoCall::Encrypt {
                    plaintext: plaintext.expose(),
                    context: &context,
                };
                let sealed = self.bytes(version, call).await?;
                Ok(self.ciphertext(version, sealed, vec![spent], UseResult::Ciphertext))
            }
            (
                Action::KeyDecrypt,
                UseItem::Decrypt {
                    ciphertext,
                    context,
                },
            ) => {
                self.ensure_usage(Usage::Decrypt)?;
                let input = self.own_ciphertext(&ciphertext)?;
                let (version, spent) = self.processing(input.version).await?;
                let call = CryptoCall::Decrypt {
                    ciphertext: &input.sealed,
                    context: &context,
                };
                let plaintext = self.secret(version, call).await?;
                Ok(done(version, vec![spent], UseResult::Plaintext(plaintext)))
            }
            (
                Action::KeyRewrap,
                UseItem::Rewrap {
                    ciphertext,
                    context,
                },
            ) => self.rewrap(&ciphertext, &context).await,
            (
                Action::KeyWrap,
                UseItem::Wrap {
                    key,
                    context,
                    version,
                },
            ) => {
                self.ensure_usage(Usage::Wrap)?;
                let (version, spent) = self.protecting(version, key.len()).await?;
                let call = CryptoCall::Wrap {
                    key: &key,
                    context: &context,
                };
                let wrapped = self.bytes(version, call).await?;
                Ok(self.ciphertext(version, wrapped, vec![spent], UseResult::Wrapped))
            }
            (Action::KeyUnwrap, UseItem::Unwrap { wrapped, context }) => {
                self.ensure_usage(Usage::Unwrap)?;
                let input = self.own_ciphertext(&wrapped)?;
                let (version, spent) = self.processing(input.version).await?;
                let call = CryptoCall::Unwrap {
                    wrapped: &input.sealed,
                    context: &context,
                };
                let key = self.secret(version, call).await?;
                Ok(done(version, vec![spent], UseResult::Key(key)))
            }
            (
                Action::KeyDataKey,
                UseItem::DataKey {
                    size_bytes,
                    context,
                    with_plaintext,
                },
            ) => self.data_key(size_bytes, &context, with_plaintext).await,
            (
                Action::KeySign,
                UseItem::Sign {
                    message,
                    prehashed,
                    scheme,
                    version,
                },
            ) => self.sign(&message, prehashed, scheme, version).await,
            (
                Action::KeyVerify,
                UseItem::Verify {
                    message,
                    prehashed,
                    scheme,
                    signature,
                    version,
                },
            ) => {
                self.verify(&message, prehashed, scheme, &signature, version)
                    .await
            }
            (Action::KeyMac, UseItem::Mac { message, version }) => {
                self.mac(&message, version).await
            }
            (
                Action::KeyVerifyMac,
                UseItem::VerifyMac {
                    message,
                    mac,
                    version,
                },
            ) => self.verify_mac(&message, &mac, version).await,
            (
                Action::KeyDerive,
                UseItem::Derive {
                    label,
                    context,
                    size_bytes,
                    version,
                },
            ) => self.derive(&label, &context, size_bytes, version).await,
            (Action::KeyEncapsulate, UseItem::Encapsulate { version }) => {
                self.encapsulate(version).await
            }
            (Action::KeyDecapsulate, UseItem::Decapsulate { encapsulation }) => {
                self.ensure_usage(Usage::Decapsulate)?;
                let input = self.own_ciphertext(&encapsulation)?;
                let (version, spent) = self.processing(input.version).await?;
                let call = CryptoCall::Decapsulate {
                    encapsulation: &input.sealed,
                };
                let secret = self.secret(version, call).await?;
                Ok(done(version, vec![spent], UseResult::Key(secret)))
            }
            _ => Err(OpError::invalid("items", "does not fit the action")),
        }
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
        message: &[u8],
        prehashed: bool,
        scheme: Option<SignatureScheme>,
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
        message: &[u8],
        prehashed: bool,
        scheme: Option<SignatureScheme>,
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

    async fn derive(
        &self,
        label: &[u8],
        context: &[u8],
        size_bytes: usize,
        version: Option<u32>,
    ) -> Result<Done, OpError> {
        self.ensure_usage(Usage::Derive)?;
        ensure_key_size(size_bytes)?;
        // A derivation that names its version processes: what was derived before a rotation can
        // be derived again after it.
        let (version, spent) = match version {
            Some(number) => self.processing(number).await?,
            None => self.protecting(None, size_bytes).await?,
        };
        let call = CryptoCall::Derive {
            label,
            context,
            size_bytes,
        };
        let key = self.secret(version, call).await?;
        Ok(done(version, vec![spent], UseResult::Key(key)))
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

    async fn answer(
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

    async fn secret(
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

fn done(version: &HotVersion, spent: Vec<Spent>, result: UseResult) -> Done {
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

fn ensure_key_size(size_bytes: usize) -> Result<(), OpError> {
    if (16..=64).contains(&size_bytes) {
        Ok(())
    } else {
        Err(OpError::invalid("size_bytes", "must be 16 to 64"))
    }
}
