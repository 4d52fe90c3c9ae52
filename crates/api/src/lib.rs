//! The wire types of Keyward's HTTP API and its error codes.
//!
//! One file per noun. Knows nothing of operations, storage or transport: server and clients share
//! these types, and the OpenAPI document is made from them. Requests refuse unknown fields; answers
//! may gain fields, so readers ignore what they do not know.

pub mod alert;
pub mod algorithm;
pub mod audit;
pub mod audit_keeping;
pub mod audit_search;
pub mod backup;
pub mod binary;
pub mod binding;
pub mod class;
pub mod error;
pub mod exchange;
pub mod health;
pub mod job;
pub mod key;
pub mod lifecycle;
mod limits;
pub mod names;
pub mod page;
pub mod policy;
pub mod principal;
pub mod privacy;
pub mod registry_migration;
pub mod role;
pub mod rotation;
pub mod seal;
pub mod secret;
pub mod storage;
pub mod storage_migration;
pub mod system;
pub mod tenant;
pub mod time;
pub mod token;
pub mod use_key;
pub mod version;
