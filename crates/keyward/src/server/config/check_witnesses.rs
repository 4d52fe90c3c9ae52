//! What the settings of witnesses mean together, and whom they ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use keyward_ledger::{Algorithm, VerifierKey};
use keyward_sinks::TlsFiles;
use keyward_sinks::witness::{WitnessPolicy, WitnessSettings};
use url::Url;

use super::audit_witness::{AuditWitness, SECTION};
use super::check::Findings;
use super::check_sinks::{OpenSecret, is_loopback, unread};
use super::secret_source::SecretSource;
use super::{AuditSync, Config, ConfigError, audit_witness_for};

/// The most that are asked.
const WITNESSES_MAX: usize = 32;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let _ = read(config, &unread, found);
    for (name, it) in &config.audit_witness {
        let at = |key: &str| format!("{SECTION}.{name}.{key}");
        if let Some(SecretSource::File(file)) = &it.key_file {
            found.private_if_there(&at("key_file"), file);
        }
        for (key, file) in [("ca_file", &it.ca_file), ("cert_file", &it.cert_file)] {
            if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
                found.missing(&at(key), format!("{} is not a file", file.display()));
            }
        }
    }
    policy(config, found);
    let _ = read_logs(config, found);
}

fn policy(config: &Config, found: &mut Findings) {
    let (audit, count) = (&config.audit, config.audit_witness.len());
    if count > WITNESSES_MAX {
        found.add(
            SECTION,
            format!("has {count} witnesses; at most {WITNESSES_MAX}"),
        );
    }
    if audit.witnesses_required > count as u64 {
        let required = audit.witnesses_required;
        let what = format!("is {required}, and there are {count} witnesses [{SECTION}.NAME]");
        found.add("audit.witnesses_required", what);
    }
    if audit.witness_wait_seconds > 3600 {
        let what = format!("is {}; must be 0 to 3600", audit.witness_wait_seconds);
        found.add("audit.witness_wait_seconds", what);
    }
    if count > 0 && audit.sync == AuditSync::Written {
        let what = "makes no transparency log, so there is nothing for witnesses to sign; take \
                    audit_witness away, or set \"always\"";
        found.add("audit.sync", what);
    }
}

/// The witnesses that a configuration asks for; none if there are none.
pub fn witnesses(
    config: &Config,
    secret: OpenSecret<'_>,
) -> Result<Option<WitnessPolicy>, ConfigError> {
    let mut found = Findings::default();
    let witnesses = read(config, secret, &mut found);
    found.into_result()?;
    Ok((!witnesses.is_empty()).then(|| WitnessPolicy {
        witnesses,
        required: usize::try_from(config.audit.witnesses_required).unwrap_or(usize::MAX),
        wait: Duration::from_secs(config.audit.witness_wait_seconds),
    }))
}

/// The logs of which this server is a witness, by their names in the configuration.
pub fn witnessed_logs(config: &Config) -> Result<BTreeMap<String, VerifierKey>, ConfigError> {
    let mut found = Findings::default();
    let logs = read_logs(config, &mut found);
    found.into_result().map(|()| logs)
}

fn read_logs(config: &Config, found: &mut Findings) -> BTreeMap<String, VerifierKey> {
    let mut logs: BTreeMap<String, VerifierKey> = BTreeMap::new();
    for (name, it) in &config.audit_witness_for {
        let at = |key: &str| format!("{}.{name}.{key}", audit_witness_for::SECTION);
        let key = match it.key.as_ref().map(|text| text.parse::<VerifierKey>()) {
            Some(Ok(key)) if key.algorithm() == Algorithm::Ed25519 => key,
            Some(Ok(_)) => {
                found.add(
                    &at("key"),
                    "is the key of a witness and not of a log (type 0x01)",
                );
                continue;
            }
            Some(Err(error)) => {
                found.add(&at("key"), error.to_string());
                continue;
            }
            None => {
                found.add(&at("key"), "must be set: `keyward audit key` shows it");
                continue;
            }
        };
        if it
            .origin
            .as_deref()
            .is_some_and(|origin| origin != key.name().as_str())
        {
            found.add(&at("origin"), "is another name than the one in the key");
        }
        if logs.values().any(|other| other.name() == key.name()) {
            found.add(&at("key"), "is of a log that is named already");
        }
        logs.insert(name.clone(), key);
    }
    logs
}

