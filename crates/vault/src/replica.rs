//! Another copy of the vault, from which lost and damaged records are put back. It is read and never
//! written; what is in it is trusted no more than the backend is.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::port::repair::{Copies, CopySource, SourceFault};
use keyward_core::port::storage::{ObjectName, StorageBackend};
use uuid::Uuid;

use crate::object_names;
use crate::seal::manifest::Manifest;

/// A backend that something else keeps alike.
pub struct Replica {
    backend: Arc<dyn StorageBackend>,
    deployment: Uuid,
}

impl Replica {
    /// Of this deployment's vault.
    pub const fn new(backend: Arc<dyn StorageBackend>, deployment: Uuid) -> Self {
        Self {
            backend,
            deployment,
        }
    }
}

#[async_trait]
impl CopySource for Replica {
    fn name(&self) -> &'static str {
        "replica"
    }

    async fn check(&self) -> Result<(), SourceFault> {
        let name = object_names::root_manifest().map_err(SourceFault::Storage)?;
        let found = self.backend.read(&name).await;
        let found = found.map_err(SourceFault::Storage)?;
        let unfit = |what: &str| SourceFault::Unfit {
            what: what.to_owned(),
        };
        let found = found.ok_or_else(|| unfit("there is no vault in it"))?;
        match Manifest::parse(&found) {
            Ok(manifest) if manifest.deployment == self.deployment => Ok(()),
            Ok(_) => Err(unfit("it holds the vault of another deployment")),
            Err(_) => Err(unfit("its root/current is not what it must be")),
        }
    }

    async fn copies(&self, names: &[ObjectName]) -> Result<Copies, SourceFault> {
        let mut copies = Copies::new();
        for name in names {
            let found = self.backend.read(name).await;
            if let Some(bytes) = found.map_err(SourceFault::Storage)? {
                copies.insert(name.clone(), bytes);
            }
        }
        Ok(copies)
    }
}
