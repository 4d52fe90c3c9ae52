//! What a node has to open seals with, from its configuration; the seals tried, offline, at the
//! start, and on a schedule.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward_core::node::Node;
use keyward_core::ops::seal_keeping;
use keyward_core::port::seal::{SealControl, SealService, SealStanding, UnsealTry};
use keyward_crypto::random::SystemRandom;
use keyward_providers::seal::Source;
use keyward_providers::seal::transit::{TransitSeal, TransitSettings};
use keyward_vault::{SealAccess, SealError, Vault};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

use crate::private_file;
use crate::server::config::Config;
use crate::server::deployment::Deployment;
use crate::server::error::StartError;

/// What the node has to open seals with.
pub fn access(config: &Config) -> SealAccess {
    let seal = &config.seal;
    let key_files = [&seal.key_file, &seal.second_key_file];
    SealAccess {
        key_files: key_files.into_iter().flatten().cloned().collect(),
        services: [transit(config), pkcs11(config)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn transit(config: &Config) -> Option<Arc<dyn SealService>> {
    let section = &config.seal_transit;
    Some(Arc::new(TransitSeal::new(TransitSettings {
        address: section.address.clone()?,
        mount: section.mount.clone(),
        key: section.key.clone()?,
        namespace: section.namespace.clone(),
        token: private(section.token_file.clone()?),
        ca_pem: section.ca_file.clone().map(public),
    })))
}

#[cfg(feature = "pkcs11")]
fn pkcs11(config: &Config) -> Option<Arc<dyn SealService>> {
    use keyward_providers::seal::pkcs11::{Pkcs11Seal, Pkcs11Settings};
    let section = &config.seal_pkcs11;
    let settings = Pkcs11Settings {
        module: section.module.clone()?,
        token: section.token.clone()?,
        key: section.key.clone()?,
        pin: private(section.pin_file.clone()?),
    };
    Some(Arc::new(Pkcs11Seal::new(settings, Arc::new(SystemRandom))))
}

#[cfg(not(feature = "pkcs11"))]
fn pkcs11(config: &Config) -> Option<Arc<dyn SealService>> {
    if config.seal_pkcs11.module.is_some() {
        tracing::warn!("this build has no PKCS#11: [seal_pkcs11] is not used");
    }
    None
}

/// A file that only the server may read, read each time.
fn private(path: PathBuf) -> Source {
    Arc::new(move || private_file::read_text(&path).map_err(|error| error.to_string()))
}

/// A file that anybody may read, read each time.
fn public(path: PathBuf) -> Source {
    let read = |path: &Path| std::fs::read_to_string(path).map(Zeroizing::new);
    Arc::new(move || {
        read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    })
}

/// Tries every seal of a deployment that does not run. Nothing is kept open.
pub async fn try_all(config: Config) -> Result<Vec<UnsealTry>, StartError> {
    let access = access(&config);
    let deployment = Deployment::open_existing(config).await?;
    let ledger = deployment.registry.clone();
    let random = Arc::new(SystemRandom);
    let vault = Vault::open(deployment.backend.clone(), ledger, random).await?;
    if !vault.status().initialized {
        return Err(SealError::NotInitialized.into());
    }
    Ok(vault.with_access(access).try_every_seal().await)
}

/// Opens the node with the first of its seals that opens, and says which did not and why.
pub async fn unseal(vault: &Vault) -> Result<Vec<UnsealTry>, StartError> {
    let tries = vault.unseal_automatically().await?;
    for tried in &tries {
        let (seal, kind) = (tried.seal, tried.kind);
        if let Some(why) = &tried.failure {
            tracing::warn!(%seal, %kind, why, "a seal did not open");
        } else {
            tracing::info!(%seal, %kind, "unsealed");
        }
    }
    let status = vault.status();
    if status.sealed {
        let kinds = status.seals.join(", ");
        match status.threshold {
            Some(threshold) => tracing::warn!(threshold, kinds, "sealed: waiting for shares"),
            None if status.seals.iter().any(|kind| kind == "passphrase") => {
                tracing::warn!(
                    kinds,
                    "sealed: waiting for `keyward unseal --by-passphrase`"
                );
            }
            None if tries.is_empty() => tracing::warn!(
                kinds,
                "sealed: set seal.key_file, [seal_transit] or [seal_pkcs11] and start again"
            ),
            None => tracing::warn!(
                kinds,
                "sealed: no seal opened; mend one of those above and start again (docs/seals.md)"
            ),
        }
    }
    Ok(tries)
}

/// Really opens every seal that needs nobody, on a schedule, and says when one has gone and when it
/// is there again.
pub async fn watch(node: Arc<Node>, every: Duration, mut ended: watch::Receiver<bool>) {
    let mut due = tokio::time::interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gone = std::collections::BTreeSet::new();
    loop {
        tokio::select! {
            _ = due.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        let seals = match seal_keeping::check(&node).await {
            Ok(Some(overview)) => overview.seals,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "the seals could not be checked");
                continue;
            }
        };
        for seal in seals {
            let (id, kind) = (seal.id, seal.kind);
            match seal.standing {
                SealStanding::Failed { why, .. } => {
                    if gone.insert(id) {
                        tracing::error!(seal = %id, %kind, why, "a seal does not open");
                    }
                }
                SealStanding::Proven { .. } if gone.remove(&id) => {
                    tracing::info!(seal = %id, %kind, "the seal opens again");
                }
                SealStanding::Proven { .. } | SealStanding::Unknown => {}
            }
        }
    }
}

/// Wraps key-encryption keys under a new root key, a slice at a time.
pub async fn rewrap_under_root(node: Arc<Node>, mut ended: watch::Receiver<bool>) {
    const PAUSE: Duration = Duration::from_secs(2);
    const WHEN_MORE: Duration = Duration::from_millis(20);
    loop {
        let pause = match seal_keeping::rewrap_slice(&node).await {
            Ok(true) => WHEN_MORE,
            Ok(false) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "key-encryption keys could not be wrapped anew; it is tried again");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
    }
}
