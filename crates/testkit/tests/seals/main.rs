//! Several seals and the root key beneath them: whatever fails at whatever write, every seal that
//! was there opens everything that was there; with real services, and with several nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod keeping;
mod kill;
mod nodes;
mod root;
mod services;
mod stage;
mod stopping;
