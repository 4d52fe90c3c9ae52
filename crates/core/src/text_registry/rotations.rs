//! Rotations have no text of a tenant: they pass as they are.

use async_trait::async_trait;

use super::TextRegistry;
use crate::ids::{KeyId, RotationId, TenantId};
use crate::noun::rotation::Rotation;
use crate::port::registry::{Page, RegistryError};
use crate::port::rotations::{Rotations, RotationsOf};
use crate::time::Timestamp;

#[async_trait]
impl Rotations for TextRegistry {
    async fn rotation_planned(
        &self,
        key: KeyId,
        planned_at: Timestamp,
    ) -> Result<Option<Rotation>, RegistryError> {
        self.stored().rotation_planned(key, planned_at).await
    }

    async fn rotations(
        &self,
        tenant: TenantId,
        of: RotationsOf,
        before: Option<RotationId>,
        limit: usize,
    ) -> Result<Page<Rotation>, RegistryError> {
        self.stored().rotations(tenant, of, before, limit).await
    }
}
