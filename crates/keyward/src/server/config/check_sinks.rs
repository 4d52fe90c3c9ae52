//! What the settings of a sink mean together, and the sink that they ask for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::audit::Outcome;
use keyward_core::ids::TenantId;
use keyward_core::sink_board::SinkKind;
use keyward_sinks::{
    Credential, FileSettings, Filter, HttpSettings, NatsSettings, Pace, SinkSettings,
    SplunkSettings, Start, SyslogSettings, Target, TenantChoice, TlsFiles,
};
use url::{Host, Url};

use super::audit_sink::{AuditSink, SECTION};
use super::check::Findings;
use super::secret_source::SecretSource;
use super::{Config, ConfigError};

/// Where a secret of a sink is read.
pub type OpenSecret<'a> = &'a dyn Fn(&SecretSource) -> Arc<dyn Credential>;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let mut paths = BTreeMap::new();
    for (name, it) in &config.audit_sink {
        let mut reading = Reading::new(name, it, &unread);
        let _ = reading.sink(&config.node.name);
        for (key, what) in reading.problems {
            found.add(&format!("{SECTION}.{name}.{key}"), what);
        }
        files(name, it, found);
        if let Some(path) = &it.path
            && let Some(other) = paths.insert(path, name)
        {
            let what = format!("is the file of {other} too");
            found.add(&format!("{SECTION}.{name}.path"), what);
        }
    }
}

/// What is missing now may be there when the sink is: it costs that sink, and not the server.
fn files(name: &str, it: &AuditSink, found: &mut Findings) {
    let at = |key: &str| format!("{SECTION}.{name}.{key}");
    for (key, source) in [("token_file", &it.token_file), ("key_file", &it.key_file)] {
        if let Some(SecretSource::File(file)) = source {
            found.private_if_there(&at(key), file);
        }
    }
    for (key, file) in [("ca_file", &it.ca_file), ("cert_file", &it.cert_file)] {
        if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
            found.missing(&at(key), format!("{} is not a file", file.display()));
        }
    }
    if let Some(path) = &it.path {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        if !dir.is_dir() {
            found.missing(&at("path"), format!("{} is not a directory", dir.display()));
        }
    }
}

/// The sinks that a configuration asks for.
pub fn sinks(config: &Config, secret: OpenSecret<'_>) -> Result<Vec<SinkSettings>, ConfigError> {
    let mut found = Findings::default();
    let mut sinks = Vec::new();
    for (name, it) in &config.audit_sink {
        let mut reading = Reading::new(name, it, secret);
        sinks.extend(reading.sink(&config.node.name));
        for (key, what) in reading.problems {
            found.add(&format!("{SECTION}.{name}.{key}"), what);
        }
    }
    found.into_result().map(|()| sinks)
}

/// Nothing is read of it: only whether files are private counts when a configuration is checked.
pub(super) fn unread(_: &SecretSource) -> Arc<dyn Credential> {
    Arc::new(Unread)
}

struct Unread;

#[async_trait::async_trait]
impl Credential for Unread {
    async fn read(
        &self,
    ) -> Result<keyward_core::crypto_types::SecretBytes, keyward_sinks::Unreadable> {
        Err(keyward_sinks::Unreadable {
            what: "a secret".to_owned(),
            why: "is not read when a configuration is checked".to_owned(),
        })
    }
}

/// A sink's settings while they are understood.
struct Reading<'a> {
    name: &'a str,
    it: &'a AuditSink,
    secret: OpenSecret<'a>,
    problems: Vec<(&'static str, String)>,
}

impl<'a> Reading<'a> {
    const fn new(name: &'a str, it: &'a AuditSink, secret: OpenSecret<'a>) -> Self {
        Self {
            name,
            it,
            secret,
            problems: Vec::new(),
        }
    }

    fn wrong(&mut self, key: &'static str, what: impl Into<String>) {
        self.problems.push((key, what.into()));
    }

    fn sink(&mut self, node: &str) -> Option<SinkSettings> {
        self.bounds();
        let Some(kind) = self.it.kind else {
            self.wrong("kind", "must be set: what the sink is");
            return None;
        };
        self.useless(kind);
        let target = match kind {
            SinkKind::File => self.file(),
            SinkKind::Syslog => self.syslog(node),
            SinkKind::Http => self.http(),
            SinkKind::Splunk => self.splunk(node),
            SinkKind::Nats => self.nats(),
        };
        let (filter, from) = (self.filter(), self.from());
        let seconds = Duration::from_secs;
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Some(SinkSettings {
            name: self.name.to_owned(),
            target: target?,
            format: self.it.format,
            filter,
            from: from?,
            pace: Pace {
                entries: size(self.it.batch_entries),
                bytes: size(self.it.batch_kib * 1024),
                connect: seconds(self.it.connect_seconds),
                answer: seconds(self.it.answer_seconds),
                retry_most: seconds(self.it.retry_seconds),
            },
        })
    }

