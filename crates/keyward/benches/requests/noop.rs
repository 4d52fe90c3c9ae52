//! A handler on the same stack that reads its body and answers as many bytes as an encryption
//! would: the same server, connection handling, limits, correlation ids, access log and metrics.

use std::process::Command;

use axum::Router;
use axum::extract::Path;
use axum::routing::post;
use keyward_http::{HttpConfig, serve_front};
use serde_json::json;

use crate::load::Asked;
use crate::server::Served;

/// The handler, serving.
pub struct Noop {
    pub server: Served,
}

/// Starts it as a process of its own.
pub fn start() -> Noop {
    let own = std::env::current_exe().expect("this program");
    let mut command = Command::new(own);
    command.arg("serve-noop");
    Noop {
        server: Served::start(&mut command, |line| line.starts_with("http")),
    }
}

impl Noop {
    /// A request with a message of that size.
    pub fn asked(&self, bytes: usize) -> Asked {
        Asked::post(
            format!("{}/noop/{bytes}", self.server.address),
            json!({"plaintext": crate::server::base64(bytes)}).to_string(),
        )
    }
}

/// Serves until it is killed.
pub fn serve() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        let config = HttpConfig::new([0; 32]);
        let routes = Router::new().route(
            "/noop/{bytes}",
            post(
                |Path(bytes): Path<usize>, _body: axum::body::Bytes| async move {
                    // The envelope and its overhead around the message, as base64.
                    let text = "k".repeat(45 + (bytes + 81).div_ceil(3) * 4);
                    let answer = json!({"ciphertext": text, "version": 1}).to_string();
                    ([("content-type", "application/json")], answer)
                },
            ),
        );
        let front = std::sync::Arc::new(keyward_http::Front::new(routes, &config));
        serve_front(listener, None, front, &config, std::future::pending()).await;
    });
}
