//! The nouns of the design: what the registry's rows mean.
//!
//! Every noun carries an `etag`, its row version: 1 when made, one more with every change.

pub mod action;
pub mod audit_rule;
pub mod binding;
pub mod class_pointer;
pub mod condition;
pub mod drill;
pub mod history;
pub mod import_key;
pub mod job;
pub mod key;
pub mod key_version;
pub mod policy;
pub mod policy_template;
pub mod principal;
pub mod role;
pub mod rotation;
pub mod secret;
mod signed_action;
pub mod state;
pub mod stray;
pub mod tenant;
pub mod token;
