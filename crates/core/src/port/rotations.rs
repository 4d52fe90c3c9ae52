//! Rotations that policies asked for, as the registry has them. A part of the registry, written like all of it
//! through `Registry::commit`.

use async_trait::async_trait;

use crate::ids::{KeyId, PolicyId, RotationId, TenantId};
use crate::noun::rotation::Rotation;
use crate::port::registry::{Page, RegistryError};
use crate::time::Timestamp;

/// Whose rotations are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationsOf {
    /// Every key's of the tenant.
    Tenant,
    /// One key's.
    Key(KeyId),
    /// Those that one policy asked for.
    Policy(PolicyId),
}

/// The part of the registry that knows what was rotated.
#[async_trait]
pub trait Rotations: Send + Sync {
    /// What became of a key's date; none if it was never tried.
    async fn rotation_planned(
        &self,
        key: KeyId,
        planned_at: Timestamp,
    ) -> Result<Option<Rotation>, RegistryError>;

    /// A tenant's rotations, newest first, before an id.
    async fn rotations(
        &self,
        tenant: TenantId,
        of: RotationsOf,
        before: Option<RotationId>,
        limit: usize,
    ) -> Result<Page<Rotation>, RegistryError>;
}
