//! The server side: configuration, the data directory, and the parts put together.

pub mod assembly;
pub mod backups;
pub mod clock;
pub mod config;
pub mod continuous;
pub mod data_dir;
pub mod database_url;
pub mod deployment;
pub mod dev;
pub mod drills;
pub mod error;
pub mod filesystem;
pub mod hardening;
pub mod init;
pub mod logging;
pub mod registry_migration;
pub mod restore;
pub mod restore_part;
pub mod run;
pub mod sample;
pub mod seals;
pub mod self_test;
pub mod start;
pub mod storage_migration;
pub mod tls;
pub mod vault_backend;
