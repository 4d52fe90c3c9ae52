//! One World for tests: driven clock, seeded randomness, faults, real servers.

pub mod bad_line;
pub mod collectors;
pub mod conformance;
pub mod daemon;
pub mod door;
pub mod faulty;
pub mod linear;
pub mod postgres;
pub mod power_cut;
pub mod seal_services;
pub mod server;
pub mod stores;
pub mod world;
