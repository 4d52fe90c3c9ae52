//! The storage beneath the vault: how it is, and having it checked.

use keyward_api::job::Job;
use keyward_api::page::Changed;
use keyward_api::storage::{ConfirmSweep, StorageHealth};

use crate::connection::Client;
use crate::error::ClientError;

impl Client {
    /// How the storage is.
    pub async fn storage(&self) -> Result<StorageHealth, ClientError> {
        self.get(&["v1", "storage"]).send().await
    }

    /// Begins a check of everything that is stored.
    pub async fn scrub_storage(&self) -> Result<Changed<Job>, ClientError> {
        self.post(&["v1", "storage", "scrub"]).send().await
    }

    /// Confirms what holds the sweep, as it was seen: what no row names may be swept up.
    pub async fn confirm_sweep(
        &self,
        confirmed: &ConfirmSweep,
    ) -> Result<StorageHealth, ClientError> {
        self.post(&["v1", "storage", "confirm-sweep"])
            .json(confirmed)
            .send()
            .await
    }
}
