#![allow(clippy::unwrap_used)]

use keyward_ledger::{Algorithm, KeyName, VerifierKey};

use crate::server::config::audit_witness::AuditWitness;
use crate::server::config::{AuditSync, Config, check, check_sinks, witnesses};

fn key(name: &str, algorithm: Algorithm, seed: u8) -> String {
    VerifierKey::new(KeyName::new(name).unwrap(), algorithm, [seed; 32]).to_string()
}

fn good(seed: u8) -> AuditWitness {
    AuditWitness {
        url: Some("https://witness.example/keyward/".to_owned()),
        key: Some(key("witness.example", Algorithm::Cosignature, seed)),
        ..AuditWitness::default()
    }
}

/// The problems of a configuration with these witnesses.
fn problems(all: &[(&str, AuditWitness)], required: u64) -> Vec<String> {
    let mut config = Config::default();
    config.node.data_dir = std::env::temp_dir();
    config.audit.witnesses_required = required;
    config.audit_witness = all
        .iter()
        .map(|(name, it)| ((*name).to_owned(), it.clone()))
        .collect();
    let found = check(&config).err();
    let found = found.into_iter().flat_map(|error| error.problems);
    found
        .filter(|it| it.at.contains("witness"))
        .map(|it| it.to_string())
        .collect()
}

#[test]
fn a_witness_has_an_address_and_a_key_of_its_own() {
    assert_eq!(problems(&[("a", good(1)), ("b", good(2))], 2), [""; 0]);
    let wrong = |it: AuditWitness, part: &str| {
        let found = problems(&[("a", it)], 0).join("\n");
        assert!(found.contains(part), "{part}: {found}");
    };
    wrong(AuditWitness::default(), "audit_witness.a.url");
    wrong(AuditWitness::default(), "audit_witness.a.key");
    let at = |url: &str| AuditWitness {
        url: Some(url.to_owned()),
        ..good(1)
    };
    wrong(at("http://witness.example"), "must be https");
    wrong(at("http://127.0.0.1:1"), "allow_plain");
    wrong(at("https://user:hunter2@witness.example"), "no user");
    wrong(at("https://witness.example/?a=b"), "must");
    wrong(
        AuditWitness {
            allow_plain: true,
            ..at("http://10.0.0.1/")
        },
        "must be https",
    );
    let with = |key: String| AuditWitness {
        key: Some(key),
        ..good(1)
    };
    wrong(
        with(key("log.example", Algorithm::Ed25519, 1)),
        "key of a log",
    );
    wrong(with("witness.example+00000000+AAAA".to_owned()), "key");
    wrong(
        AuditWitness {
            alert_seconds: 1,
            ..good(1)
        },
        "alert_seconds",
    );
    wrong(
        AuditWitness {
            cert_file: Some("/nowhere".into()),
            ..good(1)
        },
        "set together",
    );
}

#[test]
fn as_many_must_sign_as_there_are_at_most_and_each_once() {
    let found = problems(&[("a", good(1))], 2).join("\n");
    assert!(found.contains("audit.witnesses_required"), "{found}");
    let found = problems(&[("a", good(1)), ("b", good(1))], 2).join("\n");
    assert!(found.contains("is the key of a too"), "{found}");
    let mut config = Config::default();
    config.audit_witness.insert("a".to_owned(), good(1));
    config.audit.sync = AuditSync::Written;
    let found = check(&config).unwrap_err().to_string();
    assert!(found.contains("nothing for witnesses to sign"), "{found}");
    let policy = witnesses(&config, &check_sinks::unread).unwrap().unwrap();
    assert_eq!(
        policy.witnesses[0].url.as_str(),
        "https://witness.example/keyward/add-checkpoint"
    );
    assert!(
        witnesses(&Config::default(), &check_sinks::unread)
            .unwrap()
            .is_none()
    );
}
