#![allow(clippy::unwrap_used)]

use super::*;
use crate::private_file;

fn said(config: &Config) -> String {
    check(config).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_good() {
    check(&Config::default()).unwrap();
}

#[test]
fn that_something_of_the_log_goes_is_refused() {
    let mut config = Config::default();
    config.audit.let_go = true;
    let said = said(&config);
    assert!(said.contains("audit.let_go: is true"), "{said}");
    assert!(said.contains("lets nothing of the log go yet"), "{said}");
}

#[test]
fn an_open_line_beyond_loopback_is_refused() {
    let mut config = Config::default();
    for address in ["0.0.0.0:8210", "10.0.0.1:8210", "[::]:8210"] {
        config.listen.address = address.parse().unwrap();
        config.listen.tls = TlsMode::Off;
        assert!(said(&config).contains("listen.tls: "), "{address}");
        config.listen.tls = TlsMode::SelfMade;
        check(&config).unwrap();
    }
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    let mut config = Config::default();
    config.registry.url = Some("postgres://keyward:hunter2@db/keyward".to_owned());
    let first = said(&config);
    config.registry.url = Some("postgres://keyward@db/keyward?password=hunter2".to_owned());
    for said in [first, said(&config)] {
        assert!(
            said.contains("password_file") && !said.contains("hunter2"),
            "{said}"
        );
    }
    config.registry.url = Some("postgres://keyward@db:5432/keyward?sslmode=require".to_owned());
    check(&config).unwrap();
}

#[test]
fn files_with_secrets_must_be_there_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seal.key");
    let mut config = Config::default();
    config.seal.key_file = Some(file.clone());
    assert!(said(&config).contains("seal.key_file: "));
    private_file::write(&file, &[7; 32]).unwrap();
    check(&config).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(said(&config).contains("chmod 600"));
}

#[test]
fn what_is_needed_before_the_vault_is_open_cannot_be_in_it() {
    let mut config = Config::default();
    config.seal.key_file = Some("vault:seal".into());
    config.registry.url = Some("postgres://keyward@db/keyward".to_owned());
    config.registry.password_file = Some("vault:db/password".into());
    let problems = check(&config).unwrap_err().problems;
    let at: Vec<_> = problems.iter().map(|problem| problem.at.as_str()).collect();
    assert_eq!(at, ["registry.password_file", "seal.key_file"]);
    assert!(problems[0].what.contains("before the vault is open"));

    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("tls.pem"), dir.path().join("seal.key"));
    std::fs::write(&certificate, "").unwrap();
    private_file::write(&key, &[7; 32]).unwrap();
    let mut config = Config::default();
    config.listen.tls = TlsMode::Files;
    config.listen.tls_cert_file = Some(certificate);
    let name = keyward_core::names::SecretName::new("tls/key").unwrap();
    config.listen.tls_key_file = Some(SecretSource::Vault(name));
    assert!(said(&config).contains("opened through this very listener"));
    config.seal.key_file = Some(key);
    check(&config).unwrap();
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut config = Config::default();
    config.node.name = "a name".to_owned();
    config.listen.tls = TlsMode::Files;
    config.limits.body_bytes = 0;
    config.lifecycle.destruction_wait_days = 6;
    config.registry.url = Some("mysql://db".to_owned());
    config.log.level = "keyward=loud".to_owned();
    assert_eq!(check(&config).unwrap_err().problems.len(), 7);
}
