//! `keyward dev`: a deployment of one node to try things with. Initialised and unsealed by itself,
//! on loopback only, kept in a directory that a second start finds again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_audit::Lull;
use keyward_core::port::seal::SealControl;
use keyward_crypto::random::SystemRandom;
use keyward_vault::{SealSetup, Vault};
use zeroize::Zeroizing;

use crate::private_file;
use crate::server::assembly::Assembly;
use crate::server::config::{Config, TlsMode};
use crate::server::deployment::Deployment;
use crate::server::error::StartError;
use crate::server::{init, run, sample};

/// What to tell whoever started it.
pub struct Welcome<'a> {
    /// Where it listens.
    pub url: &'a str,
    /// Where it keeps everything.
    pub data_dir: &'a Path,
    /// The token's file.
    pub token_file: PathBuf,
    /// The token.
    pub token: &'a str,
    /// Whether everything was made just now.
    pub is_new: bool,
}

/// Serves until told to stop. `greet` is called once, when connections are accepted.
pub async fn serve(
    config: Config,
    lull: Arc<Lull>,
    greet: impl FnOnce(&Welcome<'_>),
) -> Result<(), StartError> {
    let address: SocketAddr = config.listen.address;
    if !address.ip().is_loopback() || config.listen.tls != TlsMode::Off {
        return Err(StartError::DevBeyondLoopback { address });
    }
    let mut deployment = Deployment::open(config).await?;
    let data_dir = deployment.data_dir.path().to_owned();
    deployment.config.seal.key_file = Some(key_file(&data_dir));
    let is_new = seal_if_new(&deployment, &data_dir).await?;
    let assembly = Assembly::new(deployment).await?;
    assembly.heed(&lull);
    assembly.vault.unseal_with_key_file(&key_file(&data_dir))?;
    let prepared = prepare(&assembly, &data_dir).await;
    let token = match prepared {
        Ok(token) => token,
        Err(error) => {
            // The reason counts more than what stopping might add to it.
            let _ = assembly.stop().await;
            return Err(error);
        }
    };
    let token_file = token_file(&data_dir);
    run::serve(assembly, |url| {
        greet(&Welcome {
            url,
            data_dir: &data_dir,
            token_file,
            token: &token,
            is_new,
        });
    })
    .await
}

fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("seal.key")
}

fn token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("dev-token")
}

/// Makes root key and key file, unless there are some.
async fn seal_if_new(deployment: &Deployment, data_dir: &Path) -> Result<bool, StartError> {
    let random = std::sync::Arc::new(SystemRandom);
    let ledger = deployment.registry.clone();
    let vault = Vault::open(deployment.backend.clone(), ledger, random).await?;
    if vault.status().initialized {
        return Ok(false);
    }
    let setup = SealSetup::KeyFile(key_file(data_dir));
    Vault::initialize(&*deployment.backend, deployment.id, &setup, &SystemRandom).await?;
    Ok(true)
}

/// Sample data and a token that works, whatever an earlier start left of them.
async fn prepare(assembly: &Assembly, data_dir: &Path) -> Result<Zeroizing<String>, StartError> {
    assembly.load().await?;
    let node = &assembly.node;
    let file = token_file(data_dir);
    match private_file::read_text(&file) {
        Ok(token) if sample::is_known(node, &token).await? => return Ok(token),
        Ok(_) => {}
        Err(error) if error.is_missing() => {
            init::first_token(node, &assembly.deployment.registry).await?;
            sample::make(node).await?;
        }
        Err(error) => return Err(error.into()),
    }
    let issued = sample::developer_token(node).await?;
    // Last: a start that is cut short before this is taken up again by the next.
    private_file::write(&file, issued.text.as_bytes())?;
    Ok(issued.text)
}
