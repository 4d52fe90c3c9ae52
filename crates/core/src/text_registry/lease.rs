//! Who acts for all nodes is no tenant's text: it passes as it is.

use async_trait::async_trait;

use super::TextRegistry;
use crate::port::lease::{Fence, Lease, LeaseRole, Leases};
use crate::port::registry::RegistryError;

#[async_trait]
impl Leases for TextRegistry {
    async fn take_lease(
        &self,
        role: LeaseRole,
        holder: &str,
        seconds: i64,
    ) -> Result<Option<Lease>, RegistryError> {
        self.stored().take_lease(role, holder, seconds).await
    }

    async fn renew_lease(&self, fence: &Fence, seconds: i64) -> Result<bool, RegistryError> {
        self.stored().renew_lease(fence, seconds).await
    }

    async fn note_work(&self, fence: &Fence) -> Result<bool, RegistryError> {
        self.stored().note_work(fence).await
    }

    async fn release_lease(&self, fence: &Fence) -> Result<bool, RegistryError> {
        self.stored().release_lease(fence).await
    }

    async fn lease(&self, role: LeaseRole) -> Result<Option<Lease>, RegistryError> {
        self.stored().lease(role).await
    }
}
