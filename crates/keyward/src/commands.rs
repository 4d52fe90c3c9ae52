//! One file for each noun of the command line.

pub mod alert;
pub mod algorithm;
pub mod audit;
pub mod backup;
pub mod class;
pub mod config;
pub mod job;
pub mod key;
pub mod login;
pub mod policy;
pub mod principal;
pub mod privacy;
pub mod random;
pub mod registry;
pub mod registry_steering;
pub mod role;
pub mod seal;
pub mod secret;
pub mod serve;
pub mod shell;
pub mod storage;
pub mod storage_migration;
pub mod storage_steering;
pub mod system;
pub mod tenant;
pub mod token;
