//! The registry's tests. Every story runs on SQLite and on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod world;
mod left;
mod make;

mod audit_rules;
mod commits;
mod constraints;
mod exchange;
mod exchange_sides;
mod faults;
mod leases;
mod migrations;
mod plans;
mod privileges;
mod rotations;
mod round_trips;
mod schema;
mod search;
mod snapshot;
mod together;
mod usage;
