//! From the settings of the vault's backend to the backend: references to secrets are read here and
//! handed on as values.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::storage::StorageBackend;
use keyward_crypto::random::SystemRandom;
use keyward_vault::backend::object::service::{
    AzureSettings, GcsSettings, Reach, S3Credentials, S3Settings, SecretText, Service,
};
use keyward_vault::{
    EmbeddedBackend, FileBackend, ObjectBackend, Patience, PostgresBackend, PostgresSettings,
};

use crate::private_file;
use crate::server::config::{Config, StorageAzure, StorageGcs, StorageKind, StorageS3};
use crate::server::deployment::with_password;
use crate::server::error::StartError;

/// Opens the chosen backend and prepares it.
pub async fn open(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
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

fn local(config: &Config) -> Result<Arc<dyn StorageBackend>, StartError> {
    let path = config.vault_path().unwrap_or_default();
    let is_folder = config.storage.backend == StorageKind::File;
    let directory = if is_folder {
        path.as_path()
    } else {
        path.parent().unwrap_or_else(|| Path::new("."))
    };
    std::fs::create_dir_all(directory).map_err(|source| StartError::Directory {
        path: directory.to_owned(),
        source,
    })?;
    Ok(if is_folder {
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
