//! One World for tests: driven clock, seeded randomness, faults, real servers.
