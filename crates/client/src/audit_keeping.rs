//! For how long the audit log is kept, legal holds, and letting go of the log's beginning.

use keyward_api::audit_keeping::{
    AuditOutlook, AuditPruned, AuditRetention, LegalHold, NewLegalHold, PruneAudit,
    ReleaseLegalHold, SetAuditRetention,
};
use keyward_api::page::Changed;

use crate::connection::Client;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl Client {
    /// Shows what of the log's beginning may go, and what keeps the rest.
    pub async fn audit_outlook(&self) -> Result<AuditOutlook, ClientError> {
        self.get(&["v1", "audit", "prune"]).send().await
    }

    /// Lets go of the log's beginning.
    pub async fn prune_audit(&self, order: &PruneAudit) -> Result<AuditPruned, ClientError> {
        let request = self.post(&["v1", "audit", "prune"]);
        request.json(order).send().await
    }
}

impl<'a> Scope<'a> {
    /// For how long entries are kept.
    pub async fn audit_retention(self) -> Result<AuditRetention, ClientError> {
        let path = self.path(&["audit", "retention"]);
        self.client.get(&path).send().await
    }

    /// Has entries kept for longer.
    pub async fn set_audit_retention(
        self,
        longer: &SetAuditRetention,
    ) -> Result<Changed<AuditRetention>, ClientError> {
        let request = self.client.post(&self.path(&["audit", "retention"]));
        request.json(longer).send().await
    }

    /// Lists legal holds, the oldest first.
    pub fn legal_holds(self) -> Pages<'a, LegalHold> {
        Pages::new(self.client, &self.path(&["audit", "holds"]))
    }

    /// Places a legal hold.
    pub async fn place_legal_hold(
        self,
        hold: &NewLegalHold,
    ) -> Result<Changed<LegalHold>, ClientError> {
        let request = self.client.post(&self.path(&["audit", "holds"]));
        request.json(hold).send().await
    }

    /// Releases a legal hold.
    pub async fn release_legal_hold(
        self,
        hold: &str,
        why: &ReleaseLegalHold,
    ) -> Result<Changed<LegalHold>, ClientError> {
        let path = self.path(&["audit", "holds", hold, "release"]);
        self.client.post(&path).json(why).send().await
    }
}
