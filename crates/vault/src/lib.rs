//! Secure storage: the key hierarchy, its seals, records and the backends beneath them.
//!
//! | to | look at |
//! |---|---|
//! | make a deployment, open it, store and open records | [`vault`] |
//! | understand how the root key gets into memory | [`seal`] |
//! | keep sealed bytes | [`backend`] |
//! | move them from one backend to another | [`migration`] |
//!
//! This crate opens and seals; it knows neither the registry (what it needs of it comes through
//! the port `RecordLedger`) nor HTTP. The hierarchy is written down for other implementers in
//! `docs/formats/hierarchy.md`.

pub mod backend;
mod fair_gate;
pub mod migration;
mod object_names;
mod replica;
pub mod seal;
mod sealed_copies;
pub mod vault;

pub use backend::Patience;
pub use backend::embedded::EmbeddedBackend;
pub use backend::file::FileBackend;
pub use backend::measured::MeasuredBackend;
pub use backend::object::ObjectBackend;
pub use backend::postgres::{PostgresBackend, PostgresSettings};
pub use replica::Replica;
pub use seal::{SealAccess, SealError};
pub use sealed_copies::SealedCopies;
pub use vault::{InitOutcome, SealSetup, Vault};
