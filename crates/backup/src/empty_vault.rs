//! Writing into a vault that was empty: never over anything but what an interrupted try had written.

use keyward_core::port::storage::{ObjectName, StorageBackend, StorageError};

use crate::entry::VaultEntry;
use crate::restore_error::RestoreError;

/// Refuses a vault that holds anything.
pub(crate) async fn ensure_vault_empty(vault: &dyn StorageBackend) -> Result<(), RestoreError> {
    let found = vault.list("", None, 1).await.map_err(RestoreError::Vault)?;
    match found.first() {
        None => Ok(()),
        Some(name) => Err(RestoreError::VaultNotEmpty {
            name: name.as_str().to_owned(),
        }),
    }
}

/// Writes objects together; one by one if some are there already.
pub(crate) async fn place_objects(
    vault: &dyn StorageBackend,
    objects: Vec<VaultEntry>,
) -> Result<(), RestoreError> {
    if objects.is_empty() {
        return Ok(());
    }
    let all: Vec<(ObjectName, Vec<u8>)> = objects
        .iter()
        .map(|object| (object.name.clone(), object.bytes.clone()))
        .collect();
    match vault.put_many(all).await {
        Ok(()) => Ok(()),
        Err(StorageError::AlreadyExists) => {
            for object in objects {
                place_object(vault, object).await?;
            }
            Ok(())
        }
        Err(error) => Err(RestoreError::Vault(error)),
    }
}

pub(crate) async fn place_object(
    vault: &dyn StorageBackend,
    object: VaultEntry,
) -> Result<(), RestoreError> {
    let VaultEntry { name, bytes } = object;
    match vault.write_if_absent(&name, bytes.clone()).await {
        Ok(()) => Ok(()),
        Err(StorageError::AlreadyExists) => {
            let found = vault.read(&name).await.map_err(RestoreError::Vault)?;
            if found.as_deref() == Some(&bytes[..]) {
                return Ok(());
            }
            Err(RestoreError::OtherObject {
                name: name.as_str().to_owned(),
            })
        }
        Err(error) => Err(RestoreError::Vault(error)),
    }
}
