//! What the settings of the vault's backend mean together. A section of a backend that was not
//! chosen is reported: whoever filled it in believes that it counts.

use std::net::IpAddr;
use std::path::Path;

use super::check::Findings;
use super::{Config, StorageKind};

/// What a prefix or an object's name may be made of.
const PREFIX_FORM: &str = "must be segments of a-z, 0-9, '.', '_' and '-' joined by '/', at most \
                           100 bytes, and none of them rec, kek, root, seal, probe, migration, \
                           objects or parts";

pub(super) fn check(config: &Config, found: &mut Findings) {
    let storage = &config.storage;
    let kind = storage.backend;
    let is_local = config.vault_path().is_some();
    if !is_local && storage.path.is_some() {
        let what = format!("is set, but backend = \"{kind}\" keeps nothing in a path");
        found.add("storage.path", what);
    }
    if let Some(prefix) = &storage.prefix {
        if is_local {
            let what = format!("is set, but backend = \"{kind}\" shares its place with nobody");
            found.add("storage.prefix", what);
        } else if !is_prefix(prefix) {
            found.add("storage.prefix", PREFIX_FORM);
        }
    }
    for (at, value, least, most) in [
        ("storage.timeout_seconds", storage.timeout_seconds, 1, 600),
        ("storage.attempts", storage.attempts, 1, 100),
        ("storage.space_low_mib", storage.space_low_mib, 0, 1 << 30),
        (
            "storage.migrate_per_second",
            storage.migrate_per_second,
            1,
            1_000_000,
        ),
        (
            "storage.migrate_uncommitted_days",
            storage.migrate_uncommitted_days,
            1,
            365,
        ),
        (
            "storage_postgres.connections",
            config.storage_postgres.connections,
            1,
            1000,
        ),
    ] {
        if !(least..=most).contains(&value) {
            found.add(at, format!("is {value}; must be {least} to {most}"));
        }
    }
    local(config, found);
    match kind {
        StorageKind::Embedded | StorageKind::File => {}
        StorageKind::Postgres => postgres(config, found),
        StorageKind::S3 => s3(config, found),
        StorageKind::Azure => azure(config, found),
        StorageKind::Gcs => gcs(config, found),
    }
    unused(config, found);
}

fn is_prefix(prefix: &str) -> bool {
    !prefix.is_empty() && keyward_vault::backend::is_prefix(prefix)
}

fn local(config: &Config, found: &mut Findings) {
    let Some(path) = config.vault_path() else {
        return;
    };
    let wrong = match config.storage.backend {
        StorageKind::Embedded if path.is_dir() => {
            "a directory; backend = \"embedded\" keeps one file"
        }
        StorageKind::File if path.is_file() => "a file; backend = \"file\" keeps a directory",
        _ => return,
    };
    found.add("storage.path", format!("{} is {wrong}", path.display()));
}

