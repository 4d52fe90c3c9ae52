//! `keyward serve`: an initialised deployment, unsealed by its key file or by its holders.

use std::sync::Arc;

use keyward_audit::Lull;
use keyward_core::port::seal::SealControl;
use keyward_vault::SealError;

use crate::server::assembly::Assembly;
use crate::server::config::Config;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::run;

/// Serves until told to stop.
pub async fn serve(config: Config, lull: Arc<Lull>) -> Result<(), StartError> {
    let assembly = Assembly::new(Deployment::open(config).await?).await?;
    assembly.heed(&lull);
    if let Err(error) = prepare(&assembly).await {
        // The reason counts more than what stopping might add to it.
        let _ = assembly.stop().await;
        return Err(error);
    }
    run::serve(assembly, |url| tracing::info!(%url, "listening")).await
}

async fn prepare(assembly: &Assembly) -> Result<(), StartError> {
    if !assembly.vault.status().initialized {
        return Err(SealError::NotInitialized.into());
    }
    if let Some(file) = &assembly.deployment.config.seal.key_file {
        assembly.vault.unseal_with_key_file(file)?;
    }
    let status = assembly.vault.status();
    if status.sealed {
        if let Some(threshold) = status.threshold {
            tracing::warn!(threshold, "sealed: waiting for shares");
        } else {
            tracing::warn!("sealed: set seal.key_file to the key file and start again");
        }
    }
    assembly.load().await
}
