//! Rotation by policy.

use keyward_api::rotation::{
    Rotation, RotationExplanation, RotationOrder, RotationQuery, RotationRun, RotationStatus,
};

use crate::connection::Client;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl Client {
    /// Shows which node rotates by policy, and how far it is.
    pub async fn rotation_status(&self) -> Result<RotationStatus, ClientError> {
        self.get(&["v1", "rotation", "status"]).send().await
    }
}

impl<'a> Scope<'a> {
    /// Rotates what is due by its policy, at once, or says what would be rotated.
    pub async fn run_rotation(self, order: &RotationOrder) -> Result<RotationRun, ClientError> {
        let request = self.client.post(&self.path(&["rotation", "run"]));
        request.json(order).send().await
    }

    /// Lists rotations by policy, newest first.
    pub fn rotations(self, query: RotationQuery) -> Pages<'a, Rotation> {
        Pages::new(self.client, &self.path(&["rotation", "history"]))
            .query("key", query.key)
            .query("policy", query.policy)
            .query("limit", query.limit)
            .from_cursor(query.cursor)
    }

    /// Says why a key is due by its policy, or is not.
    pub async fn explain_rotation(self, key: &str) -> Result<RotationExplanation, ClientError> {
        let request = self.client.get(&self.path(&["rotation", "explain"]));
        request.query("key", Some(&key)).send().await
    }
}