fn postgres(config: &Config, found: &mut Findings) {
    let section = &config.storage_postgres;
    match &section.url {
        None => found.add(
            "storage_postgres.url",
            "is needed for backend = \"postgres\"",
        ),
        Some(url) => found.database("storage_postgres", url),
    }
    if let Some(file) = &section.password_file {
        found.private("storage_postgres.password_file", file);
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let schema = &section.schema;
    let is_own = !schema.starts_with("pg_") && !schema.starts_with(|c: char| c.is_ascii_digit());
    if !(1..=63).contains(&schema.len())
        || !schema.bytes().all(plain)
        || !is_own
        || ["public", "information_schema"].contains(&schema.as_str())
    {
        found.add(
            "storage_postgres.schema",
            "must be 1 to 63 of a-z, 0-9 and '_', and no schema of others (public, pg_…)",
        );
    }
}

fn s3(config: &Config, found: &mut Findings) {
    let section = &config.storage_s3;
    needed("storage_s3.bucket", section.bucket.as_deref(), "s3", found);
    endpoint(
        "storage_s3",
        section.endpoint.as_deref(),
        section.allow_http,
        found,
    );
    ca_file("storage_s3", section.ca_file.as_deref(), found);
    match (&section.access_key_id, &section.secret_access_key_file) {
        (Some(_), None) => found.add(
            "storage_s3.secret_access_key_file",
            "is needed with access_key_id; or set neither, for the standard chain",
        ),
        (None, Some(_)) => found.add(
            "storage_s3.access_key_id",
            "is needed with secret_access_key_file; or set neither, for the standard chain",
        ),
        _ => {}
    }
    if let Some(file) = &section.secret_access_key_file {
        found.private("storage_s3.secret_access_key_file", file);
    }
    let is_express = |bucket: &String| bucket.ends_with("--x-s3");
    if section.bucket.as_ref().is_some_and(is_express) {
        found.add(
            "storage_s3.bucket",
            "is a directory bucket, which does not list in order; use a general purpose bucket",
        );
    }
}

fn azure(config: &Config, found: &mut Findings) {
    let section = &config.storage_azure;
    needed(
        "storage_azure.account",
        section.account.as_deref(),
        "azure",
        found,
    );
    needed(
        "storage_azure.container",
        section.container.as_deref(),
        "azure",
        found,
    );
    endpoint(
        "storage_azure",
        section.endpoint.as_deref(),
        section.allow_http,
        found,
    );
    ca_file("storage_azure", section.ca_file.as_deref(), found);
    if let Some(file) = &section.access_key_file {
        found.private("storage_azure.access_key_file", file);
    }
}

fn gcs(config: &Config, found: &mut Findings) {
    let section = &config.storage_gcs;
    needed(
        "storage_gcs.bucket",
        section.bucket.as_deref(),
        "gcs",
        found,
    );
    endpoint(
        "storage_gcs",
        section.endpoint.as_deref(),
        section.allow_http,
        found,
    );
    ca_file("storage_gcs", section.ca_file.as_deref(), found);
    if let Some(file) = &section.service_account_file {
        found.private("storage_gcs.service_account_file", file);
        if section.anonymous {
            found.add(
                "storage_gcs.anonymous",
                "is set, and a service account as well",
            );
        }
    }
    if section.anonymous && !section.endpoint.as_deref().is_some_and(is_loopback) {
        found.add("storage_gcs.anonymous", "is for emulators on loopback only");
    }
}

fn needed(at: &str, value: Option<&str>, backend: &str, found: &mut Findings) {
    if value.is_none_or(str::is_empty) {
        found.add(at, format!("is needed for backend = \"{backend}\""));
    }
}

fn endpoint(section: &str, endpoint: Option<&str>, allow_http: bool, found: &mut Findings) {
    let at = format!("{section}.endpoint");
    if let Some(endpoint) = endpoint {
        let has_password = endpoint
            .split('/')
            .nth(2)
            .is_some_and(|host| host.contains('@'));
        if has_password || endpoint.contains(['?', '#']) {
            found.add(
                &at,
                "holds a user, a password or parameters; credentials have settings of their own",
            );
        } else if endpoint.starts_with("http://") && !allow_http {
            found.add(
                &at,
                "is plain HTTP; use https:// (allow_http is for loopback only)",
            );
        } else if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            found.add(&at, "must begin with https://");
        }
    }
    if allow_http && !endpoint.is_some_and(is_loopback) {
        found.add(
            &format!("{section}.allow_http"),
            "is for an endpoint on loopback only",
        );
    }
}

/// Whether an address is this very machine, so that plain text stays on it.
fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or("");
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn ca_file(section: &str, file: Option<&Path>, found: &mut Findings) {
    if let Some(file) = file
        && !file.is_file()
    {
        let what = format!("{} is not a file", file.display());
        found.add(&format!("{section}.ca_file"), what);
    }
}

/// Sections that are filled in and not read.
fn unused(config: &Config, found: &mut Findings) {
    let filled = [
        (
            StorageKind::Postgres,
            config.storage_postgres != super::StoragePostgres::default(),
        ),
        (
            StorageKind::S3,
            config.storage_s3 != super::StorageS3::default(),
        ),
        (
            StorageKind::Azure,
            config.storage_azure != super::StorageAzure::default(),
        ),
        (
            StorageKind::Gcs,
            config.storage_gcs != super::StorageGcs::default(),
        ),
    ];
    for (kind, is_filled) in filled {
        if let Some(section) = kind.section()
            && is_filled
            && kind != config.storage.backend
        {
            let what = format!("is filled in, but storage.backend is not \"{kind}\"");
            found.add(section, what);
        }
    }
}

#[cfg(test)]
#[path = "check_storage_tests.rs"]
mod tests;
