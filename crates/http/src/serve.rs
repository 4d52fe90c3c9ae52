//! Connections: accepting them, within limits of number and time, and letting them finish.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use keyward_core::node::Node;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Duration, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::config::HttpConfig;
use crate::front::Front;
use crate::metrics::{self, OpenConnection};

/// How often histograms are folded and old limits forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The most that a request's header may take.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Serves a node until `shutdown`, then finishes what has begun.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    node: Arc<Node>,
    config: HttpConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let app = App::new(node, config.clone());
    let front = Arc::new(app.front());
    let stop = async {
        shutdown.await;
        app.stop();
    };
    let tidy = || app.tidy();
    run(listener, tls, front, &config, stop, tidy).await;
    Ok(())
}

/// Serves any routes the same way.
pub async fn serve_front(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    front: Arc<Front>,
    config: &HttpConfig,
    shutdown: impl Future<Output = ()> + Send,
) {
    run(listener, tls, front, config, shutdown, || ()).await;
}

async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    front: Arc<Front>,
    config: &HttpConfig,
    shutdown: impl Future<Output = ()> + Send,
    tidy: impl Fn(),
) {
    let door = Arc::new(Door {
        front,
        tls: tls.map(TlsAcceptor::from),
        builder: builder(config),
        tls_handshake_timeout: config.tls_handshake_timeout,
        header_timeout: config.header_timeout,
    });
    let places = Arc::new(Semaphore::new(config.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut housekeeping = interval(TIDY_EVERY);
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = housekeeping.tick() => {
                metrics::install().run_upkeep();
                tidy();
            }
            _ = connections.join_next(), if !connections.is_empty() => {}
            // A place first: beyond the limit, connections wait in the system's queue.
            accepted = accept(&listener, &places) => match accepted {
                Ok((stream, peer, place)) => {
                    let (door, watcher) = (door.clone(), graceful.watcher());
                    connections.spawn(async move {
                        door.welcome(stream, peer, watcher).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(config.shutdown_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "connections outlived the time to stop"
        );
    }
    connections.shutdown().await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, Place)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

fn builder(config: &HttpConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .keep_alive_interval(config.header_timeout)
        .keep_alive_timeout(config.header_timeout);
    builder
}

/// What every connection passes through.
struct Door {
    front: Arc<Front>,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    tls_handshake_timeout: Duration,
    header_timeout: Duration,
}

impl Door {
    async fn welcome(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        let _open = OpenConnection::count();
        // Small answers must not wait for the peer's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.converse(stream, peer, watcher).await,
            Some(tls) => match timeout(self.tls_handshake_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.converse(stream, peer, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
        }
    }

    async fn converse<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let begun = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let (front, begun) = (self.front.clone(), begun.clone());
            move |request: hyper::Request<Incoming>| {
                begun.store(true, Ordering::Relaxed);
                let front = front.clone();
                async move {
                    let answer = front.answer(request, Some(peer.ip())).await;
                    Ok::<_, std::convert::Infallible>(answer)
                }
            }
        });
        let io = TokioIo::new(stream);
        let connection = self.builder.serve_connection(io, service).into_owned();
        let connection = watcher.watch(connection);
        tokio::pin!(connection);
        // hyper's own timer begins once the protocol is known; a peer that sends nothing, or half
        // a preface, would never get there.
        tokio::select! {
            _ = &mut connection => return,
            () = sleep(self.header_timeout) => {}
        }
        if begun.load(Ordering::Relaxed) {
            // An error here is the peer's: it went away, or spoke something else.
            let _ = connection.await;
        }
    }
}
