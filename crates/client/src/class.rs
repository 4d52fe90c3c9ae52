//! Classes of data and the key that is current for each.

use keyward_api::class::{ClassAssignment, ClassKey, ClassPointer};
use keyward_api::page::Changed;
use keyward_api::tenant::Reason;

use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

/// One class of data, such as `PHI_DATA`.
#[derive(Clone, Copy, Debug)]
pub struct ClassHandle<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) class: &'a str,
}

impl<'a> Scope<'a> {
    /// A class of data by name.
    pub const fn class(self, class: &'a str) -> ClassHandle<'a> {
        ClassHandle { scope: self, class }
    }

    /// Lists the classes that have a current key.
    pub fn classes(self) -> Pages<'a, ClassPointer> {
        Pages::new(self.client, &self.path(&["classes"]))
    }
}

impl<'a> ClassHandle<'a> {
    pub(crate) fn path(self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = self.scope.path(&["classes", self.class]);
        path.extend(rest);
        path
    }

    /// Shows its current key.
    pub async fn key(self) -> Result<ClassKey, ClientError> {
        self.scope.client.get(&self.path(&["key"])).send().await
    }

    /// Names its current key.
    pub async fn set_key(
        self,
        assignment: &ClassAssignment,
        if_match: Option<i64>,
    ) -> Result<Changed<ClassPointer>, ClientError> {
        let request = self.scope.client.put(&self.path(&["key"]));
        request.if_match(if_match).json(assignment).send().await
    }

    /// Returns it to the key it had before.
    pub async fn revert(self, reason: &Reason) -> Result<Changed<ClassPointer>, ClientError> {
        self.scope
            .client
            .post(&self.path(&["revert"]))
            .json(reason)
            .send()
            .await
    }
}
