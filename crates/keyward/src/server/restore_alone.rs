//! `keyward backup restore --tenant` where no deployment is: one tenant, one key or one secret into an
//! empty data directory, as a deployment of its own. Whether that is meant, or the deployment that it was
//! lost from, is seen from what is there.

use std::path::Path;

use keyward_backup::Wanted;
use keyward_core::caller::TenantRef;
use keyward_core::ops::restore::Part;
use keyward_core::port::snapshot::{RegistrySnapshot as _, SnapshotError};
use keyward_store::{OpenError, SchemaError, SqlRegistry};

use crate::server::clock::SystemClock;
use crate::server::config::Config;
use crate::server::deployment::registry_url;
use crate::server::error::StartError;
use crate::server::restore;

/// What a mark in the data directory says of such a restore first.
const ALONE: &str = "alone: ";

/// By what the mark knows the same order again.
pub(super) fn words_of(wanted: &Wanted) -> String {
    format!("{ALONE}{}", part_words(&wanted.tenant, &wanted.part))
}

/// A part in words.
pub(super) fn part_words(tenant: &TenantRef, part: &Part) -> String {
    let tenant = match tenant {
        TenantRef::Id(id) => id.to_string(),
        TenantRef::Name(name) => name.to_string(),
        TenantRef::System => TenantRef::SYSTEM.to_owned(),
    };
    match part {
        Part::Tenant => format!("tenant {tenant}"),
        Part::Key(key) => format!("{key:?} of tenant {tenant}"),
        Part::Secret(name) => format!("secret {name} of tenant {tenant}"),
    }
}

/// Whether nothing is there that it could go back into: an empty data directory, whose registry is in
/// it or is empty; or one in which such a restore was begun.
pub async fn is_into_empty(config: &Config) -> Result<bool, StartError> {
    let data_dir: &Path = &config.node.data_dir;
    if let Some(part) = restore::part_begun(data_dir)? {
        return Ok(part.starts_with(ALONE));
    }
    if restore::first_held(data_dir).is_some() {
        return Ok(false);
    }
    if config.registry.url.is_none() {
        return Ok(true);
    }
    // The node's own directory is gone, and the deployment lives on in its database.
    // Looked at only: whose it is shows in a moment, and a plan changes nothing.
    let settings = keyward_store::Config {
        migrate: false,
        ..keyward_store::Config::new(registry_url(config)?)
    };
    let opened = SqlRegistry::open(settings, std::sync::Arc::new(SystemClock::default())).await;
    let registry = match opened {
        Err(OpenError::Schema(SchemaError::Older { found, .. })) => return Ok(found == 0),
        opened => opened?,
    };
    let found = registry.ensure_empty().await;
    registry.close().await;
    match found {
        Ok(()) => Ok(true),
        Err(SnapshotError::NotEmpty { .. }) => Ok(false),
        Err(error) => Err(StartError::Restore(error.into())),
    }
}
