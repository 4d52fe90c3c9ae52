//! `keyward serve`: an initialised deployment, unsealed by the first of its seals that opens, or by
//! people.

use std::sync::Arc;

use keyward_audit::Lull;
use keyward_core::ops::seal;
use keyward_core::port::seal::SealControl;
use keyward_vault::SealError;

use crate::server::assembly::Assembly;
use crate::server::config::Config;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::{run, seals};

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
    let tries = seals::unseal(&assembly.vault).await?;
    assembly.load().await?;
    Ok(seal::log_automatic_unseal(&assembly.node, &tries).await?)
}
