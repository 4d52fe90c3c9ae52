//! The seal, and whether the node lives and serves.

use keyward_api::health::{Live, Ready};
use keyward_api::system::{Passphrase, SealStatus, Share, Unseal};

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// How the seal stands. Needs no token.
    pub async fn seal_status(&self) -> Result<SealStatus, ClientError> {
        self.get(&["v1", "system", "seal-status"]).send().await
    }

    /// Gives one holder's share. Needs no token: the share is its own authority.
    pub async fn unseal(&self, share: Share) -> Result<SealStatus, ClientError> {
        let brought = Unseal {
            share: Some(share),
            passphrase: None,
        };
        self.bring(&brought).await
    }

    /// Gives the passphrase. Needs no token, as a share does not.
    pub async fn unseal_with_passphrase(
        &self,
        passphrase: Passphrase,
    ) -> Result<SealStatus, ClientError> {
        let brought = Unseal {
            share: None,
            passphrase: Some(passphrase),
        };
        self.bring(&brought).await
    }

    async fn bring(&self, brought: &Unseal) -> Result<SealStatus, ClientError> {
        self.post(&["v1", "system", "unseal"])
            .json(brought)
            .send()
            .await
    }

    /// Drops the root key from the server's memory.
    pub async fn seal(&self) -> Result<SealStatus, ClientError> {
        self.post(&["v1", "system", "seal"]).send().await
    }

    /// Whether the node lives.
    pub async fn live(&self) -> Result<Live, ClientError> {
        self.get(&["health", "live"]).send().await
    }

    /// Whether the node serves; a problem says why not.
    pub async fn ready(&self) -> Result<Ready, ClientError> {
        self.get(&["health", "ready"]).send().await
    }
}
