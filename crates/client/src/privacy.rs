//! What is held about a person.

use keyward_api::privacy::{PrivacyErase, PrivacyErasure, PrivacyExport, PrivacySubject};

use crate::error::ClientError;
use crate::scope::Scope;

impl Scope<'_> {
    /// Gives out everything that is held about a person.
    pub async fn export_person(
        self,
        subject: &PrivacySubject,
    ) -> Result<PrivacyExport, ClientError> {
        self.client
            .post(&self.path(&["privacy", "export"]))
            .json(subject)
            .send()
            .await
    }

    /// Erases a person for ever.
    pub async fn erase_person(self, erase: &PrivacyErase) -> Result<PrivacyErasure, ClientError> {
        self.client
            .post(&self.path(&["privacy", "erase"]))
            .json(erase)
            .send()
            .await
    }
}
