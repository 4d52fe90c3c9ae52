//! Principals: persons and services.

use keyward_api::page::Changed;
use keyward_api::principal::{NewPrincipal, Principal};
use keyward_api::tenant::Reason;

use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl<'a> Scope<'a> {
    /// Makes a principal.
    pub async fn create_principal(
        self,
        new: &NewPrincipal,
        repeatable: Option<&str>,
    ) -> Result<Changed<Principal>, ClientError> {
        self.client
            .post(&self.path(&["principals"]))
            .idempotent(repeatable)
            .json(new)
            .send()
            .await
    }

    /// Lists principals by name.
    pub fn principals(self) -> Pages<'a, Principal> {
        Pages::new(self.client, &self.path(&["principals"]))
    }

    /// Disables a principal: its tokens are refused from now on.
    pub async fn disable_principal(
        self,
        principal: &str,
        reason: &Reason,
    ) -> Result<Changed<Principal>, ClientError> {
        self.client
            .post(&self.path(&["principals", principal, "disable"]))
            .json(reason)
            .send()
            .await
    }
}
