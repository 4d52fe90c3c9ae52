//! The real binary and mirrors of its log: what lies in them verifies at every instant, what is wrong with
//! them is seen, and nobody waits for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // directories and other programs tell nobody

mod continued;
mod following;
mod put_back;
mod stage;
mod stores;
mod wrong;
