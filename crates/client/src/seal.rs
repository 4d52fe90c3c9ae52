//! The seals and the root key.

use keyward_api::seal::{MadeSeal, NewSeal, Seal, SealProof, SealRenewal, Seals};
use keyward_api::tenant::Reason;

use crate::connection::Client;
use crate::error::ClientError;

/// A step in the rotation of the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootStep {
    /// Makes the next root key, or goes on with it.
    Begin,
    /// Puts it in force.
    Commit,
    /// Forgets it.
    Cancel,
}

impl Client {
    /// The seals and how each stood when it was last opened.
    pub async fn seals(&self) -> Result<Seals, ClientError> {
        self.get(&["v1", "system", "seals"]).send().await
    }

    /// Makes another seal. Its shares, if it is of shares, are shown once.
    pub async fn add_seal(&self, new: &NewSeal) -> Result<MadeSeal, ClientError> {
        self.post(&["v1", "system", "seals"]).json(new).send().await
    }

    /// Removes a seal.
    pub async fn remove_seal(&self, seal: &str, reason: &Reason) -> Result<Seals, ClientError> {
        self.delete(&["v1", "system", "seals", seal])
            .json(reason)
            .send()
            .await
    }

    /// Wraps the root key anew in one seal.
    pub async fn rewrap_seal(
        &self,
        seal: &str,
        renewal: &SealRenewal,
    ) -> Result<MadeSeal, ClientError> {
        self.post(&["v1", "system", "seals", seal, "rewrap"])
            .json(renewal)
            .send()
            .await
    }

    /// Really opens one seal with what its people bring, or by itself.
    pub async fn prove_seal(&self, seal: &str, proof: &SealProof) -> Result<Seal, ClientError> {
        self.post(&["v1", "system", "seals", seal, "prove"])
            .json(proof)
            .send()
            .await
    }

    /// Takes a step in the rotation of the root key.
    pub async fn rotate_root(&self, step: RootStep, reason: &Reason) -> Result<Seals, ClientError> {
        let verb = match step {
            RootStep::Begin => "begin-rotation",
            RootStep::Commit => "commit-rotation",
            RootStep::Cancel => "cancel-rotation",
        };
        self.post(&["v1", "system", "root-key", verb])
            .json(reason)
            .send()
            .await
    }
}
