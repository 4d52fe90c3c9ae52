//! One use of a prepared key: from the words of the port to those of the library.

use std::collections::BTreeMap;

use keyward_core::ids::KeyId;
use keyward_core::port::key_provider::{CryptoAnswer, CryptoCall, ProviderError};
use keyward_crypto::{
    Algorithm, CryptoError, Derivation, Family, Message, MessageContext, PreparedKey, Random,
    SecretBytes, SignatureEncoding, SignatureScheme, random,
};

use super::fault::crypto_fault;

/// Shortest data key, in bytes.
const DATA_KEY_SIZE_BYTES_MIN: usize = 16;
/// Longest data key, in bytes.
const DATA_KEY_SIZE_BYTES_MAX: usize = 64;

/// Uses a key once.
pub(super) fn perform(
    key: &PreparedKey,
    key_id: KeyId,
    version: u32,
    call: CryptoCall<'_>,
    random: &dyn Random,
) -> Result<CryptoAnswer, ProviderError> {
    let bind = |context| MessageContext {
        key_id: key_id.uuid(),
        version,
        context,
    };
    let answer = match call {
        CryptoCall::Encrypt {
            plaintext,
            context,
            oaep,
        } => key
            .encrypt_with(oaep, &bind(context), plaintext, random)
            .map(CryptoAnswer::Bytes),
        CryptoCall::Decrypt {
            ciphertext,
            context,
        } => key
            .decrypt(&bind(context), ciphertext)
            .map(CryptoAnswer::Secret),
        CryptoCall::Wrap {
            key: wrapped,
            context,
            oaep,
        } => key
            .wrap_key_with(oaep, &bind(context), wrapped.expose(), random)
            .map(CryptoAnswer::Bytes),
        CryptoCall::Unwrap { wrapped, context } => key
            .unwrap_key(&bind(context), wrapped)
            .map(CryptoAnswer::Secret),
        CryptoCall::DataKey {
            size_bytes,
            context,
        } => data_key(key, &bind(context), size_bytes, random),
        call => by_itself(key, call),
    };
    answer.map_err(crypto_fault)
}

/// Calls that are bound to nothing but the key.
fn by_itself(key: &PreparedKey, call: CryptoCall<'_>) -> Result<CryptoAnswer, CryptoError> {
    match call {
        CryptoCall::Sign {
            scheme,
            encoding,
            message,
            prehashed,
        } => key
            .sign_encoded(scheme, encoding, as_message(message, prehashed))
            .map(CryptoAnswer::Bytes),
        CryptoCall::Verify {
            scheme,
            encoding,
            message,
            prehashed,
            signature,
        } => {
            let message = as_message(message, prehashed);
            verdict(key.verify_encoded(scheme, encoding, message, signature))
        }
        CryptoCall::Mac { message } => key.mac(message).map(CryptoAnswer::Bytes),
        CryptoCall::VerifyMac { message, mac } => verdict(key.verify_mac(message, mac)),
        CryptoCall::Derive {
            derivation,
            size_bytes,
        } => key
            .derive_with(derivation, size_bytes)
            .map(CryptoAnswer::Secret),
        CryptoCall::Agree {
            peer,
            derivation,
            size_bytes,
        } => agree(key, peer, derivation, size_bytes),
        CryptoCall::Encapsulate => key
            .encapsulate()
            .map(|(sent, shared)| CryptoAnswer::Pair(sent, shared)),
        CryptoCall::Decapsulate { encapsulation } => {
            key.decapsulate(encapsulation).map(CryptoAnswer::Secret)
        }
        // The others are bound to key, version and context.
        _ => Err(CryptoError::EngineFailed),
    }
}

fn data_key(
    key: &PreparedKey,
    context: &MessageContext<'_>,
    size_bytes: usize,
    random: &dyn Random,
) -> Result<CryptoAnswer, CryptoError> {
    let (min, max) = (DATA_KEY_SIZE_BYTES_MIN, DATA_KEY_SIZE_BYTES_MAX);
    if !(min..=max).contains(&size_bytes) {
        return Err(CryptoError::LengthOutOfRange { min, max });
    }
    let secret = random::secret(random, size_bytes)?;
    let wrapped = key.wrap_key(context, secret.expose(), random)?;
    Ok(CryptoAnswer::Pair(wrapped, secret))
}

fn agree(
    key: &PreparedKey,
    peer: &[u8],
    derivation: Derivation<'_>,
    size_bytes: usize,
) -> Result<CryptoAnswer, CryptoError> {
    let agreed = key.agree(peer)?;
    Ok(CryptoAnswer::Agreed {
        key: agreed.derive(derivation, size_bytes)?,
        raw: agreed.into_raw(),
    })
}

fn as_message(bytes: &[u8], prehashed: bool) -> Message<'_> {
    if prehashed {
        Message::Digest(bytes)
    } else {
        Message::Raw(bytes)
    }
}

/// A signature that does not verify is an answer, not a failure.
fn verdict(checked: Result<(), CryptoError>) -> Result<CryptoAnswer, CryptoError> {
    match checked {
        Ok(()) => Ok(CryptoAnswer::Valid(true)),
        Err(CryptoError::InvalidSignature) => Ok(CryptoAnswer::Valid(false)),
        Err(error) => Err(error),
    }
}

/// A call that takes so long (a millisecond or more) that it should not hold up its thread, with
/// its inputs copied to be carried to another: an operation with an RSA private key. The message
/// to be signed may be confidential and is zeroized.
pub(super) enum OwnedCall {
    Decrypt {
        ciphertext: Vec<u8>,
        context: BTreeMap<String, String>,
    },
    Unwrap {
        wrapped: Vec<u8>,
        context: BTreeMap<String, String>,
    },
    Sign {
        scheme: SignatureScheme,
        encoding: SignatureEncoding,
        message: SecretBytes,
        prehashed: bool,
    },
}

impl OwnedCall {
    /// A copy of the call, if it is a slow one.
    pub(super) fn if_slow(algorithm: Algorithm, call: &CryptoCall<'_>) -> Option<Self> {
        if algorithm.info().family != Family::Rsa {
            return None;
        }
        match *call {
            CryptoCall::Decrypt {
                ciphertext,
                context,
            } => Some(Self::Decrypt {
                ciphertext: ciphertext.to_vec(),
                context: context.clone(),
            }),
            CryptoCall::Unwrap { wrapped, context } => Some(Self::Unwrap {
                wrapped: wrapped.to_vec(),
                context: context.clone(),
            }),
            CryptoCall::Sign {
                scheme,
                encoding,
                message,
                prehashed,
            } => Some(Self::Sign {
                scheme,
                encoding,
                message: SecretBytes::copy_from(message),
                prehashed,
            }),
            _ => None,
        }
    }

    /// The call again.
    pub(super) fn borrow(&self) -> CryptoCall<'_> {
        match self {
            Self::Decrypt {
                ciphertext,
                context,
            } => CryptoCall::Decrypt {
                ciphertext,
                context,
            },
            Self::Unwrap { wrapped, context } => CryptoCall::Unwrap { wrapped, context },
            Self::Sign {
                scheme,
                encoding,
                message,
                prehashed,
            } => CryptoCall::Sign {
                scheme: *scheme,
                encoding: *encoding,
                message: message.expose(),
                prehashed: *prehashed,
            },
        }
    }
}
