//! Making a deployment: its rows, its root key under a seal, its first token. Offline, once.

use keyward_core::node::Node;
use keyward_core::ops::initialize::{self, BuiltinRole};
use keyward_core::ops::token::IssuedToken;
use keyward_core::port::registry::Registry;
use keyward_core::port::seal::SealControl;
use keyward_crypto::random::SystemRandom;
use keyward_store::SqlRegistry;
use keyward_vault::{SealError, SealSetup, Vault};
use zeroize::Zeroizing;

use crate::server::assembly::Assembly;
use crate::server::config::Config;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;

/// What a new deployment hands out, once.
pub struct Initialized {
    /// The shares for their holders; none with a key file.
    pub shares: Vec<Zeroizing<String>>,
    /// The first token.
    pub token: IssuedToken,
}

/// Makes a deployment. The seal comes last: until it is written nothing counts, and whoever was
/// interrupted begins again.
pub async fn initialize(config: Config, setup: &SealSetup) -> Result<Initialized, StartError> {
    let assembly = Assembly::new(Deployment::open(config).await?).await?;
    if assembly.vault.status().initialized {
        assembly.stop().await?;
        return Err(SealError::AlreadyInitialized.into());
    }
    let made = make(&assembly, setup).await;
    let stopped = assembly.stop().await;
    let made = made?;
    stopped?;
    Ok(made)
}

async fn make(assembly: &Assembly, setup: &SealSetup) -> Result<Initialized, StartError> {
    assembly.load().await?;
    let deployment = &assembly.deployment;
    let token = first_token(&assembly.node, &deployment.registry).await?;
    let made = Vault::initialize(&*deployment.backend, deployment.id, setup, &SystemRandom).await?;
    Ok(Initialized {
        shares: made.shares,
        token,
    })
}

/// The built-in roles, the first principal and its token; only another token if they are there.
pub async fn first_token(node: &Node, registry: &SqlRegistry) -> Result<IssuedToken, StartError> {
    if registry.roles(None).await?.is_empty() {
        Ok(initialize::initialize(node, &builtin_roles()).await?)
    } else {
        Ok(initialize::reissue_first_token(node).await?)
    }
}

/// The built-in roles of this version.
pub fn builtin_roles() -> Vec<BuiltinRole> {
    keyward_access::builtin::roles()
        .into_iter()
        .map(|role| BuiltinRole {
            id: role.id,
            name: role.name,
            description: role.description,
            permissions: role.permissions,
            delegable: role.delegable,
        })
        .collect()
}
