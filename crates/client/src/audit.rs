//! The audit log.

use keyward_api::audit::{
    AuditEntries, AuditEvidence, AuditEvidenceQuery, AuditExport, AuditExportQuery,
    AuditKeyRotation, AuditLogKey, AuditMirrors, AuditQuery, AuditReceipt, AuditSinks,
    AuditWitnessKey, AuditWitnesses, RotateAuditKey,
};

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

    /// The name and the public key of the system's transparency log.
    pub async fn audit_log_key(&self) -> Result<AuditLogKey, ClientError> {
        self.get(&["v1", "audit", "log", "key"]).send().await
    }

    /// Makes the next key that signs the audit log.
    pub async fn rotate_audit_key(
        &self,
        rotation: &RotateAuditKey,
    ) -> Result<AuditKeyRotation, ClientError> {
        self.post(&["v1", "audit", "log", "rotate-key"])
            .json(rotation)
            .send()
            .await
    }

    /// An entry of anybody's, and a receipt for it.
    pub async fn audit_receipt(&self, sequence: u64) -> Result<AuditReceipt, ClientError> {
        let path = ["v1", "audit", "receipts", &sequence.to_string()];
        self.get(&path).send().await
    }

    /// An entry of the system's log, by its index there, and a receipt for it.
    pub async fn audit_receipt_at(&self, index: u64) -> Result<AuditReceipt, ClientError> {
        let path = ["v1", "audit", "log", "receipts", &index.to_string()];
        self.get(&path).send().await
    }

    /// A page of the entries of every tenant and the system, each with its receipt.
    pub async fn audit_evidence(
        &self,
        query: &AuditEvidenceQuery,
    ) -> Result<AuditEvidence, ClientError> {
        evidence(self, &["v1", "audit", "evidence"], query).await
    }

    /// A file below the address of a transparency log, such as `checkpoint`: its bytes; none if there
    /// is no such file.
    pub async fn log_file(&self, path: &str) -> Result<Option<Vec<u8>>, ClientError> {
        let path: Vec<&str> = path.split('/').collect();
        self.get(&path).bytes().await
    }

    /// How the streams of the node's log stand.
    pub async fn audit_sinks(&self) -> Result<AuditSinks, ClientError> {
        self.get(&["v1", "audit", "sinks"]).send().await
    }

    /// By which key the server cosigns other deployments' logs.
    pub async fn audit_witness_key(&self) -> Result<AuditWitnessKey, ClientError> {
        self.get(&["v1", "audit", "witness-key"]).send().await
    }

    /// How the witnesses of the node's log stand.
    pub async fn audit_witnesses(&self) -> Result<AuditWitnesses, ClientError> {
        self.get(&["v1", "audit", "witnesses"]).send().await
    }

    /// How the mirrors of the node's log stand.
    pub async fn audit_mirrors(&self) -> Result<AuditMirrors, ClientError> {
        self.get(&["v1", "audit", "mirrors"]).send().await
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

    /// The name and the public key of one of the tenant's transparency logs: `changes` or `operations`.
    pub async fn audit_log_key(self, log: &str) -> Result<AuditLogKey, ClientError> {
        let path = self.path(&["audit", "log", log, "key"]);
        self.client.get(&path).send().await
    }

    /// A page of the tenant's entries, each with its receipt.
    pub async fn audit_evidence(
        self,
        query: &AuditEvidenceQuery,
    ) -> Result<AuditEvidence, ClientError> {
        evidence(self.client, &self.path(&["audit", "evidence"]), query).await
    }

    /// An entry of one of the tenant's logs (`changes` or `operations`), by its index there, and a receipt
    /// for it.
    pub async fn audit_receipt_at(
        self,
        log: &str,
        index: u64,
    ) -> Result<AuditReceipt, ClientError> {
        let index = index.to_string();
        let path = self.path(&["audit", "log", log, "receipts", &index]);
        self.client.get(&path).send().await
    }

    /// An entry of the tenant's, and a receipt for it.
    pub async fn audit_receipt(self, sequence: u64) -> Result<AuditReceipt, ClientError> {
        let sequence = sequence.to_string();
        let path = self.path(&["audit", "receipts", &sequence]);
        self.client.get(&path).send().await
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
        .query("until", query.until.as_ref())
        .query("key", query.key);
    request.query("limit", query.limit).send().await
}

async fn evidence(
    client: &Client,
    path: &[&str],
    query: &AuditEvidenceQuery,
) -> Result<AuditEvidence, ClientError> {
    let request = client
        .get(path)
        .query("after", query.after)
        .query("to", query.to)
        .query("since", query.since.as_ref())
        .query("until", query.until.as_ref())
        .query("key", query.key);
    request.query("limit", query.limit).send().await
}
