//! Every use case as an operation. One file per noun; one function per verb.
//!
//! Each follows the same steps: may the node serve → who and what → may the caller → do it →
//! audit entry → answer. A refusal is an audit entry too.

pub mod audit_detail;
pub mod audit_prune;
pub mod audit_rules;
pub mod authenticate;
pub mod backup;
pub mod binding;
pub mod builtin_roles;
pub mod class;
pub mod clockwork;
mod commit;
pub mod condition;
pub mod drill;
mod gate;
pub mod import_key;
pub mod initialize;
pub mod job;
pub mod kek;
pub mod key;
pub mod log;
mod own_key;
mod people;
pub mod policy;
pub mod principal;
pub mod privacy;
pub mod registry_migration;
pub(crate) mod reserve;
pub mod restore;
pub mod role;
pub mod rotation;
pub mod seal;
pub mod seal_keeping;
pub mod secret;
pub mod start;
pub mod storage;
mod tally;
pub mod tenant;
pub mod text_seal;
pub mod token;
pub mod use_key;
