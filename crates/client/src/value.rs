//! Values of secrets as bytes of any length: sent and taken in pieces, so that memory does not grow with
//! them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use keyward_api::page::Changed;
use keyward_api::secret::PutSecret;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::connection::setup;
use crate::error::ClientError;
use crate::request::{read, refusal, success, transport};
use crate::scope::Scope;

const BYTES: &str = "application/octet-stream";
const DESCRIPTION: HeaderName = HeaderName::from_static("x-secret-description");
const LABELS: HeaderName = HeaderName::from_static("x-secret-labels");
const VERSION: &str = "x-secret-version";
/// Read at once.
const PIECE_BYTES: usize = 128 * 1024;
/// Pieces that wait for the connection.
const WAITING_MAX: usize = 4;
/// A whole transfer: nobody is meant to wait so long, and the pieces have limits of their own.
const TRANSFER_MAX: Duration = Duration::from_hours(30 * 24);

/// Where a value that is sent comes from.
pub struct ValueSource {
    /// Read to its end, on a thread that may wait.
    pub reader: Box<dyn Read + Send>,
    /// How many bytes there are, if that is known: the server can refuse too many at once then, and
    /// notices if some do not come.
    pub size_bytes: Option<u64>,
}

/// What is said of a value that is sent as bytes; what is left out stays as it was.
#[derive(Clone, Debug, Default)]
pub struct ValueTerms {
    /// Free text; not secret.
    pub description: Option<String>,
    /// Names and values; not secret.
    pub labels: Option<BTreeMap<String, String>>,
    /// How many versions are kept.
    pub keep: Option<i32>,
    /// Only if this is the latest version; 0: only if there is no such secret.
    pub expected_version: Option<i64>,
    /// Only if the secret still has this etag.
    pub if_match: Option<i64>,
}

impl Scope<'_> {
    /// Puts a value that is read while it is sent. If it cannot be read to its end, nothing of it is
    /// kept.
    pub async fn put_secret_value(
        self,
        name: &str,
        terms: &ValueTerms,
        source: ValueSource,
        repeatable: Option<&str>,
    ) -> Result<Changed<PutSecret>, ClientError> {
        let description = terms.description.as_deref().map(encoded);
        let labels = terms.labels.as_ref().map(form);
        let (request, address) = self
            .client
            .put(&self.path(&["secrets", name, "value"]))
            .query("keep", terms.keep)
            .query("expected_version", terms.expected_version)
            .header(DESCRIPTION, description.as_deref())
            .header(LABELS, labels.as_deref())
            .if_match(terms.if_match)
            .idempotent(repeatable)
            .begin()?;
        let fault = Arc::new(OnceLock::new());
        let answer = request
            .header(CONTENT_TYPE, BYTES)
            .timeout(TRANSFER_MAX)
            .body(reqwest::Body::wrap(Sending::begin(source, fault.clone())))
            .send()
            .await;
        let answer = answer.map_err(|error| match fault.get() {
            Some(what) => setup(format!("the value cannot be read to its end: {what}")),
            None => transport(&address, &error),
        })?;
        let (status, body) = success(answer, &address).await?;
        read(&body, status, &address)
    }

    /// The value of the current version, or of the one that is named, to be taken in pieces.
    pub async fn read_secret_value(
        self,
        name: &str,
        version: Option<u32>,
    ) -> Result<ValueReader, ClientError> {
        let pause = self.client.timeout;
        let (request, address) = self
            .client
            .get(&self.path(&["secrets", name, "value"]))
            .query("version", version)
            .begin()?;
        let sending = request.header(ACCEPT, BYTES).timeout(TRANSFER_MAX).send();
        let answer = timeout(pause, sending)
            .await
            .map_err(|_| late(&address))?
            .map_err(|error| transport(&address, &error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refusal(answer, &address).await);
        }
        let unfit = |cause: &str| ClientError::Decode {
            address: address.clone(),
            status: status.as_u16(),
            cause: cause.to_owned(),
        };
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        if header("content-type") != Some(BYTES) {
            return Err(unfit("the value does not come as bytes"));
        }
        let size_bytes = header("content-length").and_then(|text| text.parse().ok());
        let size_bytes: u64 = size_bytes.ok_or_else(|| unfit("it has no Content-Length"))?;
        let version = header(VERSION).and_then(|text| text.parse().ok());
        Ok(ValueReader {
            version: version.ok_or_else(|| unfit("it has no X-Secret-Version"))?,
            size_bytes,
            left: size_bytes,
            answer,
            address,
            pause,
        })
    }
}

