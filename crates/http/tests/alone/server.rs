//! The server before any route: problems, ids, limits of time, orderly stopping, TLS.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use keyward_http::{Front, HttpConfig, serve_front, tls};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::wire::{ask, parse, say};

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

fn config() -> HttpConfig {
    HttpConfig::new([1; 32])
}

async fn serve(routes: Router, config: HttpConfig) -> Server {
    serve_with(routes, config, None).await
}

async fn serve_with(
    routes: Router,
    config: HttpConfig,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let front = Arc::new(Front::new(routes, &config));
    let done = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        serve_front(listener, tls, front, &config, shutdown).await;
    });
    Server {
        address,
        stop,
        done,
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), future)
        .await
        .expect("in time")
}

fn hello() -> Router {
    Router::new().route("/hello", get(async || "hello"))
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_with_the_callers_correlation_id() {
    let server = serve(hello(), config()).await;
    let answer = ask(
        server.address,
        "GET",
        "/nothing",
        &["x-correlation-id: c-17"],
    )
    .await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("x-correlation-id"), Some("c-17"));
    let problem = answer.json();
    assert_eq!(problem["code"], "not_found");
    assert_eq!(problem["type"], "urn:keyward:problem:not_found");
    assert_eq!(problem["correlation_id"], "c-17");
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_lists_the_right_ones() {
    let server = serve(hello(), config()).await;
    for method in ["POST", "DELETE", "TRACE", "BREW"] {
        let answer = ask(server.address, method, "/hello", &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method}");
        assert_eq!(answer.json()["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn every_answer_says_that_it_is_not_to_be_kept_and_nothing_of_the_server() {
    let server = serve(hello(), config()).await;
    for path in ["/hello", "/nothing"] {
        let answer = ask(server.address, "GET", path, &[]).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("server"), None);
        assert!(answer.header("x-correlation-id").is_some());
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    let routes = hello().route(
        "/panic",
        get(async || -> &'static str { panic!("a secret") }),
    );
    let server = serve(routes, config()).await;
    let answer = ask(server.address, "GET", "/panic", &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["code"], "internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("a secret"));
    assert_eq!(ask(server.address, "GET", "/hello", &[]).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_503() {
    let mut config = config();
    config.request_timeout = Duration::from_millis(50);
    let server = serve(Router::new().route("/slow", post(pending::<()>)), config).await;
    let answer = within(ask(server.address, "POST", "/slow", &[])).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "overloaded");
}

#[tokio::test]
async fn whoever_sends_nothing_or_half_a_header_is_shown_out() {
    let mut config = config();
    config.header_timeout = Duration::from_millis(100);
    let server = serve(hello(), config).await;
    for half in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET /hello HTTP/1.1\r\nhost: te",
    ] {
        let heard = within(say(server.address, half)).await;
        assert!(!heard.starts_with(b"HTTP/1.1 2"), "{half:?}");
    }
    // Whoever is not quick on a busy machine is shown out too, and comes again.
    let whole = "GET /hello HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    within(async {
        while !say(server.address, whole)
            .await
            .starts_with(b"HTTP/1.1 200")
        {}
    })
    .await;
}

#[tokio::test]
async fn stopping_finishes_what_has_begun_and_takes_nothing_new() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (entered.clone(), release.clone());
    let routes = Router::new().route(
        "/work",
        get(async move || {
            inside.notify_one();
            gate.notified().await;
            "done"
        }),
    );
    let server = serve(routes, config()).await;
    let address = server.address;
    let working = tokio::spawn(async move { ask(address, "GET", "/work", &[]).await });
    within(entered.notified()).await;
    server.stop.send(()).unwrap();
    // The listener goes before what is open comes to its end.
    within(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!server.done.is_finished());
    release.notify_one();
    let answer = within(working).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"done"[..]));
    within(server.done).await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_forever() {
    let mut config = config();
    config.shutdown_timeout = Duration::from_millis(50);
    let entered = Arc::new(Notify::new());
    let inside = entered.clone();
    let routes = Router::new().route(
        "/stuck",
        get(async move || {
            inside.notify_one();
            pending::<()>().await;
        }),
    );
    let server = serve(routes, config).await;
    let address = server.address;
    let stuck =
        tokio::spawn(async move { say(address, "GET /stuck HTTP/1.1\r\nhost: t\r\n\r\n").await });
    within(entered.notified()).await;
    server.stop.send(()).unwrap();
    within(server.done).await.unwrap();
    assert!(within(stuck).await.unwrap().is_empty());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let mut config = config();
    config.connections_max = 1;
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (entered.clone(), release.clone());
    let routes = hello().route(
        "/work",
        get(async move || {
            inside.notify_one();
            gate.notified().await;
        }),
    );
    let server = serve(routes, config).await;
    let address = server.address;
    let first = tokio::spawn(async move { ask(address, "GET", "/work", &[]).await });
    within(entered.notified()).await;
    let second = tokio::spawn(async move { ask(address, "GET", "/hello", &[]).await });
    assert!(!second.is_finished());
    release.notify_one();
    assert_eq!(within(first).await.unwrap().status, 200);
    assert_eq!(within(second).await.unwrap().status, 200);
}

#[tokio::test]
async fn tls_is_1_3_and_speaks_both_protocols() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let acceptor = tls::server_config(vec![certificate.clone()], key).unwrap();
    let server = serve_with(hello(), config(), Some(acceptor)).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = within(connector.connect(name, stream)).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(
        session.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_no_answer() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let acceptor = tls::server_config(vec![made.cert.der().clone()], key).unwrap();
    let server = serve_with(hello(), config(), Some(acceptor)).await;
    let heard = within(say(
        server.address,
        "GET /hello HTTP/1.1\r\nhost: t\r\n\r\n",
    ))
    .await;
    assert!(!heard.starts_with(b"HTTP/"));
}

#[test]
fn an_answer_is_taken_apart() {
    let answer = parse(b"HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\nrest");
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET")));
    assert_eq!(answer.body, b"rest");
}
