//! From the settings to what lost and damaged records are put back from.

use std::sync::Arc;

use keyward_backup::BackupCopies;
use keyward_core::port::repair::{CopySource, Repairs};
use keyward_vault::{Replica, Vault};

use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::{backups, config, vault_backend};

/// The replica first, then backups; none if neither is configured. No service is asked yet.
pub fn open(deployment: &Deployment, vault: &Arc<Vault>) -> Result<Option<Repairs>, StartError> {
    let config = &deployment.config;
    let mut sources: Vec<Arc<dyn CopySource>> = Vec::new();
    if let Some(file) = &config.storage.replica_file {
        let replica = vault_backend::unprepared(&config::replica(file, config)?)?;
        sources.push(Arc::new(Replica::new(replica, deployment.id)));
    }
    if let Some(file) = &config.backup.repair_identity_file
        && let Some(place) = backups::to_read(config, None, None)?
    {
        let identities = config::identities(file)?;
        sources.push(Arc::new(BackupCopies::new(
            place,
            identities,
            deployment.registry.clone(),
            deployment.id,
        )));
    }
    Ok((!sources.is_empty()).then(|| Repairs {
        vault: vault.clone(),
        sources,
    }))
}
