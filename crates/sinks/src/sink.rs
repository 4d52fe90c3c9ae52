//! A sink: what takes batches, and how it says no.

mod file;
pub(crate) mod http;
mod lines;
mod nats;
mod rotation;
mod splunk;
mod syslog;
mod syslog_message;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::format::Format;
use keyward_core::time::Clock;
use keyward_crypto::random::Random;

use crate::batch::Item;
use crate::credential::Unreadable;
use crate::settings::{SinkSettings, Target};

/// What a batch that was not taken calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Another try.
    Transient,
    /// Somebody to change something; another try all the same.
    Denied,
    /// Smaller batches; if it is one entry already, somebody.
    Rejected,
}

/// A batch was not taken, or nobody knows whether it was.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// How long the receiver wants to be left alone.
    pub(crate) asked: Option<Duration>,
    /// In words, without secrets.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn transient(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, detail)
    }

    pub(crate) fn denied(detail: impl Into<String>) -> Self {
        Self::new(FailureKind::Denied, detail)
    }

    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            asked: None,
            detail: detail.into(),
        }
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::transient(error.to_string())
    }
}

/// What takes batches. It opens what it needs when it is first used and after each [`Sink::reset`].
#[async_trait]
pub(crate) trait Sink: Send + Sync {
    /// Delivers a batch, in order; when it returns the receiver has all of it, as far as the protocol
    /// can tell. May be dropped at any point.
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure>;

    /// How many entries the receiver acknowledged one by one of a batch that broke off, by a failure or
    /// because it was dropped; then forgets it. They are not delivered again.
    fn take_acknowledged(&mut self) -> usize {
        0
    }

    /// For how long what was delivered may turn out to be lost with its connection. In that time the
    /// cursor stays where it is.
    fn settles_after(&self) -> Duration {
        Duration::ZERO
    }

    /// Waits until what was delivered last may be lost.
    async fn broken(&mut self) -> Failure {
        std::future::pending().await
    }

    /// Forgets connections and files.
    fn reset(&mut self);

    /// The longest that a delivery may take; none if it has no end of its own.
    fn patience(&self) -> Option<Duration>;
}

/// The sink that the settings ask for.
pub(crate) fn open(
    settings: &SinkSettings,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Box<dyn Sink> {
    let (pace, format) = (settings.pace, settings.format);
    match settings.target.clone() {
        Target::File(it) => Box::new(file::FileSink::new(it, format, clock.clone())),
        Target::Syslog(it) => Box::new(syslog::SyslogSink::new(it, pace)),
        Target::Http(it) => Box::new(lines::LinesSink::new(it, format, pace)),
        Target::Splunk(it) => Box::new(splunk::SplunkSink::new(it, format, pace, random.clone())),
        Target::Nats(it) => Box::new(nats::NatsSink::new(it, pace)),
    }
}

/// Whether lines of a form are JSON.
const fn is_json(format: Format) -> bool {
    match format {
        Format::JsonLines | Format::Ocsf | Format::Ecs | Format::CloudEvents => true,
        Format::Csv | Format::Cef | Format::Leef => false,
    }
}

/// An error and what it says is behind it, without the addresses that libraries add.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text.chars().take(400).collect()
}
