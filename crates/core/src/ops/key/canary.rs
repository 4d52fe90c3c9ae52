//! The trial of a new version before it counts: its material is read back from where it was put, protects a probe and
//! processes it again. A disk that said it wrote, a record that was altered on the way, a provider that makes keys
//! which it cannot use: all of them show here, while the version before still protects everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_crypto::prepared::{Derivation, SignatureEncoding, SignatureScheme};
use keyward_crypto::secret::SecretBytes;
use keyward_crypto::{Algorithm, Usage};

use crate::error::OpError;
use crate::port::key_provider::{
    CryptoAnswer, CryptoCall, KeyProvider, MaterialRef, MaterialSpec, NewMaterial, ProviderError,
};

/// What is protected on trial. 32 bytes: AES key wrap takes whole blocks of eight, and every RSA key takes as many.
const PROBE: [u8; 32] = *b"a probe of a new version's trial";

/// What a trial exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Encrypt {
        and_decrypt: bool,
    },
    Sign {
        and_verify: bool,
    },
    Mac {
        and_verify: bool,
    },
    Wrap {
        and_unwrap: bool,
    },
    DataKey {
        and_unwrap: bool,
    },
    Encapsulate {
        and_decapsulate: bool,
    },
    Derive,
    /// A key that only processes what others protect: that its material is whole.
    Read,
}

impl Trial {
    /// The first that the key is meant for.
    fn of(spec: &MaterialSpec) -> Self {
        let may = |usage| spec.usages.contains(usage);
        if may(Usage::Encrypt) {
            let and_decrypt = may(Usage::Decrypt);
            Self::Encrypt { and_decrypt }
        } else if may(Usage::Sign) {
            let and_verify = may(Usage::Verify);
            Self::Sign { and_verify }
        } else if may(Usage::Mac) {
            let and_verify = may(Usage::VerifyMac);
            Self::Mac { and_verify }
        } else if may(Usage::Wrap) {
            let and_unwrap = may(Usage::Unwrap);
            Self::Wrap { and_unwrap }
        } else if may(Usage::DataKey) {
            let and_unwrap = may(Usage::Unwrap);
            Self::DataKey { and_unwrap }
        } else if may(Usage::Encapsulate) {
            let and_decapsulate = may(Usage::Decapsulate);
            Self::Encapsulate { and_decapsulate }
        } else if may(Usage::Derive) {
            Self::Derive
        } else {
            Self::Read
        }
    }

    /// What it was, for the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt { and_decrypt: true } => "encrypt, decrypt",
            Self::Encrypt { and_decrypt: false } => "encrypt",
            Self::Sign { and_verify: true } => "sign, verify",
            Self::Sign { and_verify: false } => "sign",
            Self::Mac { and_verify: true } => "mac, verify_mac",
            Self::Mac { and_verify: false } => "mac",
            Self::Wrap { and_unwrap: true } => "wrap, unwrap",
            Self::Wrap { and_unwrap: false } => "wrap",
            Self::DataKey { and_unwrap: true } => "data_key, unwrap",
            Self::DataKey { and_unwrap: false } => "data_key",
            Self::Encapsulate {
                and_decapsulate: true,
            } => "encapsulate, decapsulate",
            Self::Encapsulate {
                and_decapsulate: false,
            } => "encapsulate",
            Self::Derive => "derive",
            Self::Read => "read",
        }
    }
}

/// Tries new material out. What fails is destroyed at its provider; if that fails too, the sweep takes it later.
///
/// Errors: that the version failed its trial; or what keeps the provider from answering, which says nothing of the
/// material and may pass.
pub(super) async fn try_out(
    provider: &Arc<dyn KeyProvider>,
    spec: &MaterialSpec,
    made: &NewMaterial,
) -> Result<Trial, OpError> {
    let material = MaterialRef {
        spec: *spec,
        provider_key_id: made.provider_key_id.as_str().into(),
        record_digest: made.record_digest,
    };
    let trial = Trial::of(spec);
    let passed = perform(&**provider, &material, trial).await;
    let error = match passed {
        Ok(true) => return Ok(trial),
        Ok(false) => failed(trial, "what came back is not what went in".to_owned()),
        Err(error @ (ProviderError::Sealed | ProviderError::Unavailable(_))) => error.into(),
        Err(error) => failed(trial, error.to_string()),
    };
    let _ = provider.destroy(&material).await;
    Err(error)
}

fn failed(trial: Trial, why: String) -> OpError {
    OpError::CanaryFailed {
        trial: trial.name(),
        why,
    }
}

