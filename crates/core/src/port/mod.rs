//! The ports: what core asks of the world. Adapters implement them; nothing here does I/O.

pub mod audit_keeping;
pub mod audit_log;
pub mod audit_rules;
pub mod audit_search;
pub mod backup;
pub mod decide;
pub mod drill;
pub mod key_provider;
pub mod lease;
pub mod registry;
pub mod registry_migration;
pub mod repair;
pub mod rotations;
pub mod seal;
pub mod secret_store;
pub mod snapshot;
pub mod storage;
pub mod storage_care;
pub mod storage_migration;
pub mod stream_storage;
pub mod transparency;
pub mod upkeep;
pub mod waiting_addresses;
pub mod witness_desk;
