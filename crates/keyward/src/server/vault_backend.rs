//! From the settings of the vault's backend to the backend: references to secrets are read here and
//! handed on as values.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::storage::StorageBackend;
use keyward_core::time::Clock;
use keyward_crypto::random::SystemRandom;
use keyward_vault::backend::object::service::{
    AzureSettings, GcsSettings, Reach, S3Credentials, S3Settings, SecretText, Service,
};
use keyward_vault::migration::{MigrationError, Phase, marked, standing_in};
use keyward_vault::{
    EmbeddedBackend, FileBackend, MeasuredBackend, ObjectBackend, Patience, PostgresBackend,
    PostgresSettings,
};

use crate::private_file;
use crate::server::config::{Config, StorageAzure, StorageGcs, StorageKind, StorageS3};
use crate::server::database_url;
use crate::server::deployment::with_password;
use crate::server::error::StartError;

/// Watches a backend from then on.
pub fn watched(
    config: &Config,
    backend: Arc<dyn StorageBackend>,
    clock: Arc<dyn Clock>,
) -> Arc<MeasuredBackend> {
    let watched = MeasuredBackend::new(backend, config.storage.backend.name(), clock);
    Arc::new(match config.storage.backend {
        StorageKind::Embedded | StorageKind::File => watched.on_disk(&local_folder(config)),
        _ => watched,
    })
}

/// Opens the chosen backend and prepares it, if it is the one that holds the vault.
pub async fn open(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    ensure_in_force(config)?;
    open_unmarked(config).await
}

/// Opens the chosen backend and prepares it, unless it says itself that the vault is elsewhere.
pub async fn open_unmarked(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    let backend = open_whatever(config).await?;
    match marked(&*backend).await? {
        Some(why) => Err(StartError::VaultElsewhere { why }),
        None => Ok(backend),
    }
}

/// Refuses the side that a migration left: one that was erased has no mark any more.
fn ensure_in_force(config: &Config) -> Result<(), StartError> {
    let standing = standing_in(&migration_file(config)).map_err(MigrationError::from)?;
    let Some(standing) = standing else {
        return Ok(());
    };
    let (left, kept) = match standing.phase {
        Phase::CutOver | Phase::Committed => (standing.from, standing.to),
        Phase::Planned | Phase::Copying | Phase::RolledBack => (standing.to, standing.from),
    };
    if name(config) == left {
        let why = format!("the vault is {kept}");
        return Err(StartError::VaultElsewhere { why });
    }
    Ok(())
}

/// Where a migration of the vault stands.
pub fn migration_file(config: &Config) -> PathBuf {
    config.node.data_dir.join("storage-migration.json")
}

/// What people call the backend: its kind and its place, without secrets.
pub fn name(config: &Config) -> String {
    let place = match config.storage.backend {
        StorageKind::Embedded | StorageKind::File => {
            let path = config.vault_path().unwrap_or_default();
            path.display().to_string()
        }
        StorageKind::Postgres => {
            let section = &config.storage_postgres;
            let place = database_url::place(section.url.as_deref().unwrap_or_default());
            format!("{place}/{}", section.schema)
        }
        StorageKind::S3 => {
            let section = &config.storage_s3;
            let endpoint = section.endpoint.as_deref().unwrap_or_default();
            format!(
                "{endpoint}/{}",
                section.bucket.as_deref().unwrap_or_default()
            )
        }
        StorageKind::Azure => {
            let section = &config.storage_azure;
            let account = section.account.as_deref().unwrap_or_default();
            format!(
                "{account}/{}",
                section.container.as_deref().unwrap_or_default()
            )
        }
        StorageKind::Gcs => config.storage_gcs.bucket.clone().unwrap_or_default(),
    };
    let prefix = match config.storage.backend.section() {
        Some(_) => format!("/{}", prefix(config)),
        None => String::new(),
    };
    format!("{} {place}{prefix}", config.storage.backend)
}

/// Opens the chosen backend and prepares it, whatever a migration says of it.
pub async fn open_whatever(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    let backend = unprepared(config)?;
    backend.init().await?;
    Ok(backend)
}

