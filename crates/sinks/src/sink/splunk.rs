//! Splunk's HTTP Event Collector. A status of 200 is no acceptance: the body's `code` is, and with
//! indexer acknowledgement only what `/services/collector/ack` says of the batch.
//! <https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector>,
//! <https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck>

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::format::Format;
use keyward_crypto::random::Random;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;
use uuid::Builder;

use super::http::{Answered, Door};
use super::{Failure, FailureKind, Sink, is_json};
use crate::batch::Item;
use crate::settings::{Pace, SplunkSettings};

const EVENT: &str = "/services/collector/event";
const ACK: &str = "/services/collector/ack";
const JSON: &str = "application/json";
/// How often indexers are asked whether they have a batch.
const ASK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct SplunkSink {
    settings: SplunkSettings,
    format: Format,
    pace: Pace,
    random: Arc<dyn Random>,
    door: Option<Door>,
}

/// What the collector says.
#[derive(Deserialize)]
struct Said {
    code: i64,
    #[serde(default)]
    text: String,
    #[serde(default, rename = "ackId")]
    ack_id: Option<u64>,
}

/// What indexers say.
#[derive(Deserialize)]
struct Acknowledged {
    acks: std::collections::BTreeMap<String, bool>,
}

impl SplunkSink {
    pub(super) const fn new(
        settings: SplunkSettings,
        format: Format,
        pace: Pace,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            settings,
            format,
            pace,
            random,
            door: None,
        }
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.settings.url.clone();
        url.set_path(path);
        url
    }

    /// One object an entry, one behind the other.
    fn body(&self, items: &[Item]) -> String {
        let mut body = String::new();
        for item in items {
            let event = if is_json(self.format) {
                serde_json::from_str(&item.line).unwrap_or_else(|_| Value::from(&*item.line))
            } else {
                Value::from(&*item.line)
            };
            let micros = item.entry.event.time.as_micros();
            let mut object = json!({
                "time": format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000)),
                "host": self.settings.host,
                "source": "keyward",
                "sourcetype": self.settings.source_type,
                "event": event,
            });
            if let (Some(index), Some(object)) = (&self.settings.index, object.as_object_mut()) {
                object.insert("index".to_owned(), Value::from(&**index));
            }
            body.push_str(&object.to_string());
            body.push('\n');
        }
        body
    }

    async fn door(&mut self) -> Result<&Door, Failure> {
        if self.door.is_none() {
            let it = &self.settings;
            let door =
                Door::open(&it.tls, Some(&*it.token), "Splunk", self.pace.patience()).await?;
            // Names us to indexers: what they acknowledge counts for one channel alone, and what an
            // earlier one left unacknowledged stays there.
            let mut channel = [0; 16];
            let filled = self.random.fill(&mut channel);
            filled.map_err(|_| Failure::transient("there is no randomness for a channel"))?;
            let channel = Builder::from_random_bytes(channel).into_uuid().to_string();
            let door = door.with("x-splunk-request-channel", &channel)?;
            self.door = Some(door);
        }
        let none = || Failure::transient("there is no connection");
        self.door.as_ref().ok_or_else(none)
    }

    /// Waits until indexers have a batch. How long that may take is for the caller to say.
    async fn indexed(&mut self, ack_id: u64) -> Result<(), Failure> {
        let url = self.at(ACK);
        loop {
            sleep(ASK_EVERY).await;
            let body = json!({"acks": [ack_id]}).to_string();
            let answered = self.door().await?.post(&url, JSON, body).await?;
            answered.accepted()?;
            let said: Acknowledged = serde_json::from_slice(&answered.body)
                .map_err(|_| lie(&answered, "is no acknowledgement"))?;
            if said.acks.get(&ack_id.to_string()) == Some(&true) {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Sink for SplunkSink {
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure> {
        let (url, body) = (self.at(EVENT), self.body(items));
        let answered = self.door().await?.post(&url, JSON, body).await?;
        let said: Result<Said, _> = serde_json::from_slice(&answered.body);
        // Some of its refusals say what is wrong in the body alone.
        if let Ok(said) = &said
            && said.code != 0
        {
            let kind = kind_of(said.code);
            let (status, code, text) = (answered.status, said.code, &said.text);
            let mut failure = Failure::new(kind, format!("answers {status}, code {code}: {text}"));
            failure.asked = answered.accepted().err().and_then(|it| it.asked);
            return Err(failure);
        }
        answered.accepted()?;
        let said = said.map_err(|_| lie(&answered, "is no answer of a collector"))?;
        match (self.settings.acknowledge, said.ack_id) {
            (false, _) => Ok(()),
            (true, Some(ack_id)) => self.indexed(ack_id).await,
            (true, None) => Err(Failure::denied(
                "gives no ackId: indexer acknowledgement is off for this token; switch it on there, or \
                 `acknowledge` off here",
            )),
        }
    }

    fn reset(&mut self) {
        self.door = None;
    }

    fn patience(&self) -> Option<Duration> {
        let once = self.pace.connect + self.pace.answer;
        Some(if self.settings.acknowledge {
            once + Duration::from_mins(2)
        } else {
            once
        })
    }
}

/// What a code of the collector calls for.
const fn kind_of(code: i64) -> FailureKind {
    match code {
        // Internal error, server is busy, its queues are full.
        8 | 9 | 18..=27 => FailureKind::Transient,
        // No data, invalid format, event field missing or blank, error in handling indexed fields.
        5 | 6 | 12 | 13 | 15 => FailureKind::Rejected,
        _ => FailureKind::Denied,
    }
}

/// A success that is none.
fn lie(answered: &Answered, what: &str) -> Failure {
    let (status, quoted) = (answered.status, answered.quoted());
    Failure::denied(format!("answers {status}, but what it says {what}{quoted}"))
}
