//! A small HTTP server inside the test process, for what stands between a client and a real
//! server: a translator, or a bad line. It lives on a thread of its own, as long as the process.
#![allow(clippy::expect_used, clippy::missing_panics_doc)] // a door that cannot be opened ends its test

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A request, read to its end.
pub type Asked = Request<Bytes>;
/// An answer.
pub type Answered = Response<Full<Bytes>>;

/// Serves on a free loopback port. `None` from the handler breaks the connection off without an
/// answer.
pub fn open<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Asked) -> F + Send + Sync + 'static,
    F: Future<Output = Option<Answered>> + Send + 'static,
{
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let _ = told.send(listener.local_addr().expect("an address"));
            let handler = Arc::new(handler);
            while let Ok((stream, _)) = listener.accept().await {
                let handler = Arc::clone(&handler);
                let service = service_fn(move |request: Request<Incoming>| {
                    let handler = Arc::clone(&handler);
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let answer = handler(Request::from_parts(parts, body)).await;
                        answer.ok_or_else(broken_off)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
    });
    address.recv().expect("the door opens")
}

fn broken_off() -> Box<dyn std::error::Error + Send + Sync> {
    "broken off".into()
}

/// Asks another server the same, and gives its answer. `None`: it did not answer.
pub async fn forward(client: &reqwest::Client, upstream: &str, asked: Asked) -> Option<Answered> {
    let (parts, body) = asked.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let answer = client
        .request(parts.method, format!("{upstream}{target}"))
        // With the host that was asked for: signatures cover it.
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .ok()?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    headers.remove("connection");
    let mut out = Response::new(Full::new(answer.bytes().await.ok()?));
    *out.status_mut() = status;
    *out.headers_mut() = headers;
    Some(out)
}

/// A client for [`forward`].
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}