/// Opens the chosen backend; a service is asked nothing yet.
pub fn unprepared(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    Ok(match config.storage.backend {
        StorageKind::Embedded | StorageKind::File => local(config)?,
        StorageKind::Postgres => Arc::new(postgres(config)?),
        StorageKind::S3 => Arc::new(object(config, &s3(&config.storage_s3)?)?),
        StorageKind::Azure => Arc::new(object(config, &azure(&config.storage_azure)?)?),
        StorageKind::Gcs => Arc::new(object(config, &gcs(&config.storage_gcs)?)?),
    })
}

/// Where the bytes are, if they are on a disk of this machine.
fn local_folder(config: &Config) -> PathBuf {
    let path = config.vault_path().unwrap_or_default();
    if config.storage.backend == StorageKind::File {
        return path;
    }
    path.parent().unwrap_or_else(|| Path::new(".")).to_owned()
}

fn local(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    let path = config.vault_path().unwrap_or_default();
    let directory = local_folder(config);
    std::fs::create_dir_all(&directory).map_err(|source| StartError::Directory {
        path: directory,
        source,
    })?;
    Ok(if config.storage.backend == StorageKind::File {
        Arc::new(FileBackend::open(&path)?)
    } else {
        Arc::new(EmbeddedBackend::open(&path)?)
    })
}

fn patience(config: &Config) -> Patience {
    Patience {
        total: Duration::from_secs(config.storage.timeout_seconds),
        attempts_max: u32::try_from(config.storage.attempts).unwrap_or(u32::MAX),
        ..Patience::default()
    }
}

fn prefix(config: &Config) -> &str {
    config.storage.prefix.as_deref().unwrap_or_default()
}

fn postgres(config: &Config) -> Result<PostgresBackend, StartError> {
    let section = &config.storage_postgres;
    let url = section.url.as_deref().unwrap_or_default();
    let settings = PostgresSettings {
        url: with_password(url, section.password_file.as_deref())?.into(),
        schema: section.schema.clone(),
        prefix: prefix(config).to_owned(),
        connections_max: u32::try_from(section.connections).unwrap_or(u32::MAX),
        patience: patience(config),
    };
    Ok(PostgresBackend::new(settings, Arc::new(SystemRandom))?)
}

fn object(config: &Config, service: &Service) -> Result<ObjectBackend, StartError> {
    let random = Arc::new(SystemRandom);
    Ok(ObjectBackend::new(
        service,
        prefix(config),
        patience(config),
        random,
    )?)
}

fn s3(section: &StorageS3) -> Result<Service, StartError> {
    let credentials = match (&section.access_key_id, &section.secret_access_key_file) {
        (Some(id), Some(file)) => Some(S3Credentials {
            access_key_id: id.clone(),
            secret_access_key: private_file::read_text(file)?,
        }),
        _ => None,
    };
    Ok(Service::S3(S3Settings {
        bucket: section.bucket.clone().unwrap_or_default(),
        region: section.region.clone(),
        reach: reach(
            section.endpoint.as_deref(),
            section.allow_http,
            section.ca_file.as_deref(),
        )?,
        virtual_hosted: section.virtual_hosted,
        credentials,
    }))
}

fn azure(section: &StorageAzure) -> Result<Service, StartError> {
    Ok(Service::Azure(AzureSettings {
        account: section.account.clone().unwrap_or_default(),
        container: section.container.clone().unwrap_or_default(),
        reach: reach(
            section.endpoint.as_deref(),
            section.allow_http,
            section.ca_file.as_deref(),
        )?,
        access_key: secret(section.access_key_file.as_deref())?,
    }))
}

fn gcs(section: &StorageGcs) -> Result<Service, StartError> {
    Ok(Service::Gcs(GcsSettings {
        bucket: section.bucket.clone().unwrap_or_default(),
        reach: reach(
            section.endpoint.as_deref(),
            section.allow_http,
            section.ca_file.as_deref(),
        )?,
        service_account: secret(section.service_account_file.as_deref())?,
        anonymous: section.anonymous,
    }))
}

fn secret(file: Option<&Path>) -> Result<Option<SecretText>, StartError> {
    let text = file.map(private_file::read_text).transpose()?;
    Ok(text.map(SecretText))
}

fn reach(
    endpoint: Option<&str>,
    allow_http: bool,
    ca_file: Option<&Path>,
) -> Result<Reach, StartError> {
    Ok(Reach {
        endpoint: endpoint.map(str::to_owned),
        allow_http,
        ca_pem: ca_file.map(std::fs::read).transpose()?,
    })
}
