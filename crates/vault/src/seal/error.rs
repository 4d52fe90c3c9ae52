//! Why a deployment could not be initialised, opened or unsealed. Each variant says what to do.

use keyward_core::port::seal::{SealKind, SealServiceError};
use keyward_core::port::storage::StorageError;
use keyward_crypto::CryptoError;
use keyward_crypto::sharing::ShareError;

/// A seal was not made, or did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// `keyward init` was run before.
    #[error("this deployment is initialised already; nothing was changed")]
    AlreadyInitialized,
    /// `keyward init` was not run.
    #[error("this deployment is not initialised: run `keyward init`")]
    NotInitialized,
    /// The deployment has no seal of this kind.
    #[error("this deployment is not sealed with a key file")]
    NoKeyFileSeal,
    /// The key file is not there.
    #[error("the key file is not there: mount it, or restore it from where it is kept")]
    KeyFileMissing,
    /// The key file is not a file of 32 bytes.
    #[error("the key file is not a plain file of 32 bytes: it was truncated, or is another file")]
    KeyFileMalformed,
    /// Others than its owner may read or write the key file.
    #[error("others than its owner may open the key file: run `chmod 600` on it")]
    KeyFileExposed,
    /// The key file belongs to somebody else.
    #[error("the key file belongs to another user than the server runs as: run `chown` on it")]
    KeyFileForeign,
    /// The key file could not be read or made.
    #[error("the key file cannot be opened: {0}")]
    KeyFileUnavailable(std::io::ErrorKind),
    /// The key file is a key file, but not of this deployment.
    #[error("this key file belongs to another deployment")]
    WrongKeyFile,
    /// It opens nothing.
    #[error("this is not the passphrase")]
    WrongPassphrase,
    /// No key file is configured.
    #[error("no key file is configured: set seal.key_file to where it is")]
    NoKeyFileConfigured,
    /// The node is not told how to reach the seal's service.
    #[error("this node is not configured for {kind} seals; see [seal_{kind}]")]
    NotConfigured {
        /// Which kind.
        kind: SealKind,
    },
    /// The key service did not do its part.
    #[error("{source}")]
    Service {
        /// Which kind of seal.
        kind: SealKind,
        /// What happened.
        source: SealServiceError,
    },
    /// It opened to another root key than the one in memory.
    #[error("it holds another root key than the one in force")]
    AnotherRootKey,
    /// Threshold or number of shares out of range.
    #[error(transparent)]
    Shares(ShareError),
    /// What is stored of the seal is not what was written.
    #[error("what is stored of the seal was altered or is of another release: {what}")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// The storage backend failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The cryptographic library failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}
