//! Where addresses wait that came while the server was sealed, until the vault takes them. Each is sealed to
//! a key whose private half is in the vault: what lies here tells nobody anything (docs/privacy.md).

use async_trait::async_trait;

use crate::error::OpError;
use crate::port::audit_log::AuditError;

/// The place cannot be read or written. The text names no path and no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("where addresses wait for the vault: {0}")]
pub struct WaitingError(pub String);

impl From<WaitingError> for OpError {
    fn from(error: WaitingError) -> Self {
        Self::Audit(AuditError::Unavailable {
            cause: error.to_string(),
        })
    }
}

/// The place, beside the journal. Names are the 22 letters of base64url of 16 bytes.
#[async_trait]
pub trait WaitingAddresses: Send + Sync {
    /// The public key that lies here; none if none does.
    async fn key(&self) -> Result<Option<Vec<u8>>, WaitingError>;

    /// Puts a public key in place of what lies here, durably.
    async fn put_key(&self, key: &[u8]) -> Result<(), WaitingError>;

    /// Keeps something under a name. When it is answered it is there after any crash.
    async fn keep(&self, name: &str, sealed: &[u8]) -> Result<(), WaitingError>;

    /// Whether something is being written by `keep`, also where nobody waits for its answer any more: what is
    /// not among `names` yet may be there a moment later.
    fn is_writing(&self) -> bool;

    /// The names of what waits, at most so many, always the first in their order.
    async fn names(&self, most: usize) -> Result<Vec<String>, WaitingError>;

    /// What waits under a name; none if nothing does any more.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, WaitingError>;

    /// Removes what waits under names, durably. Again it changes nothing.
    async fn remove(&self, names: &[String]) -> Result<(), WaitingError>;
}