/// Whether what comes back is what went in.
async fn perform(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
    trial: Trial,
) -> Result<bool, ProviderError> {
    match trial {
        Trial::Encrypt { and_decrypt } => encrypts(provider, material, and_decrypt).await,
        Trial::Sign { and_verify } => signs(provider, material, and_verify).await,
        Trial::Mac { and_verify } => {
            let call = CryptoCall::Mac { message: &PROBE };
            let mac = &bytes(provider.perform(material, call).await?)?;
            let message = &PROBE;
            let call = CryptoCall::VerifyMac { message, mac };
            Ok(!and_verify || is_valid(&provider.perform(material, call).await?))
        }
        Trial::Wrap { and_unwrap } => wraps(provider, material, and_unwrap).await,
        Trial::DataKey { and_unwrap } => {
            let call = CryptoCall::DataKey {
                size_bytes: PROBE.len(),
                context: &BTreeMap::new(),
            };
            let (wrapped, key) = pair(provider.perform(material, call).await?)?;
            Ok(!and_unwrap || unwraps_to(provider, material, &wrapped, key.expose()).await?)
        }
        Trial::Encapsulate { and_decapsulate } => {
            let answer = provider.perform(material, CryptoCall::Encapsulate).await?;
            let (encapsulation, shared) = &pair(answer)?;
            if !and_decapsulate {
                return Ok(true);
            }
            let call = CryptoCall::Decapsulate { encapsulation };
            let again = secret(provider.perform(material, call).await?)?;
            Ok(again.expose() == shared.expose())
        }
        Trial::Derive => {
            let first = derived(provider, material).await?;
            let again = derived(provider, material).await?;
            Ok(first.expose() == again.expose())
        }
        Trial::Read => provider.verify(material).await.map(|()| true),
    }
}

async fn encrypts(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
    and_decrypt: bool,
) -> Result<bool, ProviderError> {
    let context = &BTreeMap::new();
    let call = CryptoCall::Encrypt {
        plaintext: &PROBE,
        context,
        oaep: None,
    };
    let ciphertext = &bytes(provider.perform(material, call).await?)?;
    if !and_decrypt {
        return Ok(true);
    }
    let call = CryptoCall::Decrypt {
        ciphertext,
        context,
    };
    let opened = secret(provider.perform(material, call).await?)?;
    Ok(opened.expose() == PROBE)
}

async fn wraps(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
    and_unwrap: bool,
) -> Result<bool, ProviderError> {
    let call = CryptoCall::Wrap {
        key: &SecretBytes::copy_from(&PROBE),
        context: &BTreeMap::new(),
        oaep: None,
    };
    let wrapped = bytes(provider.perform(material, call).await?)?;
    Ok(!and_unwrap || unwraps_to(provider, material, &wrapped, &PROBE).await?)
}

async fn unwraps_to(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
    wrapped: &[u8],
    expected: &[u8],
) -> Result<bool, ProviderError> {
    let context = &BTreeMap::new();
    let call = CryptoCall::Unwrap { wrapped, context };
    let unwrapped = secret(provider.perform(material, call).await?)?;
    Ok(unwrapped.expose() == expected)
}

async fn derived(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
) -> Result<SecretBytes, ProviderError> {
    let call = CryptoCall::Derive {
        derivation: Derivation::Keyward {
            label: b"trial",
            context: &PROBE,
        },
        size_bytes: PROBE.len(),
    };
    secret(provider.perform(material, call).await?)
}

async fn signs(
    provider: &dyn KeyProvider,
    material: &MaterialRef,
    and_verify: bool,
) -> Result<bool, ProviderError> {
    let algorithm: Algorithm = material.spec.algorithm;
    let scheme = SignatureScheme::default_for(algorithm).ok_or(ProviderError::Internal)?;
    let (encoding, message) = (SignatureEncoding::default(), &PROBE[..]);
    let call = CryptoCall::Sign {
        scheme,
        encoding,
        message,
        prehashed: false,
    };
    let signature = &bytes(provider.perform(material, call).await?)?;
    let call = CryptoCall::Verify {
        scheme,
        encoding,
        message,
        prehashed: false,
        signature,
    };
    Ok(!and_verify || is_valid(&provider.perform(material, call).await?))
}

const fn is_valid(answer: &CryptoAnswer) -> bool {
    matches!(answer, CryptoAnswer::Valid(true))
}

fn bytes(answer: CryptoAnswer) -> Result<Vec<u8>, ProviderError> {
    match answer {
        CryptoAnswer::Bytes(bytes) => Ok(bytes),
        _ => Err(ProviderError::Internal),
    }
}

fn secret(answer: CryptoAnswer) -> Result<SecretBytes, ProviderError> {
    match answer {
        CryptoAnswer::Secret(secret) => Ok(secret),
        _ => Err(ProviderError::Internal),
    }
}

fn pair(answer: CryptoAnswer) -> Result<(Vec<u8>, SecretBytes), ProviderError> {
    match answer {
        CryptoAnswer::Pair(bytes, secret) => Ok((bytes, secret)),
        _ => Err(ProviderError::Internal),
    }
}
