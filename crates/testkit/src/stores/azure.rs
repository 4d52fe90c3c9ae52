//! Azurite, Microsoft's emulator of Azure Blob Storage.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a test without its server ends

use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::hmac;
use keyward_vault::backend::object::service::{AzureSettings, Reach, SecretText, Service};

use super::{Store, block_on};
use crate::daemon::{self, Daemon, DaemonError};
use crate::door;

const CONTAINER: &str = "vault";
/// The one account, whose key is public: it is in Microsoft's documentation of the emulator.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const API_VERSION: &str = "2021-08-06";

/// A running Azurite.
#[derive(Debug)]
pub struct AzureServer {
    address: String,
    _daemon: Daemon,
}

/// The server of this process.
pub fn azure() -> &'static AzureServer {
    static SERVER: OnceLock<AzureServer> = OnceLock::new();
    SERVER.get_or_init(|| AzureServer::start().unwrap_or_else(|error| panic!("{error}")))
}

impl AzureServer {
    fn start() -> Result<Self, DaemonError> {
        let directory = daemon::directory("keyward-azure-")?;
        let [port] = daemon::free_ports();
        let program = daemon::tool("azurite/node_modules/azurite/dist/src/blob/main.js");
        if !program.exists() {
            return Err(DaemonError::NotInstalled { program });
        }
        let arguments = [
            program.to_str().unwrap_or_default(),
            "--blobHost=127.0.0.1",
            &format!("--blobPort={port}"),
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--silent",
        ];
        let arguments: Vec<String> = arguments.map(str::to_owned).into();
        let node = ["/usr/bin/node", "/usr/local/bin/node"]
            .into_iter()
            .map(Path::new)
            .find(|path| path.exists())
            .unwrap_or(Path::new("/usr/bin/node"));
        let daemon = Daemon::start(node, &arguments, &directory, &[], "successfully listens")?;
        let address = format!("http://127.0.0.1:{port}");
        let made = block_on(make_container(address.clone()));
        assert_eq!(made, 201, "the container is made");
        Ok(Self {
            address,
            _daemon: daemon,
        })
    }
}

/// The library makes no containers. By Shared Key:
/// <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>.
async fn make_container(address: String) -> u16 {
    let date = "Mon, 01 Nov 2027 00:00:00 GMT";
    let to_sign = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{API_VERSION}\n\
         /{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    );
    let base64 = data_encoding::BASE64;
    let key = base64.decode(ACCOUNT_KEY.as_bytes()).expect("a key");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = base64.encode(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let made = door::client()
        .put(format!("{address}/{ACCOUNT}/{CONTAINER}?restype=container"))
        .header("x-ms-date", date)
        .header("x-ms-version", API_VERSION)
        .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
        .header("content-length", "0")
        .send()
        .await;
    made.expect("Azurite answers").status().as_u16()
}

impl Store for AzureServer {
    fn service_by(&self, address: &str) -> Service {
        Service::Azure(AzureSettings {
            account: ACCOUNT.to_owned(),
            container: CONTAINER.to_owned(),
            reach: Reach {
                endpoint: Some(format!("{address}/{ACCOUNT}")),
                allow_http: true,
                ca_pem: None,
            },
            access_key: Some(SecretText(ACCOUNT_KEY.to_owned().into())),
        })
    }

    fn address(&self) -> &str {
        &self.address
    }
}
