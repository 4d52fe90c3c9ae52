//! Rust client of Keyward's HTTP API.
