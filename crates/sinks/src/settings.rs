//! What a sink is told. Secrets are in none of it, only where they are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::audit::format::Format;
use keyward_core::sink_board::SinkKind;
use url::Url;

use crate::credential::Credential;
use crate::filter::Filter;

/// Where a sink begins that has not been there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first entry.
    Beginning,
    /// Behind what is there now.
    Now,
    /// Behind an entry.
    After(u64),
}

/// How fast, how much, how patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The most entries in a batch.
    pub entries: usize,
    /// The most bytes of lines in a batch; an entry that is larger is a batch of its own.
    pub bytes: usize,
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long a batch may take to be written and answered.
    pub answer: Duration,
    /// The longest pause between two tries.
    pub retry_most: Duration,
}

impl Pace {
    /// How long a connection may take, and how long an answer.
    pub(crate) const fn patience(&self) -> (Duration, Duration) {
        (self.connect, self.answer)
    }
}

/// Certificates.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Whom to trust, PEM; none means the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<Arc<dyn Credential>>,
}

/// A file that is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file.
    pub path: PathBuf,
    /// Whether its group may read it.
    pub group_readable: bool,
    /// At which size another one is begun; 0 never.
    pub rotate_bytes: u64,
    /// Of how many hours a file is, counted from midnight UTC; 0 of any number.
    pub rotate_hours: u64,
    /// How many that are full are kept; 0 all.
    pub keep: usize,
}

/// Syslog over TCP.
#[derive(Clone, Debug)]
pub struct SyslogSettings {
    /// Host and port.
    pub address: String,
    /// Without TLS.
    pub plain: bool,
    /// Certificates.
    pub tls: TlsFiles,
    /// The name in the receiver's certificate, if it is not the host's.
    pub server_name: Option<String>,
    /// The facility, RFC 5424 section 6.2.1.
    pub facility: u8,
    /// How this node calls itself.
    pub host: String,
}

/// Lines or `CloudEvents` over HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where to.
    pub url: Url,
    /// What proves who we are.
    pub token: Option<Arc<dyn Credential>>,
    /// What stands before it in the header.
    pub scheme: String,
    /// Certificates.
    pub tls: TlsFiles,
}

/// Splunk's HTTP Event Collector.
#[derive(Clone, Debug)]
pub struct SplunkSettings {
    /// Where it is, without a path.
    pub url: Url,
    /// Its token.
    pub token: Arc<dyn Credential>,
    /// Certificates.
    pub tls: TlsFiles,
    /// The index, if not the token's own.
    pub index: Option<String>,
    /// What Splunk shall take the lines for.
    pub source_type: String,
    /// Whether to wait until indexers have it.
    pub acknowledge: bool,
    /// How this node calls itself.
    pub host: String,
}

/// NATS `JetStream`.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `host:port`.
    pub address: String,
    /// Without TLS.
    pub plain: bool,
    /// The subject, which a stream takes.
    pub subject: String,
    /// That stream, if it shall be no other.
    pub stream: Option<String>,
    /// Credentials as `nsc` makes them.
    pub credentials: Option<Arc<dyn Credential>>,
    /// Certificates.
    pub tls: TlsFiles,
}

/// Where a sink is, and what it speaks.
#[derive(Clone, Debug)]
pub enum Target {
    /// A file.
    File(FileSettings),
    /// Syslog.
    Syslog(SyslogSettings),
    /// HTTP.
    Http(HttpSettings),
    /// Splunk.
    Splunk(SplunkSettings),
    /// NATS.
    Nats(NatsSettings),
}

impl Target {
    /// What it is.
    pub const fn kind(&self) -> SinkKind {
        match self {
            Self::File(_) => SinkKind::File,
            Self::Syslog(_) => SinkKind::Syslog,
            Self::Http(_) => SinkKind::Http,
            Self::Splunk(_) => SinkKind::Splunk,
            Self::Nats(_) => SinkKind::Nats,
        }
    }
}

/// A sink.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub target: Target,
    /// The form of its lines.
    pub format: Format,
    /// What it wants.
    pub filter: Filter,
    /// Where it begins.
    pub from: Start,
    /// How fast.
    pub pace: Pace,
}
