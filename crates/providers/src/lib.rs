//! Key services, one file each. A provider holds material and uses it; whether it may be used is
//! core's to decide before it asks.
//!
//! | provider | who holds the material |
//! |---|---|
//! | [`native`] | our own vault, through the port `SecureStorage` |
//!
//! Beside them those that hold a [`seal`]. A provider knows neither SQL nor how requests come in,
//! nor any other provider.

pub mod native;
pub mod seal;

pub use native::{CacheLimits, NativeProvider};
