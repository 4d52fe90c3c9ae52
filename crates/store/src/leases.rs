//! The registry's part that says who acts for all nodes: core's port on an open database.

use async_trait::async_trait;
use keyward_core::port::lease::{Fence, Lease, LeaseRole, Leases};
use keyward_core::port::registry::RegistryError;

use crate::db::Database;
use crate::read::leases as read;
use crate::registry::SqlRegistry;
use crate::write::lease as write;

#[async_trait]
impl Leases for SqlRegistry {
    async fn take_lease(
        &self,
        role: LeaseRole,
        holder: &str,
        seconds: i64,
    ) -> Result<Option<Lease>, RegistryError> {
        let holder = holder.to_owned();
        let take =
            move |at: Database| async move { write::take(&at, role, &holder, seconds).await };
        self.place.write(vec![], take).await
    }

    async fn renew_lease(&self, fence: &Fence, seconds: i64) -> Result<bool, RegistryError> {
        let fence = fence.clone();
        let renew = move |at: Database| async move { write::renew(&at, &fence, seconds).await };
        self.place.write(vec![], renew).await
    }

    async fn note_work(&self, fence: &Fence) -> Result<bool, RegistryError> {
        let fence = fence.clone();
        let note = move |at: Database| async move { write::note_work(&at, &fence).await };
        self.place.write(vec![], note).await
    }

    async fn release_lease(&self, fence: &Fence) -> Result<bool, RegistryError> {
        self.renew_lease(fence, 0).await
    }

    async fn lease(&self, role: LeaseRole) -> Result<Option<Lease>, RegistryError> {
        read::lease(&self.present(), role).await
    }
}
