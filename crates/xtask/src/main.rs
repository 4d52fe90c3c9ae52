//! House rules as a test: arrows, lengths, banned calls, fresh generated files.
fn main() {}
