//! Key services that hold a seal, one file each, behind the port
//! [`SealService`](keyward_core::port::seal::SealService).
//!
//! | file | who holds the key |
//! |---|---|
//! | `pkcs11` | a hardware security module, through its PKCS#11 library |
//! | `transit` | the Transit engine of another vault: OpenBao, HashiCorp Vault |
//!
//! What they are given comes by reference: a file is read each time it is needed, so that one that
//! is renewed is found, and one that is gone costs this seal and not the server.

#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod transit;

use std::sync::Arc;

use zeroize::Zeroizing;

/// Where a PIN, a token or a certificate is read each time it is needed. The error says why it
/// cannot be, without its value.
pub type Source = Arc<dyn Fn() -> Result<Zeroizing<String>, String> + Send + Sync>;

/// How long a service may take, in seconds.
const PATIENCE_SECONDS: u64 = 15;