fn read(config: &Config, secret: OpenSecret<'_>, found: &mut Findings) -> Vec<WitnessSettings> {
    let mut keys = BTreeMap::new();
    let mut witnesses = Vec::new();
    for (name, it) in &config.audit_witness {
        bounds(name, it, found);
        let at = |key: &str| format!("{SECTION}.{name}.{key}");
        if it.cert_file.is_some() != it.key_file.is_some() {
            found.add(&at("key_file"), "and cert_file are set together");
        }
        let (url, key) = (url(name, it, found), key(name, it, found));
        let (Some(url), Some(key)) = (url, key) else {
            continue;
        };
        if let Some(other) = keys.insert(key.public(), name) {
            found.add(&at("key"), format!("is the key of {other} too"));
        }
        witnesses.push(WitnessSettings {
            name: name.clone(),
            url,
            key,
            tls: TlsFiles {
                ca: it.ca_file.clone(),
                certificate: it.cert_file.clone(),
                key: it.key_file.as_ref().map(secret),
            },
            connect: Duration::from_secs(it.connect_seconds),
            answer: Duration::from_secs(it.answer_seconds),
            retry_most: Duration::from_secs(it.retry_seconds),
        });
    }
    witnesses
}

fn bounds(name: &str, it: &AuditWitness, found: &mut Findings) {
    let bounds = [
        ("connect_seconds", it.connect_seconds, 1, 300),
        ("answer_seconds", it.answer_seconds, 1, 300),
        ("retry_seconds", it.retry_seconds, 1, 3600),
        ("alert_seconds", it.alert_seconds, 10, 7 * 86_400),
    ];
    for (key, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            let what = format!("is {value}; must be {least} to {most}");
            found.add(&format!("{SECTION}.{name}.{key}"), what);
        }
    }
}

/// Says nothing of what is in the address: it may be private.
fn url(name: &str, it: &AuditWitness, found: &mut Findings) -> Option<Url> {
    let at = format!("{SECTION}.{name}.url");
    let text = it.url.as_deref().unwrap_or_default();
    let url = Url::parse(&format!("{}/add-checkpoint", text.trim_end_matches('/')));
    let Some(url) = url.ok().filter(Url::has_host) else {
        found.add(&at, "must be set to https://host:port/prefix");
        return None;
    };
    let plain_parts = url.query().is_none() && url.fragment().is_none();
    if !url.username().is_empty() || url.password().is_some() || !plain_parts {
        found.add(&at, "must hold no user, password, query or fragment");
    }
    let loopback = url.host().is_some_and(|host| is_loopback(&host.to_owned()));
    match url.scheme() {
        "https" => {}
        "http" if it.allow_plain && loopback => {}
        "http" if loopback => found.add(&at, "is without TLS; set allow_plain = true"),
        _ => found.add(&at, "must be https; without TLS only to this machine"),
    }
    Some(url)
}

fn key(name: &str, it: &AuditWitness, found: &mut Findings) -> Option<VerifierKey> {
    let at = format!("{SECTION}.{name}.key");
    let Some(text) = &it.key else {
        found.add(
            &at,
            "must be set: the public key that the witness publishes",
        );
        return None;
    };
    match text.parse::<VerifierKey>() {
        Ok(key) if key.algorithm() == Algorithm::Cosignature => Some(key),
        Ok(_) => {
            found.add(&at, "is the key of a log and not of a witness (type 0x04)");
            None
        }
        Err(error) => {
            found.add(&at, error.to_string());
            None
        }
    }
}

#[cfg(test)]
#[path = "check_witnesses_tests.rs"]
mod tests;
