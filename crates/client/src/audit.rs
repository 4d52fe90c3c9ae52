//! The audit log.

use keyward_api::audit::{AuditEntries, AuditQuery};

use crate::connection::Client;
use crate::error::ClientError;
use crate::scope::Scope;

impl Client {
    /// Entries of every tenant and the system.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditEntries, ClientError> {
        entries(self, &["v1", "audit"], query).await
    }
}

impl Scope<'_> {
    /// Entries of the tenant.
    pub async fn audit(self, query: &AuditQuery) -> Result<AuditEntries, ClientError> {
        entries(self.client, &self.path(&["audit"]), query).await
    }
}

async fn entries(
    client: &Client,
    path: &[&str],
    query: &AuditQuery,
) -> Result<AuditEntries, ClientError> {
    let request = client
        .get(path)
        .query("after", query.after)
        .query("limit", query.limit);
    request.query("wait", query.wait).send().await
}
