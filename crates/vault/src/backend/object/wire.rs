//! Listening to what a store answers. The library maps every answer to a handful of kinds and
//! keeps status and code to itself; here they are written down beside it for the task that asks,
//! so that faults can be told apart without reading its texts.

use std::cell::RefCell;

use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService, ReqwestConnector,
};

/// Error codes of the stores are short words; longer ones are somebody else's text.
const CODE_LENGTH_MAX: usize = 64;
/// Header in which Azure names its code.
const AZURE_CODE: &str = "x-ms-error-code";

/// The last word of a store during one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The status of its answer; none without an answer.
    pub(super) status: Option<u16>,
    /// The code in it.
    pub(super) code: String,
    /// Whether the request may have reached it.
    pub(super) sent: bool,
}

tokio::task_local! {
    static HEARD: RefCell<Heard>;
}

/// Runs one attempt and tells what was heard meanwhile.
pub(super) async fn hear<T>(attempt: impl Future<Output = T>) -> (T, Heard) {
    HEARD
        .scope(RefCell::default(), async {
            let outcome = attempt.await;
            (outcome, HEARD.with(RefCell::take))
        })
        .await
}

fn note(heard: Heard) {
    // Whoever asks outside of an attempt does not listen.
    let _ = HEARD.try_with(|last| last.replace(heard));
}

/// Makes clients that listen.
#[derive(Debug, Default)]
pub(super) struct ListeningConnector(ReqwestConnector);

impl HttpConnector for ListeningConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Listening(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Listening(HttpClient);

#[async_trait::async_trait]
impl HttpService for Listening {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // If the attempt is given up while it waits, it may have been sent.
        note(Heard {
            sent: true,
            ..Heard::default()
        });
        let response = self.0.execute(request).await.inspect_err(|error| {
            note(Heard {
                sent: !matches!(error.kind(), HttpErrorKind::Connect),
                ..Heard::default()
            });
        })?;
        let status = response.status();
        if status.is_success() {
            note(Heard {
                status: Some(status.as_u16()),
                code: String::new(),
                sent: true,
            });
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.bytes().await?;
        let named = parts
            .headers
            .get(AZURE_CODE)
            .and_then(|code| code.to_str().ok());
        note(Heard {
            status: Some(status.as_u16()),
            code: named.map_or_else(|| code_in(&body), plain),
            sent: true,
        });
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

/// The code of S3 and Google Cloud Storage: `<Error><Code>…</Code>…`.
fn code_in(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map_or("", |(code, _)| code);
    plain(code)
}

/// A code that can be shown: letters and digits only.
fn plain(code: &str) -> String {
    let is_plain = code.len() <= CODE_LENGTH_MAX && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain {
        code.to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_and_nothing_else_is_taken_for_one() {
        let body =
            b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>m</Message></Error>";
        assert_eq!(code_in(body), "SlowDown");
        assert_eq!(code_in(b"<Code>a path/of/a secret</Code>"), "");
        assert_eq!(code_in(b"<html>"), "");
    }
}
