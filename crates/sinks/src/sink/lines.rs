//! Lines over HTTP, or a batch of `CloudEvents` as an array (the batched content mode of its HTTP
//! protocol binding 1.0): any 2xx is an acceptance.

use std::time::Duration;

use async_trait::async_trait;
use keyward_core::audit::format::Format;

use super::http::Door;
use super::{Failure, Sink};
use crate::batch::Item;
use crate::settings::{HttpSettings, Pace};

pub(super) struct LinesSink {
    settings: HttpSettings,
    format: Format,
    pace: Pace,
    door: Option<Door>,
}

impl LinesSink {
    pub(super) const fn new(settings: HttpSettings, format: Format, pace: Pace) -> Self {
        Self {
            settings,
            format,
            pace,
            door: None,
        }
    }

    fn body(&self, items: &[Item]) -> (&'static str, String) {
        let lines: Vec<&str> = items.iter().map(|item| item.line.as_str()).collect();
        if self.format == Format::CloudEvents {
            let media_type = "application/cloudevents-batch+json";
            return (media_type, format!("[{}]", lines.join(",")));
        }
        let mut body: String = self.format.head().unwrap_or_default();
        for line in lines {
            if !body.is_empty() {
                body.push('\n');
            }
            body.push_str(line);
        }
        body.push('\n');
        (self.format.media_type(), body)
    }
}

#[async_trait]
impl Sink for LinesSink {
    async fn deliver(&mut self, items: &[Item]) -> Result<(), Failure> {
        if self.door.is_none() {
            let it = &self.settings;
            let token = it.token.as_deref();
            self.door = Some(Door::open(&it.tls, token, &it.scheme, self.pace.patience()).await?);
        }
        let Some(door) = &self.door else {
            return Err(Failure::transient("there is no connection"));
        };
        let (media_type, body) = self.body(items);
        let answered = door.post(&self.settings.url, media_type, body).await?;
        answered.accepted()
    }

    fn reset(&mut self) {
        self.door = None;
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.pace.connect + self.pace.answer)
    }
}
