//! What callers hear of a seal that failed.

use keyward_core::port::seal::{SealFault, SealKind, UnsealError};
use keyward_crypto::CryptoError;

use crate::seal::SealError;

/// What a caller hears of a seal that failed.
pub(super) fn fault(kind: SealKind, error: SealError) -> SealFault {
    match error {
        SealError::Storage(error) => SealFault::Storage(error),
        SealError::Service { kind, source } => SealFault::Service { kind, source },
        SealError::Damaged { what } => SealFault::Damaged { what },
        SealError::WrongPassphrase => SealFault::Proof(UnsealError::WrongPassphrase),
        SealError::NotConfigured { kind } => SealFault::NotConfigured {
            kind,
            section: section(kind),
        },
        SealError::NoKeyFileConfigured => SealFault::NotConfigured {
            kind,
            section: section(kind),
        },
        SealError::Crypto(error @ CryptoError::PassphraseNotInFipsModule) => SealFault::Invalid {
            field: "kind",
            problem: error.to_string(),
        },
        SealError::Crypto(_) => SealFault::Crypto,
        error => SealFault::DidNotOpen {
            kind,
            why: error.to_string(),
        },
    }
}

/// Where a kind of seal is configured.
const fn section(kind: SealKind) -> &'static str {
    match kind {
        SealKind::Pkcs11 => "seal_pkcs11",
        SealKind::Transit => "seal_transit",
        SealKind::KeyFile | SealKind::Shares | SealKind::Passphrase => "seal",
    }
}

/// What keeps the manifest from being read.
pub(super) fn of_storage(error: SealError) -> SealFault {
    fault(SealKind::KeyFile, error)
}
