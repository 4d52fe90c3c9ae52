//! Secrets: named values that people keep.

use keyward_api::page::{Changed, Page};
use keyward_api::secret::{
    NewSecretValue, PutSecret, SecretDeletion, SecretSummary, SecretValue, SecretVersion,
};
use keyward_api::tenant::Reason;

use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl<'a> Scope<'a> {
    /// Puts a value: makes a secret, or a new version of it; with an etag, only if nobody else did
    /// since.
    pub async fn put_secret(
        self,
        name: &str,
        new: &NewSecretValue,
        if_match: Option<i64>,
        repeatable: Option<&str>,
    ) -> Result<Changed<PutSecret>, ClientError> {
        self.client
            .put(&self.path(&["secrets", name]))
            .if_match(if_match)
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// The value of the current version, or of the one that is named.
    pub async fn secret_value(
        self,
        name: &str,
        version: Option<u32>,
    ) -> Result<SecretValue, ClientError> {
        self.client
            .get(&self.path(&["secrets", name, "value"]))
            .query("version", version)
            .send()
            .await
    }

    /// Lists secrets whose names begin with a prefix, without their values.
    pub fn secrets(self, prefix: Option<&str>) -> Pages<'a, SecretSummary> {
        Pages::new(self.client, &self.path(&["secrets"])).query("prefix", prefix)
    }

    /// Shows a secret without its value.
    pub async fn secret(self, name: &str) -> Result<SecretSummary, ClientError> {
        self.client.get(&self.path(&["secrets", name])).send().await
    }

    /// The versions of a secret, oldest first, without their values.
    pub async fn secret_versions(self, name: &str) -> Result<Vec<SecretVersion>, ClientError> {
        let path = self.path(&["secrets", name, "versions"]);
        let page: Page<SecretVersion> = self.client.get(&path).send().await?;
        Ok(page.items)
    }

    /// Deletes a secret, or one version of it; with an etag, only if nobody changed it since.
    pub async fn delete_secret(
        self,
        name: &str,
        version: Option<u32>,
        reason: &Reason,
        if_match: Option<i64>,
    ) -> Result<Changed<SecretDeletion>, ClientError> {
        let number = version.map(|version| version.to_string());
        let mut path = self.path(&["secrets", name]);
        if let Some(number) = &number {
            path.extend(["versions", number]);
        }
        self.client
            .delete(&path)
            .query("reason", reason.reason.as_ref())
            .if_match(if_match)
            .send()
            .await
    }
}
