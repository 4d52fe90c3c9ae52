//! The wire types of Keyward's HTTP API and its error codes.
pub mod error;
