//! Values as bytes, in and out, in pieces that are wiped. Nothing is held of them but what is on its way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Version, header};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use keyward_api::error::ErrorCode;
use keyward_core::crypto_types::SecretBytes;
use keyward_core::ops::secret::{SentValue, StreamedValue, ValueFault};
use tokio::sync::mpsc;

use crate::app::App;
use crate::call::exchange;
use crate::exchange::Exchange;
use crate::patience::Patience;
use crate::problem::Failure;

/// The media type of a value.
pub const BYTES: &str = "application/octet-stream";
/// So long what is still sent is taken and thrown away when the answer is there already: a sender who is
/// cut off in the middle of a word would not hear it.
const LINGER: Duration = Duration::from_secs(2);
/// Pieces that wait for a reader.
const WAITING_MAX: usize = 2;

/// A value that is being sent. Who is refused before all of it was taken gets the answer all the same.
pub struct Upload {
    /// The request's headers, without what authenticates it.
    pub headers: HeaderMap,
    incoming: Incoming,
}

impl FromRequest<App> for Upload {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let config = app.config();
        let size = body.size_hint();
        let incoming = Incoming {
            body: Some(body),
            declared: size.exact(),
            is_framed: parts.version < Version::HTTP_2,
            patience: Patience::new(config),
            exchange: exchange(&parts)?,
            received: 0,
            max: config.value_bytes_max,
        };
        let media_type = parts.headers.get(header::CONTENT_TYPE);
        if media_type.is_none_or(|given| !given.as_bytes().eq_ignore_ascii_case(BYTES.as_bytes())) {
            return Err(Failure::new(
                ErrorCode::UnsupportedMediaType,
                "Send the value's bytes as application/octet-stream.",
            ));
        }
        if size.lower() > incoming.max {
            return Err(too_large(incoming.max));
        }
        Ok(Self {
            headers: parts.headers,
            incoming,
        })
    }
}

fn too_large(max: u64) -> Failure {
    let fault = ValueFault::TooLarge {
        size_bytes_max: max,
    };
    Failure::new(fault.code(), fault.to_string())
}

impl Upload {
    /// The value, piece by piece.
    pub fn into_pieces(self) -> SentValue<'static> {
        stream::try_unfold(self.incoming, |mut incoming| async move {
            let piece = incoming.next().await?;
            Ok(piece.map(|piece| (piece, incoming)))
        })
        .boxed()
    }
}

/// A body on its way in.
struct Incoming {
    /// None when it has come to its end, good or bad.
    body: Option<Body>,
    /// How long it is, as its sender said before it began.
    declared: Option<u64>,
    /// Whether what breaks off is always an error: HTTP/1.1 says where a body ends.
    is_framed: bool,
    patience: Patience,
    exchange: Arc<Exchange>,
    received: u64,
    max: u64,
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<SecretBytes>, ValueFault> {
        while let Some(body) = &mut self.body {
            let frame = self.patience.wait(body.frame()).await;
            let Ok(frame) = frame else {
                self.body = None;
                return Err(ValueFault::TooSlow);
            };
            let data = match frame {
                None if self.is_whole() => {
                    self.body = None;
                    break;
                }
                None | Some(Err(_)) => {
                    self.body = None;
                    return Err(ValueFault::BrokeOff);
                }
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            self.received = self.received.saturating_add(data.len() as u64);
            if self.received > self.max {
                let size_bytes_max = self.max;
                return Err(ValueFault::TooLarge { size_bytes_max });
            }
            self.patience.moved(data.len());
            self.exchange.moved_on();
            if !data.is_empty() {
                return Ok(Some(SecretBytes::copy_from(&data)));
            }
        }
        Ok(None)
    }

    /// Whether the body that has no more frames has come to its end. Over HTTP/2 that is not said by
    /// there being none: a stream that is reset with `NO_ERROR`, and one whose connection goes so, has
    /// none either (hyper, `body/incoming.rs`). Only `END_STREAM` tells them apart (RFC 9113, 8.1).
    fn is_whole(&self) -> bool {
        let is_said = || self.body.as_ref().is_some_and(HttpBody::is_end_stream);
        match self.declared {
            Some(declared) => self.received == declared,
            None => self.is_framed || is_said(),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let (Some(mut body), Ok(runtime)) =
            (self.body.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        if body.is_end_stream() {
            return;
        }
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            while let Some(Ok(_)) = body.frame().await {}
        }));
    }
}

