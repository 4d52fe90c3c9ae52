//! The audit log.

use keyward_api::audit::{AuditEntries, AuditExport, AuditExportQuery, AuditQuery, AuditSinks};

use crate::connection::Client;
use crate::error::ClientError;
use crate::scope::Scope;

impl Client {
    /// Entries of every tenant and the system.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditEntries, ClientError> {
        entries(self, &["v1", "audit"], query).await
    }

    /// A page of the entries of every tenant and the system, in a form.
    pub async fn export_audit(&self, query: &AuditExportQuery) -> Result<AuditExport, ClientError> {
        export(self, &["v1", "audit", "export"], query).await
    }

    /// How the streams of the node's log stand.
    pub async fn audit_sinks(&self) -> Result<AuditSinks, ClientError> {
        self.get(&["v1", "audit", "sinks"]).send().await
    }
}

impl Scope<'_> {
    /// Entries of the tenant.
    pub async fn audit(self, query: &AuditQuery) -> Result<AuditEntries, ClientError> {
        entries(self.client, &self.path(&["audit"]), query).await
    }

    /// A page of the tenant's entries, in a form.
    pub async fn export_audit(self, query: &AuditExportQuery) -> Result<AuditExport, ClientError> {
        export(self.client, &self.path(&["audit", "export"]), query).await
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

async fn export(
    client: &Client,
    path: &[&str],
    query: &AuditExportQuery,
) -> Result<AuditExport, ClientError> {
    let request = client
        .get(path)
        .query("format", query.format.as_ref())
        .query("after", query.after)
        .query("to", query.to)
        .query("since", query.since.as_ref())
        .query("until", query.until.as_ref());
    request.query("limit", query.limit).send().await
}
