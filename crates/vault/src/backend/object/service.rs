//! The services behind an object backend: what each needs to be reached, and the library's client
//! for it. Credentials come as values from whoever read the references to them, or from the chain
//! that the service's own tools use (variables, files, the machine's identity).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::port::storage::StorageError;
use object_store::aws::{AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use zeroize::Zeroizing;

use super::wire::ListeningConnector;
use crate::backend::misconfigured;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one request may take; several fit into an operation's patience.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(12);

/// A store that can do what the backend asks.
pub(super) trait Store: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Store for T {}

/// What is common to all services.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// The service's address, where it is not the provider's own: `https://host[:port][/path]`.
    pub endpoint: Option<String>,
    /// Whether the address may be plain HTTP. For tests on loopback.
    pub allow_http: bool,
    /// Certificates to trust besides the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
}

/// Which service.
#[derive(Clone, Debug)]
pub enum Service {
    /// Amazon S3 and what speaks its protocol with conditional writes.
    S3(S3Settings),
    /// Azure Blob Storage.
    Azure(AzureSettings),
    /// Google Cloud Storage.
    Gcs(GcsSettings),
}

/// A bucket of S3.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// Its region; `us-east-1` if none is given here or in the environment.
    pub region: Option<String>,
    /// Address and trust.
    pub reach: Reach,
    /// Whether the bucket's name is part of the host's, as Amazon prefers.
    pub virtual_hosted: bool,
    /// None: the environment's standard chain.
    pub credentials: Option<S3Credentials>,
}

/// An access key.
#[derive(Clone)]
pub struct S3Credentials {
    /// Its id, which is no secret.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Zeroizing<String>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug)]
pub struct AzureSettings {
    /// The storage account.
    pub account: String,
    /// The container.
    pub container: String,
    /// Address and trust.
    pub reach: Reach,
    /// None: the environment's standard chain.
    pub access_key: Option<SecretText>,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug)]
pub struct GcsSettings {
    /// The bucket.
    pub bucket: String,
    /// Address and trust.
    pub reach: Reach,
    /// The service account, JSON. None: the environment's standard chain.
    pub service_account: Option<SecretText>,
    /// Asks without credentials: for emulators on loopback, which know none.
    pub anonymous: bool,
}

/// A text that is not shown.
#[derive(Clone)]
pub struct SecretText(pub Zeroizing<String>);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").finish_non_exhaustive()
    }
}

impl Service {
    /// What it is called in messages and settings.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::S3(_) => "s3",
            Self::Azure(_) => "azure",
            Self::Gcs(_) => "gcs",
        }
    }

    pub(super) fn connect(&self) -> Result<Arc<dyn Store>, StorageError> {
        match self {
            Self::S3(settings) => settings.connect(),
            Self::Azure(settings) => settings.connect(),
            Self::Gcs(settings) => settings.connect(),
        }
    }
}

impl S3Settings {
    fn connect(&self) -> Result<Arc<dyn Store>, StorageError> {
        let mut builder = match &self.credentials {
            None => AmazonS3Builder::from_env(),
            Some(given) => AmazonS3Builder::new()
                .with_access_key_id(&given.access_key_id)
                .with_secret_access_key(given.secret_access_key.as_str()),
        };
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder
            .with_client_options(self.reach.client_options()?)
            .with_allow_http(self.reach.allow_http)
            .with_bucket_name(&self.bucket)
            .with_virtual_hosted_style_request(self.virtual_hosted)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // A bucket with object lock and a default retention refuses what comes without
            // (Amazon S3 User Guide, "Object Lock considerations").
            .with_checksum_algorithm(Checksum::SHA256)
            // One request for one object: not every compatible store knows the other kind.
            .with_disable_bulk_delete(true)
            .with_retry(no_retries())
            .with_http_connector(ListeningConnector::default())
            .build();
        Ok(Arc::new(store.map_err(|_| {
            misconfigured("the settings of [storage_s3] do not fit together")
        })?))
    }
}

impl AzureSettings {
    fn connect(&self) -> Result<Arc<dyn Store>, StorageError> {
        let mut builder = match &self.access_key {
            None => MicrosoftAzureBuilder::from_env(),
            Some(SecretText(key)) => MicrosoftAzureBuilder::new().with_access_key(key.as_str()),
        };
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let store = builder
            .with_client_options(self.reach.client_options()?)
            .with_allow_http(self.reach.allow_http)
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_retry(no_retries())
            .with_http_connector(ListeningConnector::default())
            .build();
        Ok(Arc::new(store.map_err(|_| {
            misconfigured("the settings of [storage_azure] do not fit together")
        })?))
    }
}

impl GcsSettings {
    fn connect(&self) -> Result<Arc<dyn Store>, StorageError> {
        let mut builder = match &self.service_account {
            // Not the library's `skip_signature`: it asks for credentials all the same when it
            // writes.
            None if self.anonymous => GoogleCloudStorageBuilder::new().with_bearer_token("none"),
            None => GoogleCloudStorageBuilder::from_env(),
            Some(SecretText(account)) => {
                GoogleCloudStorageBuilder::new().with_service_account_key(account.as_str())
            }
        };
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        let store = builder
            .with_client_options(self.reach.client_options()?)
            .with_bucket_name(&self.bucket)
            .with_retry(no_retries())
            .with_http_connector(ListeningConnector::default())
            .build();
        Ok(Arc::new(store.map_err(|_| {
            misconfigured("the settings of [storage_gcs] do not fit together")
        })?))
    }
}

impl Reach {
    fn client_options(&self) -> Result<ClientOptions, StorageError> {
        let mut options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT);
        if let Some(pem) = &self.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|_| misconfigured("the file of trusted certificates is not PEM"))?;
            for certificate in certificates {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }
}

/// The library's own retries are off: it would take "it exists" after a lost answer for another's
/// work. Ours are in [`super::attempt`].
fn no_retries() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}
