//! Requests to core operations to JSON: authentication, endpoints, OpenAPI, limits.
//!
//! A handler parses, calls one operation of `keyward-core`, and shows what came back; it holds no
//! rules. This room knows nothing of vault, registry, providers or cryptography: it could not reach
//! a raw key if it wanted to. Its own part is what a network needs: limits, timeouts, problems,
//! correlation ids, access log, metrics.
//!
//! To add an endpoint: wire types in `keyward-api`, a view in `view/`, and in `endpoint/` one
//! function that names path, document and handler together ([`document::Endpoint`]).

mod answer;
mod app;
mod begun;
mod call;
pub mod config;
mod cursor;
pub mod document;
mod endpoint;
mod exchange;
mod front;
mod input;
pub mod metrics;
mod path_parameter;
mod patience;
mod percent;
mod precondition;
mod problem;
mod query;
mod rate;
mod reference;
mod serve;
pub mod tls;
mod transfer;
mod view;

pub use app::App;
pub use config::HttpConfig;
pub use front::Front;
pub use serve::{serve, serve_front};
