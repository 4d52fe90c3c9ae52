//! The registry: core's [`Registry`](keyward_core::port::registry::Registry) and
//! [`RecordLedger`](keyward_core::port::storage::RecordLedger) on SQLite and PostgreSQL.
//!
//! Holds everything that is not secret and nothing that is: it cannot open, unwrap or even name
//! key material (invariant 1), and it depends on no room but core.
//!
//! | to do this | look here |
//! |---|---|
//! | open a registry | [`SqlRegistry::open`], [`Config`] |
//! | see how a noun becomes a row | `noun/`: one codec each, for both databases |
//! | see how a commit becomes a transaction | `write/`: queue, group commit, one write |
//! | see how rows are found | `read/`: one file for each family of queries |
//! | change the schema | `migrations/`, [`migrate`], [`schema`] |
//! | read or make a registry as a whole | `snapshot/`, [`snapshot::tables::TREATMENT`] |
//! | let another database follow, and exchange the two | `place`, [`follow`] |
//! | run with least privileges | [`grants`] |
//!
//! To add a column: a migration for each dialect, a line in the noun's codec, a line in
//! [`schema::tables`]; the tests name what is missing.

mod audit_rules;
mod called;
mod config;
mod db;
mod fault;
pub mod follow;
pub mod grants;
mod leases;
mod ledger;
mod mark;
pub mod migrate;
mod noun;
mod place;
mod read;
mod registry;
mod rotations;
mod row;
pub mod schema;
pub mod snapshot;
mod sql;
mod upkeep;
mod value;
mod write;

pub use config::{Config, OpenError, StatementObserver};
pub use mark::Mark;
pub use migrate::SchemaError;
pub use registry::SqlRegistry;
pub use value::Value;
