//! What of the seals' settings belongs together: each section is whole or not there, secrets are in
//! private files, and nothing is asked over an open line.

use std::path::Path;

use super::Config;
use super::check::Findings;

/// Checks the sections of seals.
pub(super) fn check(config: &Config, found: &mut Findings) {
    let seal = &config.seal;
    for (at, file) in [
        ("seal.key_file", &seal.key_file),
        ("seal.second_key_file", &seal.second_key_file),
    ] {
        // The second one may be made by `keyward seal add`.
        let is_to_be_made = at == "seal.second_key_file";
        match file {
            Some(file) if !is_to_be_made || file.exists() => found.private_if_there(at, file),
            _ => {}
        }
    }
    if seal.second_key_file.is_some() && seal.second_key_file == seal.key_file {
        found.add("seal.second_key_file", "is the same file as seal.key_file");
    }
    pkcs11(config, found);
    transit(config, found);
}

/// Whether a node can open itself, as far as its configuration goes.
pub(super) const fn opens_itself(config: &Config) -> bool {
    config.seal.key_file.is_some()
        || config.seal.second_key_file.is_some()
        || config.seal_pkcs11.module.is_some()
        || config.seal_transit.address.is_some()
}

fn pkcs11(config: &Config, found: &mut Findings) {
    let section = &config.seal_pkcs11;
    let Some(module) = &section.module else {
        let rest = [&section.token, &section.key];
        if rest.into_iter().any(Option::is_some) || section.pin_file.is_some() {
            found.add(
                "seal_pkcs11.module",
                "is needed with the rest of the section",
            );
        }
        return;
    };
    if !module.is_file() {
        let what = format!("{} is not a file", module.display());
        found.add("seal_pkcs11.module", what);
    }
    needed("seal_pkcs11.token", section.token.is_some(), found);
    needed("seal_pkcs11.key", section.key.is_some(), found);
    private("seal_pkcs11.pin_file", section.pin_file.as_deref(), found);
}

fn transit(config: &Config, found: &mut Findings) {
    let section = &config.seal_transit;
    let Some(address) = &section.address else {
        if section.key.is_some() || section.token_file.is_some() {
            found.add(
                "seal_transit.address",
                "is needed with the rest of the section",
            );
        }
        return;
    };
    let host = address.strip_prefix("http://");
    if let Some(host) = host {
        if !is_loopback(host) {
            let what = "is plain HTTP, and the token could be read on the way; use https://";
            found.add("seal_transit.address", what);
        }
    } else if !address.starts_with("https://") {
        found.add("seal_transit.address", "must begin with https://");
    }
    let plain = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        !text.is_empty() && text.chars().all(fits) && !text.contains("..")
    };
    if !plain(&section.mount) {
        found.add(
            "seal_transit.mount",
            "must be letters, digits, '.', '_', '-' and '/'",
        );
    }
    if section
        .key
        .as_deref()
        .is_some_and(|key| !plain(key) || key.contains('/'))
    {
        found.add(
            "seal_transit.key",
            "must be letters, digits, '.', '_' and '-'",
        );
    }
    needed("seal_transit.key", section.key.is_some(), found);
    private(
        "seal_transit.token_file",
        section.token_file.as_deref(),
        found,
    );
}

fn needed(at: &str, is_there: bool, found: &mut Findings) {
    if !is_there {
        found.add(at, "is needed");
    }
}

fn private(at: &str, file: Option<&Path>, found: &mut Findings) {
    match file {
        Some(file) => found.private_if_there(at, file),
        None => found.add(at, "is needed"),
    }
}

fn is_loopback(host_and_port: &str) -> bool {
    let host = match host_and_port.rsplit_once(':') {
        Some((host, _)) => host,
        None => host_and_port,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let parsed = host.parse::<std::net::IpAddr>();
    host == "localhost" || parsed.is_ok_and(|address| address.is_loopback())
}
