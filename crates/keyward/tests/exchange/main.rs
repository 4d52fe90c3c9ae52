//! Keys exchanged with other implementations, on the real binary: Python's `cryptography` and the
//! `openssl` command, both ways, every algorithm in every format that the other side knows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod negative;
mod openssl;
mod peer;
mod python;
mod stage;
