//! One World for tests: driven clock, seeded randomness, faults, real servers.

pub mod postgres;
pub mod power_cut;
pub mod server;
pub mod world;
