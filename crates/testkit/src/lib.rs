//! One World for tests: driven clock, seeded randomness, faults, real servers.

pub mod postgres;
pub mod world;
