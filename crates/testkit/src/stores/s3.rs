//! SeaweedFS, which speaks S3 with conditional writes and checks signatures.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a test without its server ends

use std::sync::OnceLock;

use keyward_vault::backend::object::service::{Reach, S3Credentials, S3Settings, Service};

use super::{Store, block_on};
use crate::daemon::{self, Daemon, DaemonError};
use crate::door;

const BUCKET: &str = "vault";
/// Who may do everything, and who may only read.
const IDENTITIES: &str = r#"{"identities":[
    {"name":"writer","credentials":[{"accessKey":"writer","secretKey":"writer-secret"}],"actions":["Admin"]},
    {"name":"reader","credentials":[{"accessKey":"reader","secretKey":"reader-secret"}],"actions":["Read","List"]}
]}"#;

/// A running SeaweedFS.
#[derive(Debug)]
pub struct S3Server {
    address: String,
    _daemon: Daemon,
}

/// The server of this process.
pub fn s3() -> &'static S3Server {
    static SERVER: OnceLock<S3Server> = OnceLock::new();
    SERVER.get_or_init(|| S3Server::start().unwrap_or_else(|error| panic!("{error}")))
}

impl S3Server {
    fn start() -> Result<Self, DaemonError> {
        let directory = daemon::directory("keyward-s3-")?;
        std::fs::write(directory.join("s3.json"), IDENTITIES)?;
        let ports: [u16; 8] = daemon::free_ports();
        let [
            s3,
            master,
            volume,
            filer,
            s3_grpc,
            master_grpc,
            volume_grpc,
            filer_grpc,
        ] = ports;
        let mut arguments: Vec<String> = [
            "-logtostderr",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-dir=.",
            "-s3",
            "-s3.config=s3.json",
            "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-volume.max=8",
            "-master.volumeSizeLimitMB=64",
            "-master.telemetry=false",
        ]
        .map(str::to_owned)
        .into();
        for (name, port) in [
            ("s3.port", s3),
            ("master.port", master),
            ("volume.port", volume),
            ("filer.port", filer),
            ("s3.port.grpc", s3_grpc),
            ("master.port.grpc", master_grpc),
            ("volume.port.grpc", volume_grpc),
            ("filer.port.grpc", filer_grpc),
        ] {
            arguments.push(format!("-{name}={port}"));
        }
        // Sockets that it makes in a place of its own choice.
        let sockets = [
            ("s3", s3_grpc),
            ("master", master_grpc),
            ("volume", volume_grpc),
            ("filer", filer_grpc),
        ];
        let sockets = sockets.map(|(name, port)| format!("/tmp/seaweedfs-{name}-grpc-{port}.sock"));
        let ready = "Start Seaweed S3 API Server";
        let daemon = Daemon::start(
            &daemon::tool("bin/weed"),
            &arguments,
            &directory,
            &sockets,
            ready,
        )?;
        // A bucket is a folder of its file server.
        let bucket = format!("http://127.0.0.1:{filer}/buckets/{BUCKET}/");
        let made = block_on(async move { door::client().post(bucket).send().await });
        assert!(made.expect("the file server answers").status().is_success());
        Ok(Self {
            address: format!("http://127.0.0.1:{s3}"),
            _daemon: daemon,
        })
    }

    /// As another identity: `reader` may not write; the secret of `writer` may be wrong.
    pub fn service_as(&self, access_key_id: &str, secret: &str) -> Service {
        Self::service_at(&self.address, access_key_id, secret)
    }

    /// Another bucket, which is not there.
    pub fn service_of_bucket(&self, bucket: &str) -> Service {
        // SeaweedFS makes a bucket for a writer who names one that is not there.
        match self.service_as("reader", "reader-secret") {
            Service::S3(settings) => Service::S3(S3Settings {
                bucket: bucket.to_owned(),
                ..settings
            }),
            other => other,
        }
    }

    fn service_at(address: &str, access_key_id: &str, secret: &str) -> Service {
        Service::S3(S3Settings {
            bucket: BUCKET.to_owned(),
            region: Some("us-east-1".to_owned()),
            reach: Reach {
                endpoint: Some(address.to_owned()),
                allow_http: true,
                ca_pem: None,
            },
            virtual_hosted: false,
            credentials: Some(S3Credentials {
                access_key_id: access_key_id.to_owned(),
                secret_access_key: secret.to_owned().into(),
            }),
        })
    }
}

impl Store for S3Server {
    fn service_by(&self, address: &str) -> Service {
        Self::service_at(address, "writer", "writer-secret")
    }

    fn address(&self) -> &str {
        &self.address
    }
}