/// Whether the answer should be bytes: the first media type of `Accept` decides.
pub fn wants_bytes(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    let first = accepted.and_then(|text| text.split(|byte| matches!(byte, b',' | b';')).next());
    first.is_some_and(|first| first.trim_ascii().eq_ignore_ascii_case(BYTES.as_bytes()))
}

/// The body of an answer that gives a value out. `first` is its first piece. A body that ends before the
/// value does is an error, which ends the connection: the reader notices.
pub fn body(app: App, value: StreamedValue, first: Option<SecretBytes>) -> Body {
    let mut patience = Patience::new(app.config());
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let left = value.size_bytes;
    tokio::spawn(async move {
        let mut value = value;
        let mut piece = first;
        while let Some(bytes) = piece {
            let length = bytes.len();
            let taken = patience.wait(sender.send(Ok(wiped(bytes)))).await;
            if !matches!(taken, Ok(Ok(()))) {
                // The reader is gone, or does not read. What waits for it, and its place, are free.
                return;
            }
            patience.moved(length);
            piece = match value.next(app.node()).await {
                Ok(piece) => piece,
                Err(error) => {
                    // It was told to the log; what is an answer has begun long ago.
                    let _ = Failure::from(error);
                    let _ = patience.wait(sender.send(Err(broken()))).await;
                    return;
                }
            };
        }
    });
    Body::from_stream(stream::unfold(Outgoing { receiver, left }, Outgoing::next))
}

struct Outgoing {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Outgoing {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let next = match self.receiver.recv().await {
            None if self.left == 0 => return None,
            None => Err(broken()),
            Some(next) => next,
        };
        let length = next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.left = self.left.saturating_sub(length);
        Some((next, self))
    }
}

fn broken() -> io::Error {
    io::Error::other("the value could not be given out to its end")
}

/// The piece itself, wiped when the connection is done with it.
fn wiped(bytes: SecretBytes) -> Bytes {
    struct Piece(SecretBytes);
    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            self.0.expose()
        }
    }
    Bytes::from_owner(Piece(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What came of a body that sends five bytes and has no more frames then.
    async fn came(declared: Option<u64>, version: Version) -> Result<Vec<u8>, ValueFault> {
        let pieces = [&b"abc"[..], b"de"].map(Ok::<_, io::Error>);
        let mut incoming = Incoming {
            body: Some(Body::from_stream(stream::iter(pieces))),
            declared,
            is_framed: version < Version::HTTP_2,
            patience: Patience::new(&crate::config::HttpConfig::new([0; 32])),
            exchange: Arc::new(Exchange::begin(&HeaderMap::new(), None)),
            received: 0,
            max: 100,
        };
        let mut all = Vec::new();
        while let Some(piece) = incoming.next().await? {
            all.extend_from_slice(piece.expose());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn what_ends_before_its_declared_length_or_without_saying_so_broke_off() {
        let whole = Ok(b"abcde".to_vec());
        let broke_off = Err(ValueFault::BrokeOff);
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(came(Some(5), version).await, whole);
            assert_eq!(came(Some(6), version).await, broke_off);
        }
        assert_eq!(came(None, Version::HTTP_11).await, whole);
        // This body never says that it is at its end, like a stream that was reset.
        assert_eq!(came(None, Version::HTTP_2).await, broke_off);
    }

    #[test]
    fn bytes_are_given_to_who_asks_for_them_first() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            wants_bytes(&headers)
        };
        assert!(wants("application/octet-stream"));
        assert!(wants("Application/Octet-Stream;q=1, */*;q=0.1"));
        for json in [
            "*/*",
            "application/json",
            "application/json, application/octet-stream",
            "",
        ] {
            assert!(!wants(json), "{json}");
        }
        assert!(!wants_bytes(&HeaderMap::new()));
    }
}
