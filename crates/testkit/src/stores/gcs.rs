//! fake-gcs-server. It keeps objects, generations and their conditions, and speaks the JSON API
//! whole; of the XML API, which the product's library speaks, it lacks most. The door before it
//! translates request by request and decides nothing.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)] // a test without its server ends

use std::fmt::Write as _;
use std::sync::OnceLock;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response};
use keyward_vault::backend::object::service::{GcsSettings, Reach, Service};
use serde_json::{Value, json};

use super::{Store, block_on};
use crate::daemon::{self, Daemon, DaemonError};
use crate::door::{self, Answered, Asked};

const BUCKET: &str = "vault";
const BOUNDARY: &str = "keyward-boundary";

/// A running fake-gcs-server, and the door before it.
#[derive(Debug)]
pub struct GcsServer {
    address: String,
    _daemon: Daemon,
}

/// The server of this process.
pub fn gcs() -> &'static GcsServer {
    static SERVER: OnceLock<GcsServer> = OnceLock::new();
    SERVER.get_or_init(|| GcsServer::start().unwrap_or_else(|error| panic!("{error}")))
}

impl GcsServer {
    fn start() -> Result<Self, DaemonError> {
        let directory = daemon::directory("keyward-gcs-")?;
        let [port] = daemon::free_ports();
        let upstream = format!("http://127.0.0.1:{port}");
        let arguments = [
            "-scheme=http",
            "-host=127.0.0.1",
            &format!("-port={port}"),
            "-backend=memory",
            &format!("-public-host=127.0.0.1:{port}"),
            &format!("-external-url={upstream}"),
        ];
        let arguments: Vec<String> = arguments.map(str::to_owned).into();
        let program = daemon::tool("bin/fake-gcs-server");
        let daemon = Daemon::start(&program, &arguments, &directory, &[], "server started")?;
        let buckets = format!("{upstream}/storage/v1/b?project=test");
        let made = block_on(async move {
            let bucket = json!({"name": BUCKET});
            door::client().post(buckets).json(&bucket).send().await
        });
        assert!(made.expect("it answers").status().is_success());
        let client = door::client();
        let address = door::open(move |asked| translate(client.clone(), upstream.clone(), asked));
        Ok(Self {
            address: format!("http://{address}"),
            _daemon: daemon,
        })
    }
}

impl Store for GcsServer {
    fn service_by(&self, address: &str) -> Service {
        Service::Gcs(GcsSettings {
            bucket: BUCKET.to_owned(),
            reach: Reach {
                endpoint: Some(address.to_owned()),
                allow_http: true,
                ca_pem: None,
            },
            service_account: None,
            anonymous: true,
        })
    }

    fn address(&self) -> &str {
        &self.address
    }
}

/// One request of the XML API by one of the JSON API. `None`: there was no answer.
async fn translate(client: reqwest::Client, upstream: String, asked: Asked) -> Option<Answered> {
    let path = asked.uri().path().trim_start_matches('/').to_owned();
    let (bucket, object) = path.split_once('/').unwrap_or((&path, ""));
    let object = decoded(object);
    let escaped = object.replace('/', "%2F");
    let object_url = format!("{upstream}/storage/v1/b/{bucket}/o/{escaped}");
    match *asked.method() {
        Method::PUT => put(&client, &upstream, bucket, &object, asked).await,
        Method::DELETE => relay(client.delete(object_url)).await,
        Method::GET if object.is_empty() => list(&client, &upstream, bucket, &asked).await,
        _ => {
            let mut request = client.get(format!("{object_url}?alt=media"));
            if let Some(range) = asked.headers().get("range") {
                request = request.header("range", range);
            }
            let mut answer = relay(request).await?;
            if *asked.method() == Method::HEAD {
                *answer.body_mut() = Full::default();
            }
            Some(answer)
        }
    }
}

/// Undoes percent-encoding; what is wrong in it stays.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let letter = piece
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(letter) = letter {
            out.push(char::from(letter));
            out.push_str(&piece[2..]);
        } else {
            out.push('%');
            out.push_str(piece);
        }
    }
    out
}

async fn put(
    client: &reqwest::Client,
    upstream: &str,
    bucket: &str,
    object: &str,
    asked: Asked,
) -> Option<Answered> {
    let mut url = format!("{upstream}/upload/storage/v1/b/{bucket}/o?uploadType=multipart");
    if let Some(generation) = asked.headers().get("x-goog-if-generation-match") {
        let _ = write!(url, "&ifGenerationMatch={}", generation.to_str().ok()?);
    }
    let metadata = json!({"name": object, "contentType": "application/octet-stream"});
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{metadata}\r\n\
         --{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(asked.body());
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let content = format!("multipart/related; boundary={BOUNDARY}");
    let request = client.post(url).header("content-type", content).body(body);
    let answer = request.send().await.ok()?;
    let status = answer.status();
    let made: Value = answer.json().await.unwrap_or(Value::Null);
    let mut out = Response::builder().status(status);
    if status.is_success() {
        out = out
            .header("etag", made["etag"].as_str()?)
            .header("x-goog-generation", made["generation"].as_str()?);
    }
    out.body(Full::default()).ok()
}

async fn list(
    client: &reqwest::Client,
    upstream: &str,
    bucket: &str,
    asked: &Asked,
) -> Option<Answered> {
    let mut url = format!("{upstream}/storage/v1/b/{bucket}/o?fields=*");
    for pair in asked.uri().query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = match name {
            "prefix" => "prefix",
            "start-after" => "startOffset",
            "max-keys" => "maxResults",
            "continuation-token" => "pageToken",
            _ => continue,
        };
        let _ = write!(url, "&{name}={value}");
    }
    let answer = client.get(url).send().await.ok()?;
    let status = answer.status();
    let page: Value = answer.json().await.ok()?;
    let mut xml = "<?xml version=\"1.0\"?><ListBucketResult>".to_owned();
    for object in page["items"].as_array().into_iter().flatten() {
        let text = |name: &str| object[name].as_str().unwrap_or_default().replace('"', "");
        let _ = write!(
            xml,
            "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{}</LastModified>\
             <ETag>{}</ETag></Contents>",
            text("name"),
            text("size"),
            text("updated"),
            text("etag"),
        );
    }
    if let Some(token) = page["nextPageToken"]
        .as_str()
        .filter(|token| !token.is_empty())
    {
        let _ = write!(
            xml,
            "<NextContinuationToken>{token}</NextContinuationToken>"
        );
    }
    xml.push_str("</ListBucketResult>");
    let out = Response::builder().status(status);
    out.body(Full::new(Bytes::from(xml))).ok()
}

async fn relay(request: reqwest::RequestBuilder) -> Option<Answered> {
    let answer = request.send().await.ok()?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut out = Response::new(Full::new(answer.bytes().await.ok()?));
    *out.status_mut() = status;
    for name in [
        "etag",
        "last-modified",
        "content-length",
        "x-goog-generation",
        "content-range",
    ] {
        if let Some(value) = headers.get(name) {
            out.headers_mut().insert(name, value.clone());
        }
    }
    Some(out)
}
