//! `[audit_sink.NAME]`: a stream of the audit log. As many as there are names; each has the settings of
//! one table, some of which are for one kind alone.

use std::path::PathBuf;

use keyward_core::audit::format::Format;
use keyward_core::sink_board::SinkKind;

use super::secret_source::SecretSource;
use super::settings::{Setting, sections};

/// The section of all of them.
pub const SECTION: &str = "audit_sink";

fn one_of<T: std::fmt::Display>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(|value| format!("`{value}`")).collect();
    all.join(", ")
}

impl Setting for Format {
    fn form() -> String {
        one_of(Self::ALL)
    }
}

impl Setting for SinkKind {
    fn form() -> String {
        one_of(Self::ALL)
    }
}

sections! {
    /// A stream of the audit log: `NAME` is `a-z`, `0-9` and `-`, at most 32 characters, and `NAME` in
    /// the variable is the same with `_` for `-`. [audit-sinks.md](audit-sinks.md) has whole examples.
    [audit_sink] AuditSink {
        /// What it is.
        kind: Option<SinkKind> = None, "must be set";
        /// The form of an entry ([audit-export.md](audit-export.md)).
        format: Format = Format::JsonLines, "`jsonl`";
        /// Where a new sink begins: `beginning`, `now`, or behind the entry with this number.
        from: String = "beginning".to_owned(), "`beginning`";
        /// Only entries of these tenants, by their ids; `system` for the system's own.
        tenants: Vec<String> = Vec::new(), "all";
        /// Only these actions: as the log names them (`key.create`), all of a noun (`key.*`), or of a
        /// class (`@use`, `@change`, `@read`, `@release`, `@record`).
        actions: Vec<String> = Vec::new(), "all";
        /// Only entries that ended so: `ok`, `refused`, `failed`.
        outcomes: Vec<String> = Vec::new(), "all";
        /// Also the transparency log's commitments, one each second while anything is logged.
        heads: bool = false, "`false`";
        /// The most entries in a batch, 1 to 5000.
        batch_entries: u64 = 500, "`500`";
        /// The most KiB of a batch, 16 to 16384.
        batch_kib: u64 = 512, "`512`";
        /// How long a connection may take to be made, 1 to 300.
        connect_seconds: u64 = 10, "`10`";
        /// How long a batch may take to be written and answered, 1 to 3600.
        answer_seconds: u64 = 30, "`30`";
        /// The longest pause between two tries, 1 to 3600.
        retry_seconds: u64 = 60, "`60`";
        /// How old the oldest entry may be that the sink does not have before that is an alert.
        alert_seconds: u64 = 300, "`300`";
        /// `file`: the file. Its directory must be there, and the server be allowed to write in it.
        path: Option<PathBuf> = None, "must be set for `file`";
        /// `file`: at which size in MiB another one is begun; 0: never.
        rotate_mib: u64 = 100, "`100`";
        /// `file`: after how many hours, counted from midnight UTC, another one is begun; 0: never.
        rotate_hours: u64 = 24, "`24`";
        /// `file`: how many that are full are kept; 0: all.
        keep: u64 = 0, "`0`";
        /// `file`: whether its group may read it (0640 instead of 0600).
        group_readable: bool = false, "`false`";
        /// `syslog`, `nats`: `host:port`.
        address: Option<String> = None, "must be set for `syslog`, `nats`";
        /// All but `file`: without TLS; refused for any address but loopback.
        allow_plain: bool = false, "`false`";
        /// `syslog`: the name in the receiver's certificate.
        server_name: Option<String> = None, "the host of `address`";
        /// `syslog`: the facility, 0 to 23 (RFC 5424).
        facility: u64 = 13, "`13`, log audit";
        /// `http`: where to. `splunk`: `https://host:port`, without a path.
        url: Option<String> = None, "must be set for `http`, `splunk`";
        /// `http`, `splunk`: the file that holds the token, readable by nobody else, or `vault:NAME`;
        /// `nats`: the credentials, as `nsc` makes them. It is read again after each failure.
        token_file: Option<SecretSource> = None, "must be set for `splunk`";
        /// `http`: what stands before the token in the header `Authorization`.
        token_scheme: String = "Bearer".to_owned(), "`Bearer`";
        /// `splunk`: the index.
        index: Option<String> = None, "the token's";
        /// `splunk`: the source type.
        source_type: String = "keyward:audit".to_owned(), "`keyward:audit`";
        /// `splunk`: wait for each batch until indexers have it.
        acknowledge: bool = false, "`false`";
        /// `nats`: the subject, which a stream of JetStream must take.
        subject: Option<String> = None, "must be set for `nats`";
        /// `nats`: that stream; any other is refused.
        stream: Option<String> = None, "any";
        /// Certificates to trust, PEM.
        ca_file: Option<PathBuf> = None, "the system's; must be set for `syslog`, `nats`";
        /// Our own certificate and its chain, PEM, where the receiver asks for one.
        cert_file: Option<PathBuf> = None, "not set";
        /// Its private key, PEM, readable by nobody else, or `vault:NAME`.
        key_file: Option<SecretSource> = None, "must be set with `cert_file`";
    }
}
