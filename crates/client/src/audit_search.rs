//! Searching the audit log.

use keyward_api::audit_search::{
    AuditCountQuery, AuditCounts, AuditSearchPage, AuditSearchQuery, AuditWish,
};

use crate::connection::Client;
use crate::error::ClientError;
use crate::request::Request;
use crate::scope::Scope;

impl Client {
    /// A page of the entries of every tenant and the system that are looked for, the newest first.
    pub async fn search_audit(
        &self,
        query: &AuditSearchQuery,
    ) -> Result<AuditSearchPage, ClientError> {
        search(self, &["v1", "audit", "search"], query).await
    }

    /// How many entries of every tenant and the system there are.
    pub async fn count_audit(&self, query: &AuditCountQuery) -> Result<AuditCounts, ClientError> {
        count(self, &["v1", "audit", "counts"], query).await
    }
}

impl Scope<'_> {
    /// A page of the tenant's entries that are looked for, the newest first.
    pub async fn search_audit(
        self,
        query: &AuditSearchQuery,
    ) -> Result<AuditSearchPage, ClientError> {
        search(self.client, &self.path(&["audit", "search"]), query).await
    }

    /// How many entries of the tenant's there are.
    pub async fn count_audit(self, query: &AuditCountQuery) -> Result<AuditCounts, ClientError> {
        count(self.client, &self.path(&["audit", "counts"]), query).await
    }
}

async fn search(
    client: &Client,
    path: &[&str],
    query: &AuditSearchQuery,
) -> Result<AuditSearchPage, ClientError> {
    let request = wished(client.get(path), &query.wish());
    let request = request.query("before", query.before);
    request.query("limit", query.limit).send().await
}

async fn count(
    client: &Client,
    path: &[&str],
    query: &AuditCountQuery,
) -> Result<AuditCounts, ClientError> {
    let request = wished(client.get(path), &query.wish());
    let request = request
        .query("by", query.by.as_ref())
        .query("every", query.every.as_ref());
    request.query("before", query.before).send().await
}

fn wished<'c>(request: Request<'c>, wish: &AuditWish) -> Request<'c> {
    request
        .query("since", wish.since.as_ref())
        .query("until", wish.until.as_ref())
        .query("tenant", wish.tenant.as_ref())
        .query("key", wish.key.as_ref())
        .query("version", wish.version.as_ref())
        .query("principal", wish.principal.as_ref())
        .query("action", wish.action.as_ref())
        .query("outcome", wish.outcome.as_ref())
        .query("address", wish.address.as_ref())
        .query("correlation_id", wish.correlation_id.as_ref())
        .query("node", wish.node.as_ref())
        .query("text", wish.text.as_ref())
}
