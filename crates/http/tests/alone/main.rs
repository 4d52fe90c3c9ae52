//! What the HTTP room does without a node: the document, the names it shares with core, and the
//! server before any route.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod document;
mod names;
mod server;
mod wire;
