//! Stories on real parts: each runs on SQLite with the embedded vault and on PostgreSQL with the
//! file vault. Permissions, history and audit entries are looked at on every step.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod access;
mod audit_detail;
mod audit_detail_ends;
mod audit_keeping;
mod backup_alone;
mod backup_chains;
mod backup_continuous;
mod backup_histories;
mod backup_parts;
mod backup_retention;
mod backup_roots;
mod backup_seconds;
mod backups;
mod calendars;
mod categories;
mod classes_and_bindings;
mod concurrency;
mod conditions;
mod drills;
mod exchange;
mod families;
mod integration_steps;
mod keks;
mod large_values;
mod limits;
mod migration;
mod people;
mod people_apart;
mod people_erased;
mod people_sealed;
mod privacy_restores;
mod repairs;
mod restart;
mod rolled_back;
mod rotations;
mod script;
mod seals;
mod secret_model;
mod secrets;
mod storage;
mod storage_check;
mod tenants;
mod text_sealing;