/// A value that is being taken. Whoever has not come to its end without an error has not got all of it.
pub struct ValueReader {
    /// Which version it is.
    pub version: i64,
    /// How many bytes it has.
    pub size_bytes: u64,
    left: u64,
    answer: reqwest::Response,
    address: String,
    pause: Duration,
}

impl ValueReader {
    /// The next piece; none after the last byte.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ClientError> {
        let piece = timeout(self.pause, self.answer.chunk()).await;
        let piece = piece
            .map_err(|_| late(&self.address))?
            .map_err(|error| transport(&self.address, &error))?;
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let broken = || ClientError::Interrupted {
            address: self.address.clone(),
            cause: "the value broke off before its end".to_owned(),
        };
        self.left = self.left.checked_sub(length).ok_or_else(broken)?;
        if piece.is_none() && self.left > 0 {
            return Err(broken());
        }
        Ok(piece)
    }
}

fn late(address: &str) -> ClientError {
    ClientError::Interrupted {
        address: address.to_owned(),
        cause: "nothing came in time".to_owned(),
    }
}

/// What the reading thread hands over. An end that is not said is none: a thread that stopped must not
/// look like a value that is whole.
enum Handed {
    Piece(Bytes),
    End,
    Fault(io::Error),
}

/// A request's body that is read while it is sent.
struct Sending {
    receiver: mpsc::Receiver<Handed>,
    size_bytes: Option<u64>,
    is_ended: bool,
}

impl Sending {
    fn begin(source: ValueSource, fault: Arc<OnceLock<String>>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let size_bytes = source.size_bytes;
        tokio::task::spawn_blocking(move || {
            let last = match hand_over(source, &sender) {
                Ok(()) => Handed::End,
                Err(error) => {
                    let _ = fault.set(error.to_string());
                    Handed::Fault(error)
                }
            };
            // Nobody listens any more if the server has answered already.
            let _ = sender.blocking_send(last);
        });
        Self {
            receiver,
            size_bytes,
            is_ended: false,
        }
    }
}

fn hand_over(mut source: ValueSource, sender: &mpsc::Sender<Handed>) -> io::Result<()> {
    let mut sent = 0;
    loop {
        let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
        let length = fill(&mut source.reader, &mut piece)?;
        piece.truncate(length);
        sent += length as u64;
        let is_end = length < PIECE_BYTES;
        if source
            .size_bytes
            .is_some_and(|size| sent > size || (is_end && sent < size))
        {
            return Err(io::Error::other("it changed its size meanwhile"));
        }
        if length > 0 && sender.blocking_send(Handed::Piece(wiped(piece))).is_err() {
            return Ok(());
        }
        if is_end {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or there is no more.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Wiped when the connection is done with it.
fn wiped(piece: Zeroizing<Vec<u8>>) -> Bytes {
    struct Piece(Zeroizing<Vec<u8>>);
    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Piece(piece))
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let handed = ready!(self.receiver.poll_recv(context));
        Poll::Ready(match handed {
            Some(Handed::Piece(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Handed::End) => {
                self.is_ended = true;
                None
            }
            Some(Handed::Fault(error)) => Some(Err(error)),
            None => Some(Err(io::Error::other("the value was not read to its end"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended || self.size_bytes == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size_bytes
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Percent-encoded (RFC 3986): what is not reserved stays as it is.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn form(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn handed(bytes: &[u8], size_bytes: Option<u64>) -> (usize, io::Result<()>) {
        let (sender, mut receiver) = mpsc::channel(100);
        let reader = Box::new(io::Cursor::new(bytes.to_vec()));
        let source = ValueSource { reader, size_bytes };
        let done = hand_over(source, &sender);
        let mut count = 0;
        while let Ok(Handed::Piece(piece)) = receiver.try_recv() {
            count += piece.len();
        }
        (count, done)
    }

    #[test]
    fn a_source_is_read_to_its_end_and_one_that_changes_its_size_is_noticed() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1] {
            let bytes = vec![7; length];
            for size in [None, Some(length as u64)] {
                let (count, done) = handed(&bytes, size);
                done.unwrap();
                assert_eq!(count, length);
            }
            handed(&bytes, Some(length as u64 + 1)).1.unwrap_err();
            if let Some(less) = length.checked_sub(1) {
                handed(&bytes, Some(less as u64)).1.unwrap_err();
            }
        }
    }

    #[test]
    fn words_travel_in_headers() {
        assert_eq!(encoded("a b/\u{fc}%"), "a%20b%2F%C3%BC%25");
        let labels = BTreeMap::from([("team".to_owned(), "a&b=c".to_owned())]);
        assert_eq!(form(&labels), "team=a%26b%3Dc");
    }
}
