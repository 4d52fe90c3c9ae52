//! The registry's part that knows what was rotated: core's port on an open database.

use async_trait::async_trait;
use keyward_core::ids::{KeyId, RotationId, TenantId};
use keyward_core::noun::rotation::Rotation;
use keyward_core::port::registry::{Page, RegistryError};
use keyward_core::port::rotations::{Rotations, RotationsOf};
use keyward_core::time::Timestamp;

use crate::read::rotations as read;
use crate::registry::SqlRegistry;

#[async_trait]
impl Rotations for SqlRegistry {
    async fn rotation_planned(
        &self,
        key: KeyId,
        planned_at: Timestamp,
    ) -> Result<Option<Rotation>, RegistryError> {
        read::planned(&self.present(), key, planned_at).await
    }

    async fn rotations(
        &self,
        tenant: TenantId,
        of: RotationsOf,
        before: Option<RotationId>,
        limit: usize,
    ) -> Result<Page<Rotation>, RegistryError> {
        read::of(&self.present(), tenant, of, before, limit).await
    }
}
