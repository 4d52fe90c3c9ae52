//! Data bindings: which data a key protects.

use keyward_api::binding::{DataBinding, NewBinding};
use keyward_api::page::Changed;
use keyward_api::tenant::Reason;

use crate::error::ClientError;
use crate::key::KeyHandle;
use crate::pages::Pages;

impl<'a> KeyHandle<'a> {
    /// Records that the key protects some data.
    pub async fn bind(
        self,
        new: &NewBinding,
        repeatable: Option<&str>,
    ) -> Result<Changed<DataBinding>, ClientError> {
        let request = self.scope.client.post(&self.path(&["bindings"]));
        request.idempotent(repeatable).json(new).send().await
    }

    /// Lists the data it protects, or did.
    pub fn bindings(self) -> Pages<'a, DataBinding> {
        Pages::new(self.scope.client, &self.path(&["bindings"]))
    }

    /// Records that it protects some data no more.
    pub async fn release(
        self,
        binding: &'a str,
        reason: &Reason,
    ) -> Result<Changed<DataBinding>, ClientError> {
        let path = self.path(&["bindings", binding, "release"]);
        self.scope.client.post(&path).json(reason).send().await
    }
}
