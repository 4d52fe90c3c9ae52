//! NATS `JetStream`: each entry is a message that a stream acknowledges before the next one is sent, so that
//! no retry can change their order, with an id (`Nats-Msg-Id`) by which the stream drops what it has.

use std::mem;
use std::time::Duration;

use async_nats::jetstream::context::{Context, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{ConnectErrorKind, ConnectOptions, ServerAddr};
use async_trait::async_trait;
use keyward_core::audit::format::id_of;
use tokio::time::timeout;

use super::{Failure, FailureKind, Sink, tls, told};
use crate::batch::Item;
use crate::settings::{NatsSettings, Pace};

pub(super) struct NatsSink {
    settings: NatsSettings,
    pace: Pace,
    stream: Option<Context>,
    /// How many entries the stream has of a batch that broke off.
    acknowledged: usize,
}

impl NatsSink {
    pub(super) const fn new(settings: NatsSettings, pace: Pace) -> Self {
        Self {
            settings,
            pace,
            stream: None,
            acknowledged: 0,
        }
    }

    async fn connect(&self) -> Result<Context, Failure> {
        let it = &self.settings;
        // Other servers that this one names would be given the credentials.
        let mut options = ConnectOptions::new()
            .name("keyward")
            .connection_timeout(self.pace.connect)
            .request_timeout(Some(self.pace.answer))
            .max_reconnects(1)
            .ignore_discovered_servers();
        if let Some(credentials) = &it.credentials {
            let read = credentials.read().await?;
            let wrong = || Failure::denied("token_file holds no credentials of NATS");
            let text = std::str::from_utf8(read.expose()).map_err(|_| wrong())?;
            options = options.credentials(text).map_err(|_| wrong())?;
        }
        if !it.plain {
            let config = tls::client(&it.tls).await?;
            options = options
                .require_tls(true)
                .tls_client_config(config.as_ref().clone());
        }
        let server: Result<ServerAddr, _> = it.address.parse();
        let server = server.map_err(|_| Failure::denied("its address is none of NATS"))?;
        let client = options.connect(server).await.map_err(|error| {
            let kind = match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    FailureKind::Denied
                }
                _ => FailureKind::Transient,
            };
            Failure::new(kind, told(&error))
        })?;
        let mut stream = async_nats::jetstream::new(client);
        stream.set_timeout(self.pace.answer);
        Ok(stream)
    }
}

#[async_trait]
impl Sink for NatsSink {
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure> {
        self.acknowledged = 0;
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => timeout(self.pace.connect, self.connect())
                .await
                .unwrap_or_else(|_| Err(Failure::transient("cannot be connected to in time")))?,
        };
        for item in items {
            let mut message = PublishMessage::build()
                .payload(item.line.clone().into())
                .message_id(id_of(&item.entry));
            if let Some(stream) = &self.settings.stream {
                message = message.expected_stream(stream);
            }
            let subject = self.settings.subject.clone();
            // A batch is as many round trips as it has entries: each has its own time.
            let acknowledged = async {
                stream
                    .send_publish(subject, message)
                    .await?
                    .await
                    .map(|_| ())
            };
            timeout(self.pace.answer, acknowledged)
                .await
                .unwrap_or_else(|_| Err(PublishErrorKind::TimedOut.into()))
                .map_err(|error| refused(&error))?;
            self.acknowledged += 1;
        }
        self.acknowledged = 0;
        self.stream = Some(stream);
        Ok(())
    }

    fn take_acknowledged(&mut self) -> usize {
        mem::take(&mut self.acknowledged)
    }

    fn reset(&mut self) {
        self.stream = None;
    }

    fn patience(&self) -> Option<Duration> {
        // The connection and each entry have an end of their own.
        None
    }
}

fn refused(error: &PublishError) -> Failure {
    let kind = match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => FailureKind::Rejected,
        PublishErrorKind::StreamNotFound => {
            return Failure::denied("no stream of JetStream takes its subject");
        }
        _ => FailureKind::Transient,
    };
    Failure::new(kind, told(error))
}
