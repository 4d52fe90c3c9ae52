//! A listener over HTTP in place of a product that cannot be had here: it takes lines, or hangs.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use keyward_testkit::daemon::free_ports;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

#[derive(Default)]
pub struct Inside {
    pub text: Mutex<String>,
    pub tokens: Mutex<Vec<String>>,
    pub hangs: AtomicBool,
    pub asked: AtomicUsize,
}

pub struct Collector {
    pub inside: Arc<Inside>,
    pub address: String,
    task: Option<JoinHandle<()>>,
}

/// Listens there as soon as it can. What listened before is closed, but a program that another test has just started
/// has it too until it is the program.
async fn bound(address: &str) -> TcpListener {
    let wait = async {
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    tokio::task::yield_now().await;
                }
                listener => return listener.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait)
        .await
        .unwrap()
}

impl Collector {
    pub async fn new() -> Self {
        let [port] = free_ports();
        let mut it = Self {
            inside: Arc::default(),
            // Its own also while nobody listens there.
            address: format!("127.0.0.1:{port}"),
            task: None,
        };
        it.start_again().await;
        it
    }

    pub async fn start_again(&mut self) {
        let listener = bound(&self.address).await;
        self.address = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(take).with_state(self.inside.clone());
        self.task = Some(tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        }));
    }

    /// Nobody listens any more.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub async fn text(&self) -> String {
        self.inside.text.lock().await.clone()
    }

    pub fn asked(&self) -> usize {
        self.inside.asked.load(Ordering::SeqCst)
    }

    pub fn hang(&self, hangs: bool) {
        self.inside.hangs.store(hangs, Ordering::SeqCst);
    }
}

async fn take(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> StatusCode {
    inside.asked.fetch_add(1, Ordering::SeqCst);
    if inside.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let token = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    inside.tokens.lock().await.extend(token.map(str::to_owned));
    inside.text.lock().await.push_str(&body);
    StatusCode::NO_CONTENT
}