    fn bounds(&mut self) {
        let it = self.it;
        let bounds = [
            ("batch_entries", it.batch_entries, 1, 5000),
            ("batch_kib", it.batch_kib, 16, 16 * 1024),
            ("connect_seconds", it.connect_seconds, 1, 300),
            ("answer_seconds", it.answer_seconds, 1, 3600),
            ("retry_seconds", it.retry_seconds, 1, 3600),
            ("alert_seconds", it.alert_seconds, 10, 7 * 86_400),
            ("rotate_mib", it.rotate_mib, 0, 1 << 20),
            ("rotate_hours", it.rotate_hours, 0, 24 * 366),
            ("facility", it.facility, 0, 23),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                self.wrong(key, format!("is {value}; must be {least} to {most}"));
            }
        }
    }

    /// What is set and would do nothing: somebody means something by it.
    fn useless(&mut self, kind: SinkKind) {
        use SinkKind::{File, Http, Nats, Splunk, Syslog};
        let (it, usual) = (self.it, AuditSink::default());
        let any: &[SinkKind] = &[Syslog, Http, Splunk, Nats];
        let keys: [(&str, bool, &[SinkKind]); 20] = [
            ("path", it.path.is_some(), &[File]),
            ("rotate_mib", it.rotate_mib != usual.rotate_mib, &[File]),
            (
                "rotate_hours",
                it.rotate_hours != usual.rotate_hours,
                &[File],
            ),
            ("keep", it.keep != usual.keep, &[File]),
            ("group_readable", it.group_readable, &[File]),
            ("address", it.address.is_some(), &[Syslog, Nats]),
            ("subject", it.subject.is_some(), &[Nats]),
            ("stream", it.stream.is_some(), &[Nats]),
            ("server_name", it.server_name.is_some(), &[Syslog]),
            ("facility", it.facility != usual.facility, &[Syslog]),
            ("url", it.url.is_some(), &[Http, Splunk]),
            ("token_file", it.token_file.is_some(), &[Http, Splunk, Nats]),
            (
                "token_scheme",
                it.token_scheme != usual.token_scheme,
                &[Http],
            ),
            ("index", it.index.is_some(), &[Splunk]),
            (
                "source_type",
                it.source_type != usual.source_type,
                &[Splunk],
            ),
            ("acknowledge", it.acknowledge, &[Splunk]),
            ("allow_plain", it.allow_plain, any),
            ("ca_file", it.ca_file.is_some(), any),
            ("cert_file", it.cert_file.is_some(), any),
            ("key_file", it.key_file.is_some(), any),
        ];
        for (key, is_set, kinds) in keys {
            if is_set && !kinds.contains(&kind) {
                self.wrong(key, format!("does nothing for kind = \"{kind}\""));
            }
        }
    }

    fn filter(&mut self) -> Filter {
        let it = self.it;
        let mut filter = Filter {
            heads: it.heads,
            ..Filter::default()
        };
        for text in &it.tenants {
            match (text.as_str(), text.parse::<uuid::Uuid>()) {
                ("system", _) => filter.tenants.push(TenantChoice::System),
                (_, Ok(id)) => filter
                    .tenants
                    .push(TenantChoice::Tenant(TenantId::from_uuid(id))),
                (_, Err(_)) => {
                    self.wrong("tenants", format!("`{text}` is neither an id nor `system`"));
                }
            }
        }
        for text in &it.actions {
            match text.parse() {
                Ok(pattern) => filter.actions.push(pattern),
                Err(error) => self.wrong("actions", error.to_string()),
            }
        }
        for text in &it.outcomes {
            match text.parse::<Outcome>() {
                Ok(outcome) => filter.outcomes.push(outcome),
                Err(_) => self.wrong(
                    "outcomes",
                    format!("`{text}` is none of ok, refused, failed"),
                ),
            }
        }
        filter
    }

    fn from(&mut self) -> Option<Start> {
        match self.it.from.as_str() {
            "beginning" => Some(Start::Beginning),
            "now" => Some(Start::Now),
            number => {
                let after = number.parse().ok().map(Start::After);
                if after.is_none() {
                    self.wrong("from", "must be `beginning`, `now` or an entry's number");
                }
                after
            }
        }
    }

    fn file(&mut self) -> Option<Target> {
        let it = self.it;
        let Some(path) = &it.path else {
            self.wrong("path", "must be set: the file");
            return None;
        };
        if path.file_name().is_none_or(|name| name.to_str().is_none()) {
            self.wrong("path", "must end with a file's name");
        }
        Some(Target::File(FileSettings {
            path: path.clone(),
            group_readable: it.group_readable,
            rotate_bytes: it.rotate_mib.saturating_mul(1 << 20),
            rotate_hours: it.rotate_hours,
            keep: usize::try_from(it.keep).unwrap_or(usize::MAX),
        }))
    }

    fn syslog(&mut self, node: &str) -> Option<Target> {
        let (it, address, tls) = (self.it, self.address(), self.tls());
        Some(Target::Syslog(SyslogSettings {
            address: address?,
            plain: it.allow_plain,
            tls,
            server_name: it.server_name.clone(),
            facility: u8::try_from(it.facility).unwrap_or(13),
            host: node.to_owned(),
        }))
    }

    fn nats(&mut self) -> Option<Target> {
        let (it, address, tls) = (self.it, self.address(), self.tls());
        let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '>');
        let subject = it.subject.clone().unwrap_or_default();
        if subject.is_empty() || subject.split('.').any(str::is_empty) || !subject.chars().all(fits)
        {
            self.wrong(
                "subject",
                "must be set: words with dots between them, no * and no >",
            );
        }
        Some(Target::Nats(NatsSettings {
            address: address?,
            plain: it.allow_plain,
            subject,
            stream: it.stream.clone(),
            credentials: it.token_file.as_ref().map(|source| (self.secret)(source)),
            tls,
        }))
    }

    /// `host:port`, of another machine only with somebody to trust.
    fn address(&mut self) -> Option<String> {
        let it = self.it;
        let address = it.address.clone().unwrap_or_default();
        let host = address
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok());
        let Some((host, _)) = host else {
            self.wrong("address", "must be host:port");
            return None;
        };
        if !it.allow_plain {
            if it.ca_file.is_none() {
                let usual = "/etc/ssl/certs/ca-certificates.crt";
                let what =
                    format!("must be set: whom to trust (the system's are often in {usual})");
                self.wrong("ca_file", what);
            }
            return Some(address);
        }
        if !Host::parse(host).is_ok_and(|host| is_loopback(&host)) {
            let what = "is for this machine alone: 127.0.0.1, ::1, localhost";
            self.wrong("allow_plain", what);
        }
        if it.ca_file.is_some() || it.cert_file.is_some() {
            self.wrong("allow_plain", "is set, and certificates too: take one away");
        }
        Some(address)
    }

    fn http(&mut self) -> Option<Target> {
        let it = self.it;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if it.token_scheme.is_empty() || !it.token_scheme.chars().all(plain) {
            self.wrong(
                "token_scheme",
                "must be one word, such as Bearer, ApiKey or Basic",
            );
        }
        let (url, tls) = (self.url(), self.tls());
        Some(Target::Http(HttpSettings {
            url: url?,
            token: it.token_file.as_ref().map(|source| (self.secret)(source)),
            scheme: it.token_scheme.clone(),
            tls,
        }))
    }

    fn splunk(&mut self, node: &str) -> Option<Target> {
        let it = self.it;
        let (url, tls) = (self.url(), self.tls());
        if url
            .as_ref()
            .is_some_and(|url| url.path() != "/" || url.query().is_some())
        {
            self.wrong("url", "must be https://host:port, without a path");
        }
        let Some(token) = &it.token_file else {
            self.wrong("token_file", "must be set: the token of the collector");
            return None;
        };
        Some(Target::Splunk(SplunkSettings {
            url: url?,
            token: (self.secret)(token),
            tls,
            index: it.index.clone(),
            source_type: it.source_type.clone(),
            acknowledge: it.acknowledge,
            host: node.to_owned(),
        }))
    }

    /// Says nothing of what is in the address: it may be private.
    fn url(&mut self) -> Option<Url> {
        let Some(url) = self.it.url.as_deref().and_then(|url| Url::parse(url).ok()) else {
            self.wrong("url", "must be set to https://host:port/path");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            self.wrong(
                "url",
                "must hold no user, password or fragment: name a token_file",
            );
        }
        let loopback = url.host().is_some_and(|host| is_loopback(&host.to_owned()));
        match url.scheme() {
            "https" => {}
            "http" if self.it.allow_plain && loopback => {}
            "http" if loopback => self.wrong("url", "is without TLS; set allow_plain = true"),
            _ => self.wrong("url", "must be https; without TLS only to this machine"),
        }
        Some(url)
    }

    fn tls(&mut self) -> TlsFiles {
        let it = self.it;
        if it.cert_file.is_some() != it.key_file.is_some() {
            self.wrong("key_file", "and cert_file are set together");
        }
        TlsFiles {
            ca: it.ca_file.clone(),
            certificate: it.cert_file.clone(),
            key: it.key_file.as_ref().map(|source| (self.secret)(source)),
        }
    }
}

pub(super) fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
#[path = "check_sinks_tests.rs"]
mod tests;
