//! What every handler can reach: the node, the limits, the document.

use std::sync::Arc;

use axum::body::Bytes;
use keyward_core::node::Node;
use tokio::sync::watch;

use crate::config::HttpConfig;
use crate::document;
use crate::front::Front;
use crate::rate::Rates;

/// The state of the server.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    config: HttpConfig,
    rates: Rates,
    document: Bytes,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the server's state together.
    pub fn new(node: Arc<Node>, config: HttpConfig) -> Self {
        let document = document::json(config.metrics_open).into();
        let rates = Rates::new(&config);
        Self(Arc::new(Inner {
            node,
            config,
            rates,
            document,
            stopping: watch::Sender::new(false),
        }))
    }

    /// The server of this state: routes behind limits, ids and logs.
    pub fn front(&self) -> Front {
        let router = document::router(self.0.config.metrics_open)
            .split_for_parts()
            .0;
        Front::new(router.with_state(self.clone()), &self.0.config)
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    pub(crate) fn document(&self) -> Bytes {
        self.0.document.clone()
    }

    /// Tells waiting requests to come to an end.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Resolves when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as `self`.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// What needs doing now and then.
    pub(crate) fn tidy(&self) {
        self.0.rates.tidy();
    }
}
