#![allow(clippy::unwrap_used)]

use super::*;
use crate::private_file;
use crate::server::config::check as check_all;

fn said(config: &Config) -> String {
    check_all(config).unwrap_err().to_string()
}

fn on(kind: StorageKind) -> Config {
    let mut config = Config::default();
    config.storage.backend = kind;
    config
}

#[test]
fn each_service_says_what_it_needs() {
    let needs = [
        (StorageKind::Postgres, "storage_postgres.url: is needed"),
        (StorageKind::S3, "storage_s3.bucket: is needed"),
        (StorageKind::Azure, "storage_azure.account: is needed"),
        (StorageKind::Azure, "storage_azure.container: is needed"),
        (StorageKind::Gcs, "storage_gcs.bucket: is needed"),
    ];
    for (kind, need) in needs {
        assert!(said(&on(kind)).contains(need), "{kind}");
    }
}

#[test]
fn credentials_by_the_standard_chain_need_no_setting() {
    let mut config = on(StorageKind::S3);
    config.storage_s3.bucket = Some("vault".to_owned());
    config.storage.prefix = Some("prod/keyward".to_owned());
    check_all(&config).unwrap();
    config.storage_s3.access_key_id = Some("AKIA".to_owned());
    assert!(said(&config).contains("storage_s3.secret_access_key_file: is needed"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    private_file::write(&file, b"secret").unwrap();
    config.storage_s3.secret_access_key_file = Some(file);
    check_all(&config).unwrap();
}

/// Vaults that share a place are told apart by their prefixes: one inside the names of another would
/// be taken for a part of it.
#[test]
fn a_prefix_that_names_of_vaults_have_is_refused() {
    let mut config = on(StorageKind::S3);
    config.storage_s3.bucket = Some("vault".to_owned());
    for prefix in [
        "rec",
        "prod/kek",
        "seal/b",
        "objects",
        "a/parts/b",
        "probe",
        "",
    ] {
        config.storage.prefix = Some(prefix.to_owned());
        assert!(
            said(&config).contains("storage.prefix: must be"),
            "{prefix}"
        );
    }
    config.storage.prefix = Some("records/b".to_owned());
    check_all(&config).unwrap();
}

#[test]
fn plain_http_stays_on_loopback() {
    let mut config = on(StorageKind::S3);
    config.storage_s3.bucket = Some("vault".to_owned());
    let mut with = |endpoint: &str, allow_http| {
        config.storage_s3.endpoint = Some(endpoint.to_owned());
        config.storage_s3.allow_http = allow_http;
        check_all(&config).map_err(|error| error.to_string())
    };
    with("https://s3.example.org", false).unwrap();
    for loopback in [
        "http://127.0.0.1:8333",
        "http://localhost:8333",
        "http://[::1]:8333/x",
    ] {
        with(loopback, true).unwrap();
        assert!(with(loopback, false).unwrap_err().contains("plain HTTP"));
    }
    let elsewhere = [
        "http://10.0.0.1:8333",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "https://s3.example.org",
    ];
    for endpoint in elsewhere {
        let refused = with(endpoint, true).unwrap_err();
        assert!(
            refused.contains("storage_s3.allow_http: "),
            "{endpoint}: {refused}"
        );
    }
    let refused = with("https://user:hunter2@s3.example.org", false).unwrap_err();
    assert!(refused.contains("credentials have settings") && !refused.contains("hunter2"));
}

#[test]
fn an_emulator_without_credentials_stays_on_loopback() {
    let mut config = on(StorageKind::Gcs);
    config.storage_gcs.bucket = Some("vault".to_owned());
    config.storage_gcs.anonymous = true;
    assert!(said(&config).contains("storage_gcs.anonymous: is for emulators"));
    config.storage_gcs.endpoint = Some("http://127.0.0.1:4443".to_owned());
    config.storage_gcs.allow_http = true;
    check_all(&config).unwrap();
}

#[test]
fn a_database_has_a_schema_of_its_own_and_no_password_in_its_url() {
    let mut config = on(StorageKind::Postgres);
    config.storage_postgres.url = Some("postgres://vault:hunter2@db/vault".to_owned());
    let refused = said(&config);
    assert!(refused.contains("storage_postgres.url: holds a password"));
    assert!(!refused.contains("hunter2"));
    config.storage_postgres.url = Some("postgres://vault@db/vault".to_owned());
    check_all(&config).unwrap();
    for schema in [
        "public",
        "pg_vault",
        "Vault",
        "",
        "a b",
        "information_schema",
    ] {
        config.storage_postgres.schema = schema.to_owned();
        assert!(
            said(&config).contains("storage_postgres.schema: "),
            "{schema}"
        );
    }
}

#[test]
fn what_does_not_count_is_reported() {
    let mut config = Config::default();
    config.storage.prefix = Some("prod".to_owned());
    config.storage_s3.bucket = Some("vault".to_owned());
    let said_of_embedded = said(&config);
    assert!(said_of_embedded.contains("storage.prefix: is set, but"));
    assert!(said_of_embedded.contains("storage_s3: is filled in, but"));
    let mut config = on(StorageKind::S3);
    config.storage_s3.bucket = Some("vault--use1-az4--x-s3".to_owned());
    config.storage.path = Some("/var/lib/vault".into());
    config.storage.prefix = Some("/prod/".to_owned());
    config.storage.attempts = 0;
    let refused = said(&config);
    for at in [
        "storage.path: ",
        "storage.prefix: ",
        "storage.attempts: ",
        "directory bucket",
    ] {
        assert!(refused.contains(at), "{at}: {refused}");
    }
}
