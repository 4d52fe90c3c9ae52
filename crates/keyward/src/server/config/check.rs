//! What a configuration's values mean together: dangerous or impossible combinations, and files
//! that are missing or open to others. Reports everything at once; changes nothing.

use std::path::Path;

use super::secret_source::{SecretSource, is_reference};
use super::{Config, ConfigError, Limits, Problem, TlsMode, check_seal, check_storage};
use crate::private_file;
use crate::server::{database_url, filesystem};

/// Checks a configuration.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    checked(config, Findings::default())
}

/// Checks what a server would start with. A file of one seal that is not there costs that seal, and
/// not the server, which another seal may open; nor does that of a sink.
pub fn check_to_serve(config: &Config) -> Result<(), ConfigError> {
    let forgiving = Findings {
        forgives_missing: true,
        ..Findings::default()
    };
    checked(config, forgiving)
}

fn checked(config: &Config, mut found: Findings) -> Result<(), ConfigError> {
    node(config, &mut found);
    listen(config, &mut found);
    registry(config, &mut found);
    check_storage::check(config, &mut found);
    limits(config, &mut found);
    rotation(config, &mut found);
    super::check_backup::check(config, &mut found);
    super::check_repairs::check(config, &mut found);
    check_seal::check(config, &mut found);
    super::check_retention::check(config, &mut found);
    super::check_mirrors::check(config, &mut found);
    super::check_sinks::check(config, &mut found);
    super::check_witnesses::check(config, &mut found);
    if tracing_subscriber::EnvFilter::try_new(&config.log.level).is_err() {
        found.add(
            "log.level",
            "must be error, warn, info, debug, trace, or directives",
        );
    }
    found.into_result()
}

/// What is wrong so far.
#[derive(Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    forgives_missing: bool,
}

impl Findings {
    pub(super) fn into_result(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }

    pub(super) fn add(&mut self, at: &str, what: impl Into<String>) {
        self.problems.push(Problem {
            at: at.to_owned(),
            what: what.into(),
        });
    }

    /// A database's URL, which names everything but the password.
    pub(super) fn database(&mut self, section: &str, url: &str) {
        if let Some(fault) = database_url::fault(url) {
            self.add(&format!("{section}.url"), fault);
        }
    }

    pub(super) fn private(&mut self, at: &str, file: &Path) {
        if is_reference(file) {
            self.add(
                at,
                "is needed before the vault is open and cannot be kept in it; name a file",
            );
            return;
        }
        if let Err(error) = private_file::ensure_private(file) {
            self.add(at, error.to_string());
        }
    }
}

impl Findings {
    /// Something that may be missing when a server is to start.
    pub(super) fn missing(&mut self, at: &str, what: String) {
        if !self.forgives_missing {
            self.add(at, what);
        }
    }

    /// A file of a seal or a sink: it may be missing when a server is to start.
    pub(super) fn private_if_there(&mut self, at: &str, file: &Path) {
        if !(self.forgives_missing && !is_reference(file) && !file.exists()) {
            self.private(at, file);
        }
    }
}

fn node(config: &Config, found: &mut Findings) {
    let name = &config.node.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        found.add(
            "node.name",
            "must be 1 to 64 of letters, digits, '.', '_' and '-'",
        );
    }
    let places = [
        ("node.data_dir", config.node.data_dir.clone()),
        ("audit.dir", config.audit_dir()),
    ];
    let vault = config.vault_path().map(|path| ("storage.path", path));
    for (at, path) in places.into_iter().chain(vault) {
        if let Err(error) = filesystem::ensure_local(&path) {
            found.add(at, error.to_string());
        }
    }
}

fn listen(config: &Config, found: &mut Findings) {
    let listen = &config.listen;
    match listen.tls {
        TlsMode::Off if !listen.address.ip().is_loopback() => found.add(
            "listen.tls",
            format!(
                "{} can be reached from other machines; set tls = \"files\" with a certificate, \
                 or listen on 127.0.0.1",
                listen.address
            ),
        ),
        TlsMode::Files => {
            match &listen.tls_cert_file {
                None => found.add("listen.tls_cert_file", "is needed for tls = \"files\""),
                Some(file) if !file.is_file() => {
                    found.add(
                        "listen.tls_cert_file",
                        format!("{} is not a file", file.display()),
                    );
                }
                Some(_) => {}
            }
            match &listen.tls_key_file {
                None => found.add("listen.tls_key_file", "is needed for tls = \"files\""),
                Some(SecretSource::File(file)) => found.private("listen.tls_key_file", file),
                Some(SecretSource::Vault(_)) if !check_seal::opens_itself(config) => found.add(
                    "listen.tls_key_file",
                    "is in the vault, which is opened through this very listener; set \
                     seal.key_file, or keep the key in a file",
                ),
                Some(SecretSource::Vault(_)) => {}
            }
        }
        TlsMode::Off | TlsMode::SelfMade => {}
    }
    if listen.tls != TlsMode::Files
        && (listen.tls_cert_file.is_some() || listen.tls_key_file.is_some())
    {
        found.add(
            "listen.tls",
            "a certificate or key file is set; set tls = \"files\" to use it",
        );
    }
}

