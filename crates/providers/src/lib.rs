//! Key services, one file each. A provider holds material and uses it; whether it may be used is
//! core's to decide before it asks.
//!
//! | provider | who holds the material |
//! |---|---|
//! | [`native`] | our own vault, through the port `SecureStorage` |
//!
//! A provider knows neither SQL nor HTTP, nor any other provider.

pub mod native;

pub use native::{CacheLimits, NativeProvider};
