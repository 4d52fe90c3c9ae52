//! Tenants.

use keyward_api::page::Changed;
use keyward_api::tenant::{
    Kek, Keks, NewTenant, Reason, SetAuditDetail, Shred, Tenant, TextStatus,
};

use crate::connection::Client;
use crate::error::ClientError;
use crate::pages::Pages;

/// The tenants of a deployment.
#[derive(Clone, Copy, Debug)]
pub struct Tenants<'a>(pub(crate) &'a Client);

impl Client {
    /// The tenants.
    pub const fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }
}

impl<'a> Tenants<'a> {
    /// Makes one. With a `repeatable` key, a repetition of the request makes no second one.
    pub async fn create(
        self,
        new: &NewTenant,
        repeatable: Option<&str>,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants"])
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// Lists them by name.
    pub fn list(self) -> Pages<'a, Tenant> {
        Pages::new(self.0, &["v1", "tenants"])
    }

    /// Shows one, by name or id.
    pub async fn read(self, tenant: &str) -> Result<Tenant, ClientError> {
        self.0.get(&["v1", "tenants", tenant]).send().await
    }

    /// Stops every use of its keys.
    pub async fn suspend(
        self,
        tenant: &str,
        reason: &Reason,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "suspend"])
            .json(reason)
            .send()
            .await
    }

    /// Allows the use of its keys again.
    pub async fn resume(
        self,
        tenant: &str,
        reason: &Reason,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "resume"])
            .json(reason)
            .send()
            .await
    }

    /// Shows the versions of its key-encryption key.
    pub async fn keks(self, tenant: &str) -> Result<Keks, ClientError> {
        self.0.get(&["v1", "tenants", tenant, "keks"]).send().await
    }

    /// Makes its next key-encryption key, and has its records wrapped under it.
    pub async fn rotate_kek(
        self,
        tenant: &str,
        reason: &Reason,
    ) -> Result<Changed<Kek>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "rotate-kek"])
            .json(reason)
            .send()
            .await
    }

    /// Shows whether its free texts are sealed.
    pub async fn text_status(self, tenant: &str) -> Result<TextStatus, ClientError> {
        self.0.get(&["v1", "tenants", tenant, "text"]).send().await
    }

    /// Has its free texts sealed under its own key.
    pub async fn seal_text(
        self,
        tenant: &str,
        reason: &Reason,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "seal-text"])
            .json(reason)
            .send()
            .await
    }

    /// Has its free texts readable in the registry again.
    pub async fn open_text(
        self,
        tenant: &str,
        reason: &Reason,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "open-text"])
            .json(reason)
            .send()
            .await
    }

    /// Has uses of its keys logged one by one, or counted.
    pub async fn set_audit_detail(
        self,
        tenant: &str,
        order: &SetAuditDetail,
    ) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "audit-detail"])
            .json(order)
            .send()
            .await
    }

    /// Destroys its key-encryption keys, and with them all it held.
    pub async fn shred(self, tenant: &str, order: &Shred) -> Result<Changed<Tenant>, ClientError> {
        self.0
            .post(&["v1", "tenants", tenant, "shred"])
            .json(order)
            .send()
            .await
    }
}
