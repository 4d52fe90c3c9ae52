//! Everything the crate promises, seen from outside. One test binary, so that it links once.
#![allow(clippy::disallowed_methods)] // KEYWARD_CORPUS adds to the corpus
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod algorithms;
mod corpus;
mod envelopes;
mod exchange;
mod exchanges;
mod hybrid;
mod known_answers;
mod materials;
mod messages;
mod passphrases;
mod records;
mod self_tests;
mod shares;
mod signatures;
mod status;
mod streams;
mod support;
#[allow(dead_code)] // the binary of the proof uses the rest
#[path = "../proof/tally.rs"]
mod tally;
mod vectors;
mod weak_rsa;
mod xaes;
