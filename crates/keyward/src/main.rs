//! The one binary: configuration, wiring, commands.
fn main() {}
