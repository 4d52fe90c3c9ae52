//! One tenant, or the deployment itself (`system`): what all its nouns begin from.

use crate::connection::Client;

/// A tenant by name or id, or `system`.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub(crate) client: &'a Client,
    pub(crate) tenant: &'a str,
}

impl Client {
    /// A tenant by name or id; `system` for what belongs to the deployment itself.
    pub const fn tenant<'a>(&'a self, tenant: &'a str) -> Scope<'a> {
        Scope {
            client: self,
            tenant,
        }
    }
}

impl<'a> Scope<'a> {
    /// The path of something in the tenant.
    pub(crate) fn path(self, rest: &[&'a str]) -> Vec<&'a str> {
        ["v1", "tenants", self.tenant]
            .into_iter()
            .chain(rest.iter().copied())
            .collect()
    }
}
