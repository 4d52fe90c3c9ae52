//! What the vault and the library say, in the words of the port.

use keyward_core::port::key_provider::ProviderError;
use keyward_core::port::storage::StorageError;
use keyward_crypto::CryptoError;

/// A failure of the vault.
pub(super) fn storage_fault(error: StorageError) -> ProviderError {
    match error {
        StorageError::Sealed => ProviderError::Sealed,
        StorageError::Refused(_) | StorageError::Missing | StorageError::NoTenantKek => {
            ProviderError::Record(error)
        }
        StorageError::AlreadyExists
        | StorageError::Conflict
        | StorageError::Unavailable { .. }
        | StorageError::Denied { .. }
        | StorageError::Throttled { .. }
        | StorageError::NotWritable { .. }
        | StorageError::TooLarge { .. }
        | StorageError::Misconfigured { .. } => ProviderError::Unavailable(error),
    }
}

/// A failure of the library. The reasons are fixed texts: nothing of the input is in them.
pub(super) fn crypto_fault(error: CryptoError) -> ProviderError {
    let reason = match error {
        CryptoError::AuthenticationFailed | CryptoError::CommitmentMismatch => {
            return ProviderError::NotAuthentic;
        }
        CryptoError::UnsupportedUsage { algorithm, usage } => {
            return ProviderError::Unsupported {
                algorithm: algorithm.name(),
                usage: usage.name(),
            };
        }
        CryptoError::WrongScheme { algorithm, .. } => {
            let usage = "sign or verify with this signature scheme";
            return ProviderError::Unsupported {
                algorithm: algorithm.name(),
                usage,
            };
        }
        CryptoError::OaepNotSupported { algorithm } => {
            let usage = "encrypt or wrap with an OAEP hash of choice: only RSA keys can";
            return ProviderError::Unsupported {
                algorithm: algorithm.name(),
                usage,
            };
        }
        CryptoError::EncodingNotSupported { algorithm } => {
            let usage = "write raw signatures: only ECDSA keys can";
            return ProviderError::Unsupported {
                algorithm: algorithm.name(),
                usage,
            };
        }
        CryptoError::NotInFipsModule { algorithm } => {
            let usage = "be used by this build, which computes by the FIPS module alone";
            return ProviderError::Unsupported {
                algorithm: algorithm.name(),
                usage,
            };
        }
        CryptoError::NotWholeBlocks => {
            "AES-KW wraps 16 or more bytes in multiples of 8; AES-KWP wraps any"
        }
        CryptoError::InvalidPeer => {
            "the peer's public key is malformed, of another algorithm, or of small order"
        }
        CryptoError::UnknownSuite(_) => "the ciphertext is of another release or not one at all",
        CryptoError::WrongSuite { .. } => "the ciphertext was made by another algorithm or verb",
        CryptoError::Truncated => "the message is truncated",
        CryptoError::DigestNotSupported { .. } => "this scheme signs the message, not a digest",
        CryptoError::WrongDigestLength { .. } => "the digest has not the length of the scheme's",
        CryptoError::InvalidSignature => "the signature is malformed",
        CryptoError::InvalidEncapsulation => "the encapsulated key is malformed",
        CryptoError::MessageTooLong { .. } => "the message is longer than the key can take",
        CryptoError::MessageEmpty => "the message is empty",
        CryptoError::ContextTooLong { max: 0 } => "this algorithm takes no context",
        CryptoError::ContextTooLong { .. } => "the context is too long",
        CryptoError::LengthOutOfRange { .. } => "the length is out of range",
        _ => return ProviderError::Internal,
    };
    ProviderError::InvalidInput { reason }
}
