//! Roles, and who holds them.

use keyward_api::page::Changed;
use keyward_api::role::{NewAssignment, NewRole, Role, RoleAssignment, RoleChange};
use keyward_api::tenant::Reason;

use crate::error::ClientError;
use crate::pages::Pages;
use crate::scope::Scope;

impl<'a> Scope<'a> {
    /// Lists the built-in roles and the tenant's own.
    pub fn roles(self) -> Pages<'a, Role> {
        Pages::new(self.client, &self.path(&["roles"]))
    }

    /// Makes a role.
    pub async fn create_role(self, new: &NewRole) -> Result<Changed<Role>, ClientError> {
        self.client
            .post(&self.path(&["roles"]))
            .json(new)
            .send()
            .await
    }

    /// Changes a role; with an etag, only if nobody else did since.
    pub async fn update_role(
        self,
        role: &str,
        change: &RoleChange,
        if_match: Option<i64>,
    ) -> Result<Changed<Role>, ClientError> {
        self.client
            .patch(&self.path(&["roles", role]))
            .if_match(if_match)
            .json(change)
            .send()
            .await
    }

    /// Lists who holds what.
    pub fn assignments(self) -> Pages<'a, RoleAssignment> {
        Pages::new(self.client, &self.path(&["assignments"]))
    }

    /// Gives a role to a principal.
    pub async fn assign_role(
        self,
        new: &NewAssignment,
    ) -> Result<Changed<RoleAssignment>, ClientError> {
        self.client
            .post(&self.path(&["assignments"]))
            .json(new)
            .send()
            .await
    }

    /// Takes a role from a principal.
    pub async fn unassign_role(
        self,
        assignment: &str,
        reason: &Reason,
    ) -> Result<Changed<RoleAssignment>, ClientError> {
        let path = self.path(&["assignments", assignment]);
        self.client
            .delete(&path)
            .query("reason", reason.reason.as_ref())
            .send()
            .await
    }
}