fn registry(config: &Config, found: &mut Findings) {
    let registry = &config.registry;
    if let Some(url) = &registry.url {
        found.database("registry", url);
    }
    if let Some(file) = &registry.password_file {
        found.private("registry.password_file", file);
        if registry.url.is_none() {
            found.add(
                "registry.password_file",
                "is set, but no url that would need it",
            );
        }
    }
    for (at, value, most) in [
        (
            "registry.migrate_per_second",
            registry.migrate_per_second,
            1_000_000,
        ),
        (
            "registry.migrate_uncommitted_days",
            registry.migrate_uncommitted_days,
            365,
        ),
    ] {
        if !(1..=most).contains(&value) {
            found.add(at, format!("is {value}; must be 1 to {most}"));
        }
    }
}

fn limits(config: &Config, found: &mut Findings) {
    let (limits, lifecycle) = (&config.limits, &config.lifecycle);
    let wait = lifecycle.destruction_wait_days;
    let window = lifecycle.rollback_window_seconds;
    let kept = config.seal.previous_root_seconds;
    let hour = 3600;
    let bounds = [
        ("limits.body_bytes", limits.body_bytes, 1024, 64 << 20),
        ("limits.connections", limits.connections, 1, 1_000_000),
        (
            "limits.requests_per_second",
            limits.requests_per_second,
            0,
            1_000_000,
        ),
        ("limits.request_burst", limits.request_burst, 1, 1_000_000),
        (
            "limits.header_timeout_seconds",
            limits.header_timeout_seconds,
            1,
            hour,
        ),
        (
            "limits.body_timeout_seconds",
            limits.body_timeout_seconds,
            1,
            hour,
        ),
        (
            "limits.request_timeout_seconds",
            limits.request_timeout_seconds,
            1,
            hour,
        ),
        (
            "limits.shutdown_grace_seconds",
            limits.shutdown_grace_seconds,
            0,
            hour,
        ),
        (
            "limits.rewrap_per_second",
            limits.rewrap_per_second,
            1,
            1_000_000,
        ),
        ("seal.check_seconds", config.seal.check_seconds, 10, 86_400),
        ("seal.previous_root_seconds", kept, 1, 604_800),
        (
            "limits.scrub_per_second",
            limits.scrub_per_second,
            0,
            1_000_000,
        ),
        (
            "audit.queue_entries",
            config.audit.queue_entries,
            16,
            1_048_576,
        ),
        ("lifecycle.destruction_wait_days", wait, 7, 30),
        ("lifecycle.rollback_window_seconds", window, 0, 7_776_000),
    ];
    within(&bounds, found);
    values(limits, found);
}

/// How keys are rotated by their policies.
fn rotation(config: &Config, found: &mut Findings) {
    let rotation = &config.rotation;
    let bounds = [
        (
            "rotation.check_interval",
            rotation.check_interval,
            1,
            86_400,
        ),
        ("rotation.at_once", rotation.at_once, 1, 64),
        ("rotation.per_run", rotation.per_run, 1, 100_000),
    ];
    within(&bounds, found);
}

/// Values of secrets that are sent as bytes.
fn values(limits: &Limits, found: &mut Findings) {
    let (slowest, places) = (
        limits.value_bytes_per_second_min,
        limits.values_under_way_per_tenant,
    );
    let bounds = [
        ("limits.value_bytes", limits.value_bytes, 1 << 16, 5 << 30),
        ("limits.value_bytes_per_second_min", slowest, 1, 1 << 30),
        ("limits.values_under_way", limits.values_under_way, 1, 1024),
        ("limits.values_under_way_per_tenant", places, 1, 1024),
    ];
    within(&bounds, found);
}

/// What is not within its bounds.
fn within(bounds: &[(&'static str, u64, u64, u64)], found: &mut Findings) {
    for &(at, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            found.add(at, format!("is {value}; must be {least} to {most}"));
        }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
