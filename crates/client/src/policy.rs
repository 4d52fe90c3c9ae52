//! Rotation policies.

use keyward_api::page::Changed;
use keyward_api::policy::{NewPolicy, Policy, PolicyChange, PolicyPreview, PolicyTemplates};
use keyward_api::tenant::Reason;

use crate::connection::Client;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl Client {
    /// Ready-made policies, with the standards they are from.
    pub async fn policy_templates(&self) -> Result<PolicyTemplates, ClientError> {
        self.get(&["v1", "policy-templates"]).send().await
    }
}

impl<'a> Scope<'a> {
    /// Makes a policy.
    pub async fn create_policy(
        self,
        new: &NewPolicy,
        repeatable: Option<&str>,
    ) -> Result<Changed<Policy>, ClientError> {
        self.client
            .post(&self.path(&["policies"]))
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// Lists policies by name.
    pub fn policies(self) -> Pages<'a, Policy> {
        Pages::new(self.client, &self.path(&["policies"]))
    }

    /// Shows a policy.
    pub async fn policy(self, policy: &str) -> Result<Policy, ClientError> {
        self.client
            .get(&self.path(&["policies", policy]))
            .send()
            .await
    }

    /// Changes a policy; with an etag, only if nobody else did since.
    pub async fn update_policy(
        self,
        policy: &str,
        change: &PolicyChange,
        if_match: Option<i64>,
    ) -> Result<Changed<Policy>, ClientError> {
        let request = self.client.patch(&self.path(&["policies", policy]));
        request.if_match(if_match).json(change).send().await
    }

    /// Foretells a policy's next dates, and the keys of each.
    pub async fn preview_policy(
        self,
        policy: &str,
        count: Option<usize>,
    ) -> Result<PolicyPreview, ClientError> {
        let path = self.path(&["policies", policy, "preview"]);
        self.client.get(&path).query("count", count).send().await
    }

    /// Deletes a policy; keys that had it have none.
    pub async fn delete_policy(
        self,
        policy: &str,
        reason: &Reason,
    ) -> Result<Changed<Policy>, ClientError> {
        let path = self.path(&["policies", policy]);
        self.client
            .delete(&path)
            .query("reason", reason.reason.as_ref())
            .send()
            .await
    }
}
