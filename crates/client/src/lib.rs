//! Rust client of Keyward's HTTP API.
//!
//! ```no_run
//! # async fn example() -> Result<(), keyward_client::ClientError> {
//! use keyward_api::binary::Secret;
//! use keyward_api::use_key::{Decrypt, Encrypt};
//! use keyward_client::{Client, ConnectOptions, Token};
//!
//! let options = ConnectOptions::new("https://keys.example.com:8210").with_token(Token::new("kw_…"));
//! let client = Client::new(options)?;
//! let key = client.tenant("clinic").key("patient-records");
//! let sealed = key.perform(&Encrypt {
//!     plaintext: Secret::new(b"blood group 0".to_vec()),
//!     context: Default::default(),
//!     oaep: None,
//!     version: None,
//! }).await?;
//! let opened = key.perform(&Decrypt { ciphertext: sealed.ciphertext, context: Default::default() }).await?;
//! assert_eq!(opened.plaintext.expose(), b"blood group 0");
//! # Ok(()) }
//! ```
//!
//! One file for each noun; every method is one request. It depends on the wire types and knows
//! nothing of the server's insides, of files or of the environment.

mod alert;
mod algorithm;
mod audit;
mod audit_keeping;
mod audit_search;
mod backup;
mod binding;
mod class;
mod connection;
mod error;
mod exchange;
mod job;
mod key;
mod lifecycle;
mod pages;
mod policy;
mod principal;
mod privacy;
mod random;
mod registry_migration;
mod request;
mod role;
mod rotation;
mod scope;
mod seal;
mod secret;
mod storage;
mod storage_migration;
mod system;
mod tenant;
mod token;
mod use_key;
mod value;

pub use class::ClassHandle;
pub use connection::{Client, ConnectOptions, Token};
pub use error::ClientError;
pub use key::KeyHandle;
pub use pages::Pages;
pub use scope::Scope;
pub use seal::RootStep;
pub use tenant::Tenants;
pub use use_key::Verb;
pub use value::{ValueReader, ValueSource, ValueTerms};
